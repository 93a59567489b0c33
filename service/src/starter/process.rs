//! The starter's own process.

use super::{MAX_BYTES, Order, Said};
use crate::Error;
use bstr::ByteSlice;
use nix::sched::CloneFlags;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use wire::READING_COMMANDS;

/// Bytes of the stack on which a child becomes its program.
const STACK: usize = 1 << 20;

/// The commands that it starts.
pub struct Commands {
    /// It becomes [`crate::keeper::run`].
    pub keeper: Vec<OsString>,
    /// It becomes [`guard::fanotify::doorkeeper`].
    pub doorkeeper: Vec<OsString>,
    /// It becomes [`crate::broker::process::run`].
    pub broker: Vec<OsString>,
    /// It becomes [`crate::teller::process::run`].
    pub teller: Vec<OsString>,
    /// It trains a user's agent; which and whose follows.
    pub train: Vec<OsString>,
    /// It reads for users without root's rights; the arguments follow.
    pub read: Vec<OsString>,
}

/// The starter's whole life. Its standard input is the supervisor.
pub fn run(commands: &Commands) -> Result<(), Error> {
    let wrong = |e: io::Error| Error::io("the supervisor cannot be heard", e);
    let stream = io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from).map_err(wrong)?;
    #[expect(
        clippy::let_underscore_must_use,
        reason = "no signal of the supervisor's terminal is for it; who leads a session already hears none"
    )]
    let _ = rustix::process::setsid();
    while let Some((order, fds)) = wire::receive::<Order>(&stream, MAX_BYTES)? {
        let said = match commands.command(order, fds) {
            Some(mut command) => start(&mut command),
            None => Said::Refused,
        };
        wire::send(&stream, &said, &[])?;
    }
    Ok(())
}

impl Commands {
    /// What is to be started; `None`: nothing that it knows.
    fn command(&self, order: Order, fds: Vec<OwnedFd>) -> Option<Command> {
        let of = |command: &[OsString]| {
            let (program, args) = command.split_first()?;
            let mut command = Command::new(program);
            command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).current_dir("/");
            Some(command)
        };
        let mut fds = fds.into_iter();
        match order {
            Order::Keeper { cgroups, prefix, strays } => {
                let mut command = of(&self.keeper)?;
                command.arg("--cgroups").arg(cgroups.to_os_str().ok()?).arg("--prefix").arg(prefix);
                command.arg("--strays").arg(strays.to_string());
                command.stdin(fds.next()?).stdout(fds.next()?);
                Some(command)
            }
            Order::Doorkeeper { members, program, verdict } => {
                let mut command = of(&self.doorkeeper)?;
                for (name, number) in [("--members", members), ("--program", program), ("--verdict", verdict)]
                {
                    command.arg(name).arg(number.to_string());
                }
                command.stdin(fds.next()?).stdout(fds.next()?);
                Some(command)
            }
            Order::Broker => {
                let mut command = of(&self.broker)?;
                command.stdin(fds.next()?).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
                Some(command)
            }
            Order::Teller => {
                let mut command = of(&self.teller)?;
                command.stdin(fds.next()?).env_clear();
                Some(command)
            }
            Order::Train { uid, agent } => {
                let mut command = of(&self.train)?;
                command.arg(format!("--agent={agent}")).arg("--user").arg(uid.to_string());
                Some(command)
            }
            Order::Read { args, uid } => {
                let mut command = is_reading(&args).then(|| of(&self.read)).flatten()?;
                command.args(args).arg("--user").arg(uid.to_string());
                command.stdout(fds.next()?).stderr(fds.next()?);
                Some(command)
            }
        }
    }
}

/// Starts one. Where there is no room for another process or descriptor, that one is not, and the next one may be.
fn start(command: &mut Command) -> Said {
    make(command).unwrap_or_else(|error| Said::NotMade(error.raw_os_error().unwrap_or(libc::EIO)))
}

/// Makes a child of this process' parent, and waits until it is what it is to be.
fn make(command: &mut Command) -> io::Result<Said> {
    let (mut heard, mut said) = io::pipe()?;
    let become_it = Box::new(|| {
        let errno = command.exec().raw_os_error().unwrap_or(libc::EINVAL);
        #[expect(clippy::let_underscore_must_use, reason = "who waits for the error is gone")]
        let _ = said.write_all(&errno.to_ne_bytes());
        127
    });
    let mut stack = vec![0; STACK];
    // SAFETY: this process has one thread, so that its child may do whatever it could itself. The child has a copy of its
    // memory, the stack included, and ends where the closure does.
    let child =
        unsafe { nix::sched::clone(become_it, &mut stack, CloneFlags::CLONE_PARENT, Some(libc::SIGCHLD)) }?;
    drop(said);
    let pid = child.as_raw().unsigned_abs();
    let mut errno = [0; 4];
    match heard.read_exact(&mut errno) {
        Ok(()) => Ok(Said::Failed(pid, i32::from_ne_bytes(errno))),
        // Becoming it has closed the pipe.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Said::Started(pid)),
        Err(error) => Err(error),
    }
}

/// A reading command with nothing that could write or name another user: words and numbers, and the switches that
/// choose what is printed.
fn is_reading(args: &[String]) -> bool {
    const SWITCHES: [&str; 5] = ["--json", "--format", "--events", "--all", "--share"];
    let known = args.first().is_some_and(|command| READING_COMMANDS.contains(&command.as_str()));
    let word = |arg: &String| {
        !arg.starts_with('-')
            && arg.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/'))
    };
    known && args.iter().all(|arg| SWITCHES.contains(&arg.as_str()) || word(arg))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reading_is_done_for_others() {
        let ok = |args: &[&str]| is_reading(&args.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
        assert!(ok(&["sessions", "--json"]));
        assert!(ok(&["baseline", "show", "codex/edit"]) && ok(&["show", "last", "--events"]));
        assert!(ok(&["export", "17", "--format", "jsonl"]));
        for bad in [
            &["db", "vacuum"][..],
            &[],
            &["export", "17", "-o", "/etc/passwd"],
            &["export", "--output=/x"],
            &["sessions", "--user", "0"],
            &["sessions", "--state-dir", "/x"],
            &["show", "a b"],
        ] {
            assert!(!ok(bad), "{bad:?}");
        }
    }
}
