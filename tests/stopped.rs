//! Processes that somebody stops, or sends another signal.

use crate::wait_until;
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;

/// Until the last thread of a process has stopped: one may wait for a disk.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends a process a signal.
pub fn signal(pid: u32, signal: Signal) -> Result<()> {
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw).context("no process")?;
    Ok(kill_process(process, signal)?)
}

/// Stops a process, and returns when each of its threads stands still: on a busy machine the thread that takes the signal, which
/// stops the others, has to wait for a processor first.
pub fn stop(pid: u32) -> Result<()> {
    signal(pid, Signal::STOP)?;
    let stands = || sys::process::threads(pid).all(sys::process::is_stopped);
    ensure!(wait_until(PATIENCE, stands), "{pid} goes on though it was stopped");
    Ok(())
}
