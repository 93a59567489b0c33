//! Wardline's own exit codes, 120 to 127. A command's own code passes unchanged.

use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, raise, sigaction, sigprocmask,
};
use std::fmt;
use std::process::ExitCode;

/// Why `wardline` ended other than well. The numbers are a promise to scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The command line is wrong.
    Usage = 120,
    /// Nothing can be protected here: not root, no BPF, no supervisor.
    CannotProtect = 121,
    /// Refused by policy: a workspace, an agent as root, a program or a state that others may change, a caller inside a
    /// session, an agent outside that would do the work.
    Refused = 122,
    /// The supervisor was lost while the command ran: the command was killed.
    GuardLost = 123,
    /// `demo` or `eval` came out other than it promises.
    Broken = 124,
    /// Something failed: a file, the database, Wardline itself.
    Failed = 125,
    /// The command was found and could not be executed.
    NotExecutable = 126,
    /// The command was not found.
    NotFound = 127,
}

impl Exit {
    /// Every code.
    #[cfg(test)]
    pub const ALL: [Exit; 8] = [
        Exit::Usage,
        Exit::CannotProtect,
        Exit::Refused,
        Exit::GuardLost,
        Exit::Broken,
        Exit::Failed,
        Exit::NotExecutable,
        Exit::NotFound,
    ];

    /// An error with this code.
    pub fn error(self, message: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Failure { exit: self, message: message.into() })
    }

    /// The code that an error asks for; [`Exit::Failed`] where it asks for none.
    pub fn of(error: &anyhow::Error) -> Exit {
        error.chain().find_map(|cause| cause.downcast_ref::<Failure>()).map_or(Exit::Failed, |f| f.exit)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// What `--help` says of the codes.
pub const EXIT_HELP: &str = "\
Exit codes:
  The command's own code passes unchanged, and so does a signal that ended it.
  120  the command line is wrong
  121  no protection is possible here: not root, no BPF, no supervisor
  122  refused: the workspace, an agent as root, a program or state directory that other
       users can change, a request from inside a session; or the session ended because it
       connected to an agent outside
  123  the supervisor was lost, and the command was killed
  124  `demo` or `eval` did not give the expected result
  125  something failed: a file, the database, Wardline itself
  126  the command could not be executed
  127  the command was not found";

/// An error that knows its exit code.
#[derive(Debug)]
struct Failure {
    exit: Exit,
    message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Ends this process by the signal that ended a command, so that its caller sees the same. Comes back when that is not
/// possible, and says why.
pub fn die_by(signal: Signal) {
    if let Err(error) = end_by(signal) {
        anstream::eprintln!("this process cannot end by {signal} as the command did: {error}");
    }
}

fn end_by(signal: Signal) -> std::io::Result<()> {
    // No core file of the client on top of the command's.
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(rustix::process::Resource::Core, none)?;
    // The kernel lets nobody say what becomes of SIGKILL.
    if signal != Signal::SIGKILL {
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::SA_RESTART, SigSet::empty());
        // SAFETY: the default disposition: no code of ours runs in signal context.
        unsafe { sigaction(signal, &default) }?;
    }
    let mask: SigSet = [signal].into_iter().collect();
    sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&mask), None)?;
    Ok(raise(signal)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn every_code_is_documented_once() {
        for exit in Exit::ALL {
            assert_eq!(EXIT_HELP.matches(&format!("\n  {}  ", exit as u8)).count(), 1, "{exit:?}");
        }
    }

    #[test]
    fn an_error_keeps_its_code_under_context() {
        let error: anyhow::Error =
            Err::<(), _>(Exit::Refused.error("no")).context("while trying").unwrap_err();
        assert_eq!(Exit::of(&error), Exit::Refused);
        assert_eq!(Exit::of(&anyhow::anyhow!("plain")), Exit::Failed);
    }
}
