//! The command, forked and held before its `execve`: it has the user's uid, groups, environment and terminal, and goes
//! on only when it is released. When the client dies first, it never starts.

use crate::exit::Exit;
use crate::user::Identity;
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{ForkResult, Gid, Pid, Uid, fork, pipe2};
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// What is to be started.
pub struct Plan {
    argv: Vec<CString>,
    environment: Vec<CString>,
    /// Paths to try, in order: one, or one for each directory of PATH.
    candidates: Vec<CString>,
    user: Identity,
}

impl Plan {
    /// A command, its environment (whose PATH is searched), and the user that it runs as.
    pub fn new(command: &[OsString], environment: &[(OsString, OsString)], user: &Identity) -> Result<Self> {
        let program = command.first().context("no command was given")?;
        let argv = command.iter().map(|argument| c_string(argument.as_bytes())).collect::<Result<_>>()?;
        let candidates = candidates(program, environment)?;
        let environment = environment
            .iter()
            .map(|(name, value)| c_string(&[name.as_bytes(), b"=", value.as_bytes()].concat()))
            .collect::<Result<_>>()?;
        Ok(Self { argv, environment, candidates, user: user.clone() })
    }
}

fn candidates(program: &OsStr, environment: &[(OsString, OsString)]) -> Result<Vec<CString>> {
    const DEFAULT_PATH: &[u8] = b"/usr/local/bin:/usr/bin:/bin";
    if program.as_bytes().contains(&b'/') {
        return Ok(vec![c_string(program.as_bytes())?]);
    }
    let path =
        environment.iter().find(|(name, _)| name == "PATH").map_or(DEFAULT_PATH, |(_, v)| v.as_bytes());
    path.split(|&b| b == b':')
        .map(|directory| {
            let directory = if directory.is_empty() { b"." } else { directory };
            c_string(&[directory, b"/", program.as_bytes()].concat())
        })
        .collect()
}

fn c_string(bytes: &[u8]) -> Result<CString> {
    CString::new(bytes).map_err(|_| Exit::Usage.error("an argument or variable holds a NUL byte"))
}

/// The held process.
pub struct Held {
    pid: Pid,
    pidfd: OwnedFd,
    /// Closed without a word, it ends the process.
    release: Option<File>,
    /// [`USER_IS_SET`], and then how it failed, if it did.
    failure: File,
}

/// The process has the command's user and groups.
const USER_IS_SET: u8 = b'u';
/// The process failed; the errno follows.
const FAILED: u8 = b'f';

impl Held {
    /// Forks and holds. The calling process must have one thread.
    pub fn fork(plan: &Plan) -> Result<Self> {
        let (wait, release) = pipe2(OFlag::O_CLOEXEC)?;
        let (failure, report) = pipe2(OFlag::O_CLOEXEC)?;
        // SAFETY: the client has one thread, so that the child finds every lock free and may allocate.
        match unsafe { fork() }.context("the command cannot be forked")? {
            ForkResult::Child => {
                drop((release, failure));
                become_command(plan, wait, &report)
            }
            ForkResult::Parent { child } => {
                let pid = rustix::process::Pid::from_raw(child.as_raw()).context("fork returned no pid")?;
                let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())
                    .context("this kernel has no pidfd: Linux 5.3 or later is needed")?;
                let mut held =
                    Self { pid: child, pidfd, release: Some(release.into()), failure: failure.into() };
                held.await_user()?;
                Ok(held)
            }
        }
    }

    /// Waits until the process is what the command will be: the supervisor looks at it as it is.
    fn await_user(&mut self) -> Result<()> {
        let mut first = [0; 1];
        self.failure.read_exact(&mut first).context("the held process ended")?;
        if first[0] == USER_IS_SET {
            return Ok(());
        }
        let mut rest = [0; 4];
        self.failure.read_exact(&mut rest)?;
        bail!("the user could not be changed: {}", Errno::from_raw(i32::from_le_bytes(rest)).desc())
    }

    /// Its pid.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Its identity, for the supervisor.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Lets it execute the command. A process that was killed meanwhile cannot be told: its end is seen by who waits.
    pub fn release(&mut self) {
        if let Some(mut release) = self.release.take() {
            let _ = release.write_all(b"1");
        }
    }

    /// Why the process never became the command, with the exit code of that; once it has ended.
    pub fn started(mut self, program: &OsStr) -> Result<()> {
        let mut told = Vec::new();
        self.failure.read_to_end(&mut told)?;
        let [_, errno @ ..] = told.as_slice() else { return Ok(()) };
        let errno = Errno::from_raw(i32::from_le_bytes(errno.try_into().unwrap_or_default()));
        let program = program.to_string_lossy();
        Err(match errno {
            Errno::ENOENT | Errno::ENOTDIR => Exit::NotFound.error(format!("`{program}`: command not found")),
            errno => {
                Exit::NotExecutable.error(format!("`{program}` could not be executed: {}", errno.desc()))
            }
        })
    }
}

