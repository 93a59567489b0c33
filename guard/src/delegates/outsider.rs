//! A process outside of a session, as the kernel shows it: which program it runs, for whom, and whether it works for others.

use crate::reason;
use agents::{Agent, Program};
use event::helper::Helper;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use wire::{Delegate, PeerKind};

/// Bytes of a command line that are looked at, and of it that are said.
const COMMAND: u64 = 4096;
const SAID: usize = 160;
/// Users below are the system's, and the last one is nobody (login.defs(5)).
const FIRST_ORDINARY: u32 = 1000;
const NOBODY: u32 = 65_534;

/// A process outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outsider {
    pub(crate) pid: u32,
    pub(crate) kind: PeerKind,
    /// Its executable, and the script or module that it runs.
    pub(crate) program: String,
    /// Its command line, as far as it is short.
    pub(crate) command: String,
}

impl Outsider {
    /// A process, as it is now. `member`: it is inside of a session. What such a one says of itself is not read: it could keep
    /// the reader waiting. `of`: whose agents and helpers count.
    pub(crate) fn of(pid: u32, member: bool, of: impl Fn(u32) -> bool) -> Option<Outsider> {
        let exe = executable(pid)?;
        let uid = user(pid)?;
        let line = if member { Vec::new() } else { command_line(pid) };
        let words: Vec<&[u8]> = line.split(|&byte| byte == 0).filter(|word| !word.is_empty()).collect();
        let system = !of(uid);
        let kind = if is_own(&exe) {
            PeerKind::Own
        } else if !system
            && let Some(agent) = Agent::of_program(&exe).or_else(|| of_script(pid, &exe, &words))
        {
            PeerKind::Agent(agent.name.clone())
        } else if let Some(helper) = Helper::of(&exe, &words, system).filter(|_| !system || is_system(uid)) {
            PeerKind::Helper(helper.work)
        } else if is_system(uid) {
            PeerKind::System
        } else {
            PeerKind::Other
        };
        let said = if words.is_empty() { exe.clone() } else { words.join(&b' ') };
        // Nothing else of the arguments: they may hold secrets.
        let program = match Program::of(std::iter::once(&*exe).chain(words.iter().skip(1).copied())) {
            Program::File(name) | Program::Package(name) if *name != *exe => [&*exe, name].join(&b' '),
            Program::File(_) | Program::Package(_) | Program::Inline => exe.clone(),
        };
        Some(Outsider { pid, kind, program: shown(&program), command: shown(&said) })
    }

    /// The same where it is an agent or a helper; most others are told by their executable alone.
    pub(crate) fn working(pid: u32, member: impl Fn() -> bool, of: impl Fn(u32) -> bool) -> Option<Outsider> {
        let exe = executable(pid)?;
        let interprets = Program::of([&*exe]) == Program::Inline;
        if !interprets && Agent::of_program(&exe).is_none() && !Helper::is_program(&exe) {
            return None;
        }
        Self::of(pid, member(), of).filter(|found| found.reason().is_some())
    }

    /// The number of the reason why no session may reach it.
    pub(crate) fn reason(&self) -> Option<u32> {
        match self.kind {
            PeerKind::Agent(_) => Some(reason::DELEGATE),
            PeerKind::Helper(work) => Some(reason::of_work(work)),
            PeerKind::System | PeerKind::Other | PeerKind::Own => None,
        }
    }

    /// The agent that it is.
    pub(crate) fn delegate(&self) -> Option<Delegate> {
        let PeerKind::Agent(agent) = &self.kind else { return None };
        Some(Delegate { pid: self.pid, agent: agent.parse().ok(), command: self.command.clone() })
    }
}

fn shown(bytes: &[u8]) -> String {
    text::seen(&String::from_utf8_lossy(bytes), SAID)
}

fn executable(pid: u32) -> Option<Vec<u8>> {
    let exe = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let exe = exe.as_os_str().as_bytes();
    Some(exe.strip_suffix(b" (deleted)").unwrap_or(exe).to_vec())
}

/// Whether it is the program that runs here.
fn is_own(exe: &[u8]) -> bool {
    fs::read_link("/proc/self/exe").is_ok_and(|own| own.as_os_str().as_bytes() == exe)
}

fn is_system(uid: u32) -> bool {
    uid < FIRST_ORDINARY || uid == NOBODY
}

/// The real user of a process: the owner of its directory is root's where it may not be looked at.
pub(super) fn user(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().next()?.parse().ok()
}

fn command_line(pid: u32) -> Vec<u8> {
    let mut line = Vec::new();
    if let Ok(file) = fs::File::open(format!("/proc/{pid}/cmdline")) {
        #[expect(clippy::let_underscore_must_use, reason = "what was read until then is what there is")]
        let _ = file.take(COMMAND).read_to_end(&mut line);
    }
    line
}

/// The agent whose script an interpreter runs; a relative path is told from the working directory.
fn of_script(pid: u32, exe: &[u8], words: &[&[u8]]) -> Option<&'static Agent> {
    let words = || std::iter::once(exe).chain(words.iter().skip(1).copied());
    Agent::of_command(words()).or_else(|| match Program::of(words()) {
        Program::File(script) if !script.starts_with(b"/") => {
            let directory = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
            Agent::of_program(&[directory.as_os_str().as_bytes(), b"/", script].concat())
        }
        _ => None,
    })
}
