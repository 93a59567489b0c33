//! The command, forked and held before its `execve`: it has the user's uid, groups, environment and terminal, and goes
//! on only when it is released. When the client dies first, it never starts. The command is looked for by it, as the
//! user: nothing that the user's PATH names is opened as root.

use super::first;
use super::found::{DEFAULT_PATH, Found, c_string, candidates};
use super::way::Places;
use crate::environment::Environment;
use agents::Agent;
use anyhow::{Context, Result, bail};
use bstr::{BStr, BString, ByteSlice};
use command::Exit;
use command::user::Identity;
use guard::confine::{self, Domain};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{ForkResult, Gid, Pid, Uid, fork, pipe2};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_keep_capabilities};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use wire::{Confinement, Way};

/// How an agent is looked for behind a command.
#[derive(Default)]
pub struct Looks {
    /// Where the session will work, canonical.
    pub workspaces: Vec<PathBuf>,
    /// The user has said which agent it is.
    pub is_said: bool,
}

/// What is to be started.
struct Plan {
    argv: Vec<CString>,
    environment: Vec<CString>,
    /// Paths to try, in order: one, or one for each directory of PATH.
    candidates: Vec<CString>,
    user: Identity,
    /// How an agent is looked for behind it.
    looks: Looks,
    /// What it can be given where it begins a session; `None`: it is only looked for.
    begins: Option<Confinement>,
}

impl Plan {
    /// A command, its environment (whose PATH is searched), and the user that it runs as.
    fn new(
        command: &[OsString],
        environment: &Environment,
        user: &Identity,
        looks: Looks,
        begins: Option<Confinement>,
    ) -> Result<Self> {
        let program = command.first().context("no command was given")?;
        let argv = command.iter().map(|argument| c_string(argument.as_bytes())).collect::<Result<_>>()?;
        let candidates = candidates(program, environment.get("PATH").map(OsString::as_os_str))?;
        let environment = environment
            .variables()
            .iter()
            .map(|(name, value)| c_string(&[name.as_bytes(), b"=", value.as_bytes()].concat()))
            .collect::<Result<_>>()?;
        Ok(Self { argv, environment, candidates, user: user.clone(), looks, begins })
    }

    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<&BStr> {
        let mut variables =
            self.environment.iter().filter_map(|variable| variable.as_bytes().split_once_str("="));
        variables.find(|(of, _)| *of == name.as_bytes()).map(|(_, value)| BStr::new(value))
    }

    /// How the command leads to an agent that it is not itself.
    fn way(&self) -> Option<Way> {
        let words: Vec<&[u8]> = self.argv.iter().map(|word| word.as_bytes()).collect();
        let variable = |name: &str| self.variable(name).map(|value| OsStr::from_bytes(value));
        let home = &self.user.home;
        let home = &home.canonicalize().unwrap_or_else(|_| home.clone());
        let Looks { workspaces, is_said } = &self.looks;
        let directory = std::env::current_dir().ok();
        let directory = directory.as_deref();
        Places { variable: &variable, home, workspaces, directory, is_said: *is_said }.way(&words)
    }

    /// Makes what the known agent that it was found to be, or to lead to, makes at its first start.
    fn make_first(&self, found: Option<&Found>, way: Option<&Way>) {
        let Some(Found::File { file, .. }) = found else { return };
        let words = self.argv.iter().map(|word| word.as_bytes());
        let led = way.filter(|way| !way.ends.is_empty()).and_then(|way| way.agent.as_deref());
        let agent = led.and_then(Agent::named).or_else(|| Agent::of_command(words));
        if let Some(agent) = agent.or_else(|| Agent::of_program(file.as_os_str().as_bytes())) {
            first::make(agent, &self.user.home, |name| self.variable(name));
        }
    }
}

