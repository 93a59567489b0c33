//! The workload's own side: runs inside the session, and measures there.
//!
//! What arms a session happens before this process starts, and what ends one after it has gone: neither is in its time.

use super::micro;
use super::supervisor;
use super::workload::Workload;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// The arguments of `inside`.
#[derive(Args)]
pub struct Inside {
    /// What to do
    workload: Workload,
    /// Rounds of a loop
    #[arg(long, default_value_t = 1)]
    rounds: u64,
    /// The file that loops open
    #[arg(long)]
    file: PathBuf,
    /// Where to write what was measured; exists already
    #[arg(long)]
    report: PathBuf,
    /// Become this user first
    #[arg(long)]
    user: Option<u32>,
    /// Open and close for so many seconds instead, and so often a second (0: as often as it goes)
    #[arg(long, num_args = 2, value_names = ["SECONDS", "RATE"])]
    flood: Option<Vec<u64>>,
    /// Open and close for so many seconds before anything is measured, as often as it goes
    #[arg(long, value_name = "SECONDS")]
    age: Option<u64>,
    /// The supervisor, whose time is read at both ends
    #[arg(long)]
    supervisor: Option<u32>,
    /// The script
    #[arg(long)]
    script: Option<PathBuf>,
    /// Its arguments
    #[arg(last = true)]
    arguments: Vec<OsString>,
}

/// What was measured inside.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Wall time of the workload, ns.
    pub wall_ns: u64,
    /// Processor time of the workload and everything that it started, ns.
    pub cpu_ns: u64,
    /// Rounds that were done.
    pub rounds: u64,
    /// System calls of a flood between its rounds.
    pub sleeps: u64,
    /// Processor time of the supervisor when the workload began, and when it ended, ns.
    pub supervisor_ns: Option<(u64, u64)>,
}

/// Does it.
pub fn run(inside: &Inside) -> Result<()> {
    // Opened before the user changes.
    let mut report = OpenOptions::new().write(true).truncate(true).open(&inside.report);
    if let Some(user) = inside.user {
        nix::unistd::setgroups(&[])?;
        nix::unistd::setgid(user.into())?;
        nix::unistd::setuid(user.into())?;
    }
    if report.is_err() {
        report = OpenOptions::new().write(true).truncate(true).open(&inside.report);
    }
    let mut report = report.with_context(|| format!("cannot write {}", inside.report.display()))?;
    if let Some(seconds) = inside.age {
        micro::flood(&inside.file, seconds as f64, 0)?;
    }
    let supervisor = || inside.supervisor.map(supervisor::processor_ns).transpose();
    let before = supervisor()?;
    let cpu = processor_ns()?;
    let started = Instant::now();
    let (rounds, sleeps) = work(inside)?;
    let wall_ns = started.elapsed().as_nanos() as u64;
    let cpu_ns = processor_ns()? - cpu;
    let supervisor_ns = before.zip(supervisor()?);
    serde_json::to_writer(&mut report, &Measured { wall_ns, cpu_ns, rounds, sleeps, supervisor_ns })?;
    report.flush()?;
    Ok(())
}

/// Does it; returns the rounds that were done, and the sleeps between them.
fn work(inside: &Inside) -> Result<(u64, u64)> {
    if let Some([seconds, rate]) = inside.flood.as_deref() {
        return micro::flood(&inside.file, *seconds as f64, *rate);
    }
    let Some(script) = &inside.script else {
        micro::run(inside.workload, inside.rounds, &inside.file)?;
        return Ok((inside.rounds, 0));
    };
    let status = Command::new("/bin/bash").arg(script).args(&inside.arguments).status()?;
    if !status.success() {
        bail!("{} failed: {status}", script.display());
    }
    Ok((1, 0))
}

/// Processor time of this process and of its children that were waited for, ns.
fn processor_ns() -> Result<u64> {
    [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN].into_iter().map(usage_ns).sum()
}

fn usage_ns(whose: UsageWho) -> Result<u64> {
    let usage = getrusage(whose)?;
    let times = [usage.user_time(), usage.system_time()];
    Ok(times.iter().map(|t| t.tv_sec() as u64 * 1_000_000_000 + t.tv_usec() as u64 * 1000).sum())
}
