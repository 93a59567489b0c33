//! Waiting for a process without being deaf: to Ctrl-C, to a time limit, and to what else goes on.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::cell::Cell;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// How often `meanwhile` is called.
const BEAT: Duration = Duration::from_millis(300);

/// The signals that ask for an end, taken from now on as something to read. They are blocked for that, and processes
/// that are started inherit it: see [`Interrupts::spare`].
pub struct Interrupts {
    fd: SignalFd,
    first: Cell<Option<Signal>>,
}

impl Interrupts {
    /// Takes them, for this thread and those that it starts.
    pub fn take() -> Result<Interrupts> {
        let mask: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&mask), None).context("signals cannot be blocked")?;
        let fd = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .context("signals cannot be read")?;
        Ok(Interrupts { fd, first: Cell::new(None) })
    }

    /// Has a command begin with nothing blocked. What runs under it could not be ended otherwise.
    pub fn spare(command: &mut Command) {
        // SAFETY: between `fork` and `execve` only a system call is made (sigprocmask(2) is async-signal-safe).
        unsafe {
            command.pre_exec(|| Ok(sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?));
        }
    }

    /// The first that arrived, if one did.
    pub fn arrived(&self) -> Option<Signal> {
        if self.first.get().is_none()
            && let Ok(Some(info)) = self.fd.read_signal()
        {
            self.first
                .set(i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok()));
        }
        self.first.get()
    }

    /// An error when one arrived.
    pub fn check(&self) -> Result<()> {
        match self.arrived() {
            Some(signal) => bail!("interrupted by {signal}"),
            None => Ok(()),
        }
    }
}

/// Waits for a process. An interruption or a time limit is an error, and the process then still runs.
pub fn wait(
    child: &mut Child,
    limit: Duration,
    interrupts: &Interrupts,
    mut meanwhile: impl FnMut() -> Result<()>,
) -> Result<ExitStatus> {
    let pidfd = rustix::process::pidfd_open(
        rustix::process::Pid::from_child(child),
        rustix::process::PidfdFlags::empty(),
    )
    .context("a process cannot be watched")?;
    let end = Instant::now() + limit;
    let mut beat = Instant::now() + BEAT;
    loop {
        if let Some(status) = child.try_wait().context("a process cannot be waited for")? {
            return Ok(status);
        }
        interrupts.check()?;
        if Instant::now() >= end {
            bail!("a step did not end within {} seconds", limit.as_secs());
        }
        if Instant::now() >= beat {
            meanwhile()?;
            beat = Instant::now() + BEAT;
        }
        let mut fds = [PollFd::new(&pidfd, PollFlags::IN), PollFd::new(&interrupts.fd, PollFlags::IN)];
        let timeout = Timespec { tv_sec: 0, tv_nsec: BEAT.subsec_nanos().into() };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).context("a process cannot be watched"),
        }
    }
}