/// Why there is no session: where the command was looked for, and what to do.
fn not_found(program: &OsStr, environment: &Environment) -> anyhow::Error {
    let name = program.display();
    if program.as_bytes().contains(&b'/') {
        return Exit::NotFound.error(format!("`{name}`: command not found"));
    }
    let path = match environment.get("PATH") {
        Some(path) => format!("PATH is `{}`, from {}", path.display(), environment.whose_path()),
        None => format!("there is no PATH, which stands for `{DEFAULT_PATH}`"),
    };
    Exit::NotFound.error(format!(
        "`{name}`: command not found\n{path}\ngive the program's whole path, or say where to look: `--path \"$PATH\"`"
    ))
}

/// The held process.
pub struct Held {
    program: OsString,
    pid: Pid,
    pidfd: OwnedFd,
    found: Option<Found>,
    way: Option<Way>,
    /// Closed without a word, it ends the process.
    release: Option<File>,
    /// [`USER_IS_SET`], and then how it failed, if it did.
    failure: File,
}

/// Lets the process go on.
#[derive(Serialize, Deserialize)]
struct Word {
    confinement: Confinement,
    /// More variables for the command.
    variables: Vec<(BString, BString)>,
}

/// The process has the command's user and groups; what it found follows.
const USER_IS_SET: u8 = b'u';
/// The process failed; the errno follows.
const FAILED: u8 = b'f';

impl Held {
    /// Forks and holds the command of a session, which can be given what is offered. The calling process must have one thread.
    pub fn fork(
        command: &[OsString],
        environment: &Environment,
        user: &Identity,
        looks: Looks,
        offered: Confinement,
    ) -> Result<Self> {
        Self::of(command, environment, &Plan::new(command, environment, user, looks, Some(offered))?)
    }

    /// The same to find out what a command is, as its user: nothing is made for it.
    pub fn look(command: &[OsString], environment: &Environment, user: &Identity) -> Result<Self> {
        Self::of(command, environment, &Plan::new(command, environment, user, Looks::default(), None)?)
    }

    fn of(command: &[OsString], environment: &Environment, plan: &Plan) -> Result<Self> {
        let program = command.first().context("no command was given")?.clone();
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
                let (release, failure) = (Some(release.into()), failure.into());
                let mut held = Self { program, pid: child, pidfd, found: None, way: None, release, failure };
                held.await_user()?;
                if matches!(held.found, Some(Found::Nowhere)) {
                    return Err(not_found(&held.program, environment));
                }
                Ok(held)
            }
        }
    }

    /// Waits until the process is what the command will be: the supervisor looks at it as it is.
    fn await_user(&mut self) -> Result<()> {
        let mut first = [0; 1];
        self.failure.read_exact(&mut first).context("the held process ended")?;
        if first[0] == USER_IS_SET {
            self.found = Found::read(&mut self.failure).context("the held process ended")?;
            self.way = read_way(&mut self.failure).context("the held process ended")?;
            return Ok(());
        }
        let mut rest = [0; 4];
        self.failure.read_exact(&mut rest)?;
        bail!(
            "the command's user could not be set, or what confines it not be made: {}",
            Errno::from_raw(i32::from_le_bytes(rest)).desc()
        )
    }

    /// The file that the command was found to be, links followed.
    pub fn file(&self) -> Option<&Path> {
        match &self.found {
            Some(Found::File { file, .. }) => Some(file),
            Some(Found::Nowhere) | None => None,
        }
    }

    /// What the command was found to be, for people.
    pub fn told(&self) -> Option<String> {
        let Some(Found::File { path, file }) = &self.found else { return None };
        let program = self.program.display();
        Some(if path == file {
            format!("{program}: {}", path.display())
        } else {
            format!("{program}: {}, which is {}", path.display(), file.display())
        })
    }

    /// How the command leads to an agent that it is not itself.
    pub fn way(&self) -> Option<&Way> {
        self.way.as_ref()
    }

    /// Its pid.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Its identity, for the supervisor.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Lets it execute the command, confined, and with more variables. A process that was killed meanwhile cannot be told: its
    /// end is seen by who waits.
    pub fn release(&mut self, confinement: Confinement, variables: &[(BString, BString)]) {
        if let Some(mut release) = self.release.take() {
            let word = Word { confinement, variables: variables.to_vec() };
            #[expect(
                clippy::let_underscore_must_use,
                reason = "a child that is gone is seen by who waits for it"
            )]
            let _ = serde_json::to_writer(&mut release, &word);
        }
    }

    /// Why the process never became the command; once it has ended. `None`: it did.
    pub fn unstarted(mut self) -> Result<Option<Errno>> {
        let mut told = Vec::new();
        self.failure.read_to_end(&mut told)?;
        let [_, errno @ ..] = told.as_slice() else { return Ok(None) };
        Ok(Some(Errno::from_raw(i32::from_le_bytes(errno.try_into().unwrap_or_default()))))
    }
}

