//! A session around a process that runs already, from the client's side: until that process ends, or the user leaves.

use super::connect;
use super::run::{arm, frozen, lost};
use crate::exit::Exit;
use crate::state::State;
use anyhow::{Context, Result, bail};
use bstr::ByteSlice;
use guard::control::{self, Begin, Finished, MAX_REPLY_BYTES, Mode, Ready, Reply, Request};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::AsFd;
use std::path::PathBuf;

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
    loop {
        let mut fds = [
            PollFd::new(&signals, PollFlags::IN),
            PollFd::new(&supervisor, PollFlags::IN),
            PollFd::new(&pidfd, PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other.context("the process cannot be watched")?,
        };
        let (signalled, spoken, ended) =
            (!fds[0].revents().is_empty(), !fds[1].revents().is_empty(), !fds[2].revents().is_empty());
        // Until it is asked the supervisor says whether the session stands still: anything else is its end.
        if spoken {
            frozen(&supervisor).map_err(|_| guard_lost())?;
            continue;
        }
        let (request, left) = match (ended, signalled) {
            (true, _) => (Request::Gone, Left::Ended),
            (false, true) => (Request::Detach, Left::Detached),
            (false, false) => continue,
        };
        let sent: Vec<siginfo> = std::iter::from_fn(|| signals.read_signal().ok().flatten()).collect();
        if left == Left::Detached && enforced && !sent.iter().any(is_typed) {
            // The supervisor takes the end of this process for what it is, and kills the session.
            return Err(Exit::GuardLost.error(
                "a signal ended this command: the session was killed, since nothing would have guarded it any more; \
                 Ctrl-C leaves it",
            ));
        }
        control::send(&supervisor, &request, &[]).map_err(|_| guard_lost())?;
        loop {
            match control::receive::<Reply>(&supervisor, MAX_REPLY_BYTES) {
                Ok(Some((Reply::Finished(finished), _))) => return Ok((left, *finished)),
                Ok(Some((Reply::Frozen(_), _))) => continue,
                Ok(Some((Reply::Refused(refused), _))) => told(&refused.message),
                Ok(Some(_)) => bail!("the supervisor answered something else than was asked"),
                Ok(None) | Err(_) => return Err(guard_lost()),
            }
            break;
        }
    }
}

/// Whether Ctrl-C was typed at the terminal.
fn is_typed(signal: &siginfo) -> bool {
    /// include/uapi/asm-generic/siginfo.h: sent by the kernel.
    const SI_KERNEL: i32 = 0x80;
    signal.ssi_signo == Signal::SIGINT as u32 && signal.ssi_code == SI_KERNEL
}
