//! Signals while the command runs. The terminal's own (Ctrl-C, Ctrl-\, Ctrl-Z) go to the whole foreground group, so the
//! command has them already and the client ignores them; what is sent to the client alone is handed on.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, kill, raise, sigaction, sigprocmask,
};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, getpgid, getpgrp};

/// The terminal's: the command's own business.
const IGNORED: [Signal; 5] =
    [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU];
/// Sent to the client by who wants the command to end, or to know of something.
const FORWARDED: [Signal; 4] = [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2];

/// The signals of the client from the fork on, readable as a descriptor.
pub struct Signals {
    fd: SignalFd,
}

impl Signals {
    /// Ignores the terminal's signals and collects the others. Call it after the fork: a child would inherit it.
    pub fn take() -> Result<Self> {
        for signal in IGNORED {
            set(signal, SigHandler::SigIgn)?;
        }
        let waking = [Signal::SIGCHLD, Signal::SIGINT, Signal::SIGQUIT];
        let mask: SigSet = FORWARDED.into_iter().chain(waking).collect();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&mask), None).context("signals cannot be blocked")?;
        let fd = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .context("signals cannot be read")?;
        Ok(Self { fd })
    }

    /// The descriptor to poll.
    pub fn fd(&self) -> &SignalFd {
        &self.fd
    }

    /// What arrived. SIGCHLD only wakes: who waits asks the kernel itself.
    pub fn arrived(&self) -> Vec<Signal> {
        let mut arrived = Vec::new();
        while let Ok(Some(info)) = self.fd.read_signal() {
            let signal = i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
            arrived.extend(signal.filter(|signal| *signal != Signal::SIGCHLD));
        }
        arrived
    }
}

/// Hands signals on to the command; the terminal's own it has already.
pub fn hand_on(arrived: &[Signal], command: Pid) {
    for signal in arrived.iter().filter(|signal| FORWARDED.contains(signal)) {
        #[expect(clippy::let_underscore_must_use, reason = "who is gone needs no signal")]
        let _ = kill(command, *signal);
    }
}

/// Whether one of them asks for an end.
pub fn ask_for_an_end(arrived: &[Signal]) -> bool {
    let ends = [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT];
    arrived.iter().any(|signal| ends.contains(signal))
}

/// Stops this process, so that the shell gets control back, until it is continued.
pub fn suspend() -> Result<()> {
    set(Signal::SIGTSTP, SigHandler::SigDfl)?;
    raise(Signal::SIGTSTP)?;
    set(Signal::SIGTSTP, SigHandler::SigIgn)
}

/// The command stopped: the client stops too, so that the shell gets control back, and takes the command along when it
/// is continued.
pub fn stop_with(command: Pid, signal: Signal) -> Result<()> {
    match signal {
        // By kill(1) from outside, where nobody waits at a terminal: its sender continues it.
        Signal::SIGSTOP if !super::terminal::foreground() => return Ok(()),
        Signal::SIGSTOP => raise(Signal::SIGSTOP)?,
        signal => {
            set(signal, SigHandler::SigDfl)?;
            raise(signal)?;
            set(signal, SigHandler::SigIgn)?;
        }
    }
    // The shell continues the whole job; an interactive shell as the command has a group of its own.
    let group = getpgid(Some(command)).unwrap_or(command);
    let target = if group == getpgrp() { command } else { Pid::from_raw(-group.as_raw()) };
    match kill(target, Signal::SIGCONT) {
        Err(Errno::ESRCH) | Ok(()) => Ok(()),
        Err(errno) => Err(errno).context("the command cannot be continued"),
    }
}

fn set(signal: Signal, handler: SigHandler) -> Result<()> {
    if matches!(signal, Signal::SIGKILL | Signal::SIGSTOP) {
        return Ok(());
    }
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: ignoring or the default disposition: no code of ours runs in signal context.
    unsafe { sigaction(signal, &action) }.with_context(|| format!("{signal} cannot be set"))?;
    Ok(())
}