/// The child: changes the user, waits, executes. Never comes back.
fn become_command(plan: &Plan, wait: OwnedFd, report: &OwnedFd) -> ! {
    let failed = match change_user(plan).and_then(|()| await_word(report, &wait)) {
        Ok(true) => execute(plan),
        // The client died, or decided against it.
        Ok(false) => std::process::exit(Exit::GuardLost as i32),
        Err(errno) => errno,
    };
    let mut bytes = vec![FAILED];
    bytes.extend_from_slice(&(failed as i32).to_le_bytes());
    let _ = nix::unistd::write(report, &bytes);
    let code =
        if matches!(failed, Errno::ENOENT | Errno::ENOTDIR) { Exit::NotFound } else { Exit::NotExecutable };
    std::process::exit(code as i32)
}

fn change_user(plan: &Plan) -> Result<(), Errno> {
    if plan.user.change {
        let groups: Vec<Gid> = plan.user.groups.iter().copied().map(Gid::from_raw).collect();
        let (uid, gid) = (Uid::from_raw(plan.user.uid), Gid::from_raw(plan.user.gid));
        nix::unistd::setgroups(&groups)?;
        nix::unistd::setresgid(gid, gid, gid)?;
        nix::unistd::setresuid(uid, uid, uid)?;
    }
    // Rust's runtime ignores it, and an ignored signal stays ignored over execve.
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default disposition runs no code of ours.
    unsafe { sigaction(Signal::SIGPIPE, &default) }?;
    Ok(())
}

/// Says that the user is set, and waits for the word. `false`: it will not come.
fn await_word(report: &OwnedFd, wait: &OwnedFd) -> Result<bool, Errno> {
    nix::unistd::write(report, &[USER_IS_SET])?;
    let mut word = [0u8; 1];
    loop {
        match nix::unistd::read(wait, &mut word) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
            Ok(read) => return Ok(read == 1),
        }
    }
}

/// Executes the first candidate that can be, like execvp(3). Comes back with why none could.
fn execute(plan: &Plan) -> Errno {
    let mut errno = Errno::ENOENT;
    for path in &plan.candidates {
        let Err(error) = nix::unistd::execve(path, &plan.argv, &plan.environment);
        match error {
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::ENOEXEC => return execute_as_script(plan, path),
            // Another directory may have one that can be executed.
            Errno::EACCES => errno = error,
            error => return error,
        }
    }
    errno
}

/// A file without a `#!` line is the shell's.
fn execute_as_script(plan: &Plan, path: &CString) -> Errno {
    let shell = c"/bin/sh";
    let mut argv = vec![shell.to_owned(), path.clone()];
    argv.extend(plan.argv.iter().skip(1).cloned());
    let Err(error) = nix::unistd::execve(shell, &argv, &plan.environment);
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_searched_and_a_path_is_not() {
        let environment = [(OsString::from("PATH"), OsString::from("/a::/b"))];
        assert_eq!(
            candidates(OsStr::new("x"), &environment).unwrap(),
            [c"/a/x", c"./x", c"/b/x"].map(CString::from)
        );
        assert_eq!(candidates(OsStr::new("./x"), &environment).unwrap(), [c"./x".to_owned()]);
        assert_eq!(candidates(OsStr::new("x"), &[]).unwrap().len(), 3);
    }
}
