//! The caller of `sudo`, and the variables that its shell exported. The client's own environment is then what `sudo` made of
//! it: another PATH, and no keys, proxies and certificates. `sudo` itself was executed with the shell's, which the kernel
//! keeps.
//!
//! It is handed to a command that runs as that same user, and read for nothing else.

use rustix::fs::{AtFlags, Mode, OFlags, open, openat, readlinkat, statat};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Ancestors that are looked at: `sudo` has one or two processes, and a shell or a script may lie between.
const MAX_ANCESTORS: usize = 64;
/// Bytes of an environment. The kernel takes three quarters of 8 MiB as arguments and environment together.
const MAX_ENVIRONMENT: u64 = 8 << 20;
/// Bytes of `/proc/PID/status`.
const MAX_STATUS: u64 = 64 << 10;

/// The caller of `sudo`.
#[derive(Clone, Debug)]
pub struct Caller {
    /// `sudo`.
    pub sudo: Named,
    /// The process that ran it: the shell.
    pub shell: Named,
    /// What `sudo` was executed with.
    pub variables: Vec<(OsString, OsString)>,
}

/// A process, for people.
#[derive(Clone, Debug)]
pub struct Named {
    program: String,
    pid: u32,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (process {})", self.program, self.pid)
    }
}

impl Caller {
    /// The caller with that uid, among this process' ancestors; why there is none otherwise.
    pub fn find(uid: u32) -> Result<Caller, String> {
        let mut child = Process::open(std::process::id()).map_err(unreadable)?;
        for _ in 0..MAX_ANCESTORS {
            let Some(parent) = child.parent().map_err(unreadable)? else { break };
            let ids = parent.status().map_err(unreadable)?;
            if ids.effective == 0 {
                child = parent;
                continue;
            }
            if (ids.real, ids.effective) != (uid, uid) {
                return Err(format!("{} is of user {} and not of user {uid}", parent.named(), ids.real));
            }
            if !child.gives_roots_rights().map_err(unreadable)? {
                return Err(format!("{} is no `sudo` of the system's", child.named()));
            }
            let variables = child.environment().map_err(unreadable)?;
            return Ok(Caller { sudo: child.named(), shell: parent.named(), variables });
        }
        Err(format!("no process of user {uid} is among those that led here"))
    }
}

fn unreadable(error: io::Error) -> String {
    format!("`/proc` does not tell who ran it: {error}")
}

/// A process, held by its directory in `/proc`: what is read there is never of another one with the same number.
struct Process {
    pid: u32,
    directory: OwnedFd,
}

/// What is read of `/proc/PID/status`.
struct Status {
    parent: u32,
    real: u32,
    effective: u32,
}

impl Process {
    fn open(pid: u32) -> io::Result<Process> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Process { pid, directory: open(format!("/proc/{pid}"), flags, Mode::empty())? })
    }

    /// The parent; `None` for who has none here. It was the parent while it was held.
    fn parent(&self) -> io::Result<Option<Process>> {
        let number = self.status()?.parent;
        if number == 0 {
            return Ok(None);
        }
        let parent = Process::open(number)?;
        if self.status()?.parent != number {
            return Err(io::Error::other("a process ended meanwhile"));
        }
        Ok(Some(parent))
    }

    fn status(&self) -> io::Result<Status> {
        let text = String::from_utf8_lossy(&self.read("status", MAX_STATUS)?).into_owned();
        let numbers = |name: &str| -> Option<Vec<u32>> {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().map(|number| number.parse().ok()).collect()
        };
        let status = || {
            let [parent] = numbers("PPid:")?.try_into().ok()?;
            let [real, effective, ..] = *numbers("Uid:")? else { return None };
            Some(Status { parent, real, effective })
        };
        status().ok_or_else(|| io::Error::other("a status has another form"))
    }

    /// Whether it runs a program with which root lets others have its rights: set-uid root, and root's alone to change.
    fn gives_roots_rights(&self) -> io::Result<bool> {
        let stat = statat(&self.directory, "exe", AtFlags::empty())?;
        let mode = Mode::from_raw_mode(stat.st_mode);
        Ok(stat.st_uid == 0 && mode.contains(Mode::SUID) && !mode.intersects(Mode::WGRP | Mode::WOTH))
    }

    /// What it was executed with.
    fn environment(&self) -> io::Result<Vec<(OsString, OsString)>> {
        let bytes = self.read("environ", MAX_ENVIRONMENT)?;
        Ok(bytes.split(|&byte| byte == 0).filter_map(split).collect())
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let file = openat(&self.directory, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut bytes = Vec::new();
        File::from(file).take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn named(&self) -> Named {
        let path = readlinkat(&self.directory, "exe", Vec::new()).unwrap_or_default();
        let name = path.to_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        Named { program: String::from_utf8_lossy(name).into_owned(), pid: self.pid }
    }
}

/// A variable and its value.
pub fn split(variable: &[u8]) -> Option<(OsString, OsString)> {
    let at = variable.iter().position(|&byte| byte == b'=').filter(|&at| at > 0)?;
    let (name, value) = (variable.get(..at)?, variable.get(at + 1..)?);
    Some((OsStr::from_bytes(name).to_owned(), OsString::from_vec(value.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_parent_and_what_it_was_executed_with() {
        let mut child =
            std::process::Command::new("sleep").arg("60").env_clear().env("A", "b=c").spawn().unwrap();
        let process = Process::open(child.id()).unwrap();
        let variables = process.environment();
        let parent = process.parent().unwrap().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(variables.unwrap(), [("A".into(), "b=c".into())]);
        assert_eq!(parent.pid, std::process::id());
        assert!(!parent.gives_roots_rights().unwrap(), "this test is no `sudo`");
        assert!(process.status().is_err(), "a process that is gone is nobody else");
    }

    #[test]
    fn nobody_is_taken_for_the_caller_who_is_not() {
        let why = Caller::find(4_000_000_000).unwrap_err();
        assert!(why.contains("4000000000"), "{why}");
    }
}
