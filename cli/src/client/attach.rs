//! A session around a process that runs already, from the client's side: until that process ends, or the user leaves.

use super::connect;
use super::guarded::{Guarded, lost};
use super::run::arm;
use super::terminal::Terminal;
use anyhow::{Context, Result};
use bstr::ByteSlice;
use command::{Exit, State};
use event::Mode;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::AsFd;
use std::path::PathBuf;
use wire::{Begin, Finished, Ready, Request};

/// Signals that end the session here. The user leaves an enforced one by Ctrl-C alone, which the kernel sends for the
/// terminal: what anybody else sends may come from inside, and would take the guard off.
const LEAVING: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

/// How an attached session was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Its process ended.
    Ended,
    /// The user left, and its processes go on.
    Detached,
}

/// Attaches to a running process, which `begin` names. `started` is called when it is inside; `told` with why it cannot be
/// left just now.
pub fn attach(
    state: &State,
    verbose: u8,
    begin: Begin,
    started: impl FnOnce(&Ready),
    told: impl FnMut(&str),
) -> Result<(Left, Finished)> {
    let terminal = Terminal::now();
    let left = follow(state, verbose, begin, started, told);
    // The tree may have the same one: what it has typed there is not for the shell.
    terminal.take_back();
    left
}

fn follow(
    state: &State,
    verbose: u8,
    begin: Begin,
    started: impl FnOnce(&Ready),
    mut told: impl FnMut(&str),
) -> Result<(Left, Finished)> {
    let pid = i32::try_from(begin.pid).ok().and_then(Pid::from_raw).context("no process has that number")?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())
        .map_err(|e| Exit::Usage.error(format!("there is no process {}: {e}", begin.pid)))?;
    drop(connect::or_start(state, verbose)?);
    let enforced = begin.mode == Mode::Enforce;
    let mask: SigSet = LEAVING.into_iter().collect();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&mask), None).context("signals cannot be blocked")?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .context("signals cannot be read")?;
    let (supervisor, ready) = arm(state, verbose, begin, pidfd.as_fd())?;
    started(&ready);
    let cgroup = ready.cgroup.as_ref().and_then(|cgroup| cgroup.to_path().ok()).map(PathBuf::from);
    let guard_lost = || {
        // Its number may be another's once it has ended.
        let gone = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&Timespec::default())) != Ok(0);
        let root = (!gone).then(|| nix::unistd::Pid::from_raw(pid.as_raw_pid()));
        super::lost::kill_session(root, cgroup.as_deref());
        lost()
    };
    let mut guarded = Guarded::new(supervisor, None);
    loop {
        let mut fds = vec![
            PollFd::new(&signals, PollFlags::IN),
            PollFd::new(guarded.supervisor(), PollFlags::IN),
            PollFd::new(&pidfd, PollFlags::IN),
        ];
        fds.extend(guarded.terminal().map(|terminal| PollFd::new(terminal, PollFlags::IN)));
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other.context("the process cannot be watched")?,
        };
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        if ready.get(3) == Some(&true) {
            guarded.typed().map_err(|_| guard_lost())?;
        }
        if ready.get(1) == Some(&true) {
            guarded.hear().map_err(|_| guard_lost())?;
            continue;
        }
        let (request, left) = match (ready.get(2) == Some(&true), ready.first() == Some(&true)) {
            (true, _) => (Request::Gone, Left::Ended),
            (false, true) => (Request::Detach, Left::Detached),
            (false, false) => continue,
        };
        let sent: Vec<siginfo> = std::iter::from_fn(|| signals.read_signal().ok().flatten()).collect();
        if left == Left::Detached && enforced && !sent.iter().any(is_typed) {
            guarded.ended();
            // The supervisor takes the end of this process for what it is, and kills the session.
            return Err(Exit::GuardLost.error(
                "a signal ended this command: the session was killed, since nothing would have guarded it any more; \
                 Ctrl-C leaves it",
            ));
        }
        if left == Left::Ended {
            guarded.ended();
        }
        match guarded.finish(&request).map_err(|_| guard_lost())? {
            Ok(finished) => return Ok((left, finished)),
            Err(refused) => told(&refused),
        }
    }
}

/// Whether Ctrl-C was typed at the terminal.
fn is_typed(signal: &siginfo) -> bool {
    /// include/uapi/asm-generic/siginfo.h: sent by the kernel.
    const SI_KERNEL: i32 = 0x80;
    signal.ssi_signo == Signal::SIGINT as u32 && signal.ssi_code == SI_KERNEL
}