/// The child: changes the user, waits, executes. Never comes back.
fn become_command(plan: &Plan, wait: OwnedFd, report: &OwnedFd) -> ! {
    let Err(failed) = try_to_become(plan, wait, report);
    let mut bytes = vec![FAILED];
    bytes.extend_from_slice(&(failed as i32).to_le_bytes());
    #[expect(clippy::let_underscore_must_use, reason = "who waits for it sees the end as well")]
    let _ = nix::unistd::write(report, &bytes);
    let code =
        if matches!(failed, Errno::ENOENT | Errno::ENOTDIR) { Exit::NotFound } else { Exit::NotExecutable };
    std::process::exit(code as i32)
}

fn try_to_become(plan: &Plan, wait: OwnedFd, report: &OwnedFd) -> Result<Infallible, Errno> {
    let offered = plan.begins.unwrap_or_default();
    let domain = offered.domain.then(Domain::new).transpose().map_err(of_io)?;
    change_user(plan)?;
    let Some(word) = await_word(plan, report, wait)? else {
        // The client died, or decided against it.
        std::process::exit(Exit::GuardLost as i32)
    };
    if word.confinement != Confinement::default() {
        if plan.user.change {
            hold(CapabilitySet::SYS_ADMIN, CapabilitySet::SYS_ADMIN)?;
        }
        confine::confine(word.confinement, domain).map_err(of_io)?;
    }
    if plan.user.change {
        hold(CapabilitySet::empty(), CapabilitySet::empty())?;
    }
    Err(execute(plan, &with(&plan.environment, assignments(&word.variables))))
}

fn change_user(plan: &Plan) -> Result<(), Errno> {
    if plan.user.change {
        let groups: Vec<Gid> = plan.user.groups.iter().copied().map(Gid::from_raw).collect();
        let (uid, gid) = (Uid::from_raw(plan.user.uid), Gid::from_raw(plan.user.gid));
        nix::unistd::setgroups(&groups)?;
        nix::unistd::setresgid(gid, gid, gid)?;
        // Confining it wants to administrate the system once more. Until then that lies by, and nothing is done by it.
        let confines = plan.begins.is_some_and(|offered| offered != Confinement::default());
        set_keep_capabilities(confines).map_err(of_rustix)?;
        nix::unistd::setresuid(uid, uid, uid)?;
        if confines {
            hold(CapabilitySet::SYS_ADMIN, CapabilitySet::empty())?;
        }
    }
    // Rust's runtime ignores it, and an ignored signal stays ignored over execve.
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default disposition runs no code of ours.
    unsafe { sigaction(Signal::SIGPIPE, &default) }?;
    Ok(())
}

/// May use these capabilities and no others, and uses, of them, the effective ones.
fn hold(permitted: CapabilitySet, effective: CapabilitySet) -> Result<(), Errno> {
    let sets = CapabilitySets { effective, permitted, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).map_err(of_rustix)
}

fn of_io(error: io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EPERM))
}

fn of_rustix(errno: rustix::io::Errno) -> Errno {
    Errno::from_raw(errno.raw_os_error())
}

