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
/// Sent to the client by who wants the command to end.
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
        let mask: SigSet = FORWARDED.into_iter().chain([Signal::SIGCHLD]).collect();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&mask), None).context("signals cannot be blocked")?;
        let fd = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .context("signals cannot be read")?;
        Ok(Self { fd })
    }

    /// The descriptor to poll.
    pub fn fd(&self) -> &SignalFd {
        &self.fd
    }

    /// Hands on what arrived. SIGCHLD only wakes: who waits asks the kernel itself.
    pub fn forward(&self, command: Pid) {
        while let Ok(Some(info)) = self.fd.read_signal() {
            let signal = i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
            if let Some(signal) = signal.filter(|signal| *signal != Signal::SIGCHLD) {
                let _ = kill(command, signal);
            }
        }
    }
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

/// Ends this process by the signal that ended the command, so that its caller sees the same. Comes back when that is not
/// possible.
pub fn die_by(signal: Signal) {
    // No core file of the client on top of the command's.
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    let _ = set(signal, SigHandler::SigDfl);
    let mask: SigSet = [signal].into_iter().collect();
    let _ = sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&mask), None);
    let _ = raise(signal);
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