/// Says that the user is set and what the command is, and waits for the word. `None`: it will not come.
fn await_word(plan: &Plan, report: &OwnedFd, wait: OwnedFd) -> Result<Option<Word>, Errno> {
    let mut report = File::from(report.try_clone().map_err(|_| Errno::EMFILE)?);
    let found = Found::look(&plan.candidates);
    let way = plan.begins.and_then(|_| plan.way());
    if plan.begins.is_some() {
        plan.make_first(found.as_ref(), way.as_ref());
    }
    let told = report.write_all(&[USER_IS_SET]).and_then(|()| Found::write(found.as_ref(), &mut report));
    told.and_then(|()| write_way(way.as_ref(), &mut report)).map_err(|_| Errno::EPIPE)?;
    let mut said = Vec::new();
    File::from(wait)
        .read_to_end(&mut said)
        .map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)))?;
    // A client that died has said nothing, or half of it.
    Ok(serde_json::from_slice(&said).ok())
}

/// Bytes that a way is told in.
const WAY_MAX: u32 = 256 << 10;

/// Tells the way that was found, behind its length.
fn write_way(way: Option<&Way>, to: &mut impl Write) -> io::Result<()> {
    let mut told = serde_json::to_vec(&way)?;
    if told.len() > WAY_MAX as usize {
        // Nobody is the agent then.
        let agent = way.and_then(|way| way.agent.clone());
        told = serde_json::to_vec(&Some(Way { agent, ..Way::default() }))?;
    }
    to.write_all(&u32::try_from(told.len()).unwrap_or(u32::MAX).to_le_bytes())?;
    to.write_all(&told)
}

/// Reads what was told. The process runs as the user already, who may have it say anything.
fn read_way(from: &mut impl Read) -> io::Result<Option<Way>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > WAY_MAX {
        return Err(io::Error::other("what leads to the agent is too long"));
    }
    let mut told = vec![0; length as usize];
    from.read_exact(&mut told)?;
    Ok(serde_json::from_slice(&told)?)
}

/// Variables as a program is given them.
fn assignments(variables: &[(BString, BString)]) -> Vec<CString> {
    let assignments = variables.iter().map(|(name, value)| bstr::concat([&name[..], b"=", value]));
    assignments.filter_map(|assignment| CString::new(assignment).ok()).collect()
}

/// An environment with variables that take the place of their namesakes.
fn with(environment: &[CString], mut variables: Vec<CString>) -> Vec<CString> {
    let name = |variable: &CString| variable.as_bytes().split(|&b| b == b'=').next().map(<[u8]>::to_vec);
    let given: Vec<_> = variables.iter().map(name).collect();
    variables.extend(environment.iter().filter(|variable| !given.contains(&name(variable))).cloned());
    variables
}

/// Executes the first candidate that can be, like execvp(3). Comes back with why none could.
fn execute(plan: &Plan, environment: &[CString]) -> Errno {
    let mut errno = Errno::ENOENT;
    for path in &plan.candidates {
        let Err(error) = nix::unistd::execve(path, &plan.argv, environment);
        match error {
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::ENOEXEC => return execute_as_script(plan, environment, path),
            // Another directory may have one that can be executed.
            Errno::EACCES => errno = error,
            error => return error,
        }
    }
    errno
}

/// A file without a `#!` line is the shell's.
fn execute_as_script(plan: &Plan, environment: &[CString], path: &CString) -> Errno {
    let shell = c"/bin/sh";
    let mut argv = vec![shell.to_owned(), path.clone()];
    argv.extend(plan.argv.iter().skip(1).cloned());
    let Err(error) = nix::unistd::execve(shell, &argv, environment);
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_given_takes_the_place_of_its_namesake() {
        let environment =
            [c"SSH_AUTH_SOCK=/own".to_owned(), c"SSH_AUTH_SOCKET=/x".to_owned(), c"A=1".to_owned()];
        let with = with(&environment, vec![c"SSH_AUTH_SOCK=/given".to_owned()]);
        assert_eq!(with, [c"SSH_AUTH_SOCK=/given", c"SSH_AUTH_SOCKET=/x", c"A=1"].map(CString::from));
    }
}
