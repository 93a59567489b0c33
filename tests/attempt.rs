//! Attempts: what is done inside a session, one system call each, so that a test sees the exact error of each.
//!
//! The program that makes them is the test itself, started again: there is no other program to take along.

use crate::apart::apart;
pub use crate::secret::SECRET;
use crate::secret::is_secret;
use crate::{doors, members, processes, reads, sharing, starts, survivors, tampers, ways};
use anyhow::{Context, Result};
use rustix::fs::{CWD, Mode, OFlags, XattrFlags, openat};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output};

/// Names the file with the attempts, in the environment of the program that makes them.
const VARIABLE: &str = "WARDLINE_TEST_ATTEMPTS";
/// Directories in which what is not there is looked for.
pub const ABSENT: u32 = 5_000;
/// Comes for an error that is none of the system's: the file that was read is another one.
pub const OTHER_CONTENT: i32 = -1;

/// One attempt: its name, what to do (see [`once`]), and with what.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its name, in what comes of it.
    pub name: String,
    line: String,
}

impl Attempt {
    /// One that is called `name`.
    pub fn new<S: AsRef<str>>(name: &str, verb: &str, arguments: impl IntoIterator<Item = S>) -> Self {
        let arguments: Vec<String> = arguments.into_iter().map(|a| a.as_ref().to_owned()).collect();
        Self { name: name.to_owned(), line: [vec![name.into(), verb.into()], arguments].concat().join("\t") }
    }

    /// The same, made by a process of its own.
    pub fn apart(&self) -> Self {
        let does = self.line.split_once('\t').map_or("", |(_, does)| does);
        Self { name: self.name.clone(), line: format!("{}\tapart\t{does}", self.name) }
    }

    /// The same by another name.
    pub fn called(&self, name: &str) -> Self {
        let does = self.line.split_once('\t').map_or("", |(_, does)| does);
        Self { name: name.to_owned(), line: format!("{name}\t{does}") }
    }
}

/// What came of attempts: each name with its errno, 0 for none.
pub type Outcomes = BTreeMap<String, i32>;

/// Adds to a command the arguments and the variable that make it this program, making attempts. The test program needs
/// a test `attempts` that calls [`serve`].
pub fn make(command: &mut Command, program: &Path, directory: &Path, attempts: &[Attempt]) -> Result<()> {
    let lines: Vec<&str> = attempts.iter().map(|attempt| attempt.line.as_str()).collect();
    let list = directory.join("attempts");
    fs::write(&list, lines.join("\n"))?;
    command.arg(program).args(["--exact", "attempts", "--nocapture", "--test-threads=1"]).env(VARIABLE, list);
    Ok(())
}

/// Reads what came of attempts from what the program printed.
pub fn outcomes(output: &Output) -> Outcomes {
    let text = String::from_utf8_lossy(&output.stdout);
    let pairs = text.lines().filter_map(|line| {
        let (name, errno) = line.strip_prefix('@')?.rsplit_once(' ')?;
        Some((name.to_owned(), errno.parse().ok()?))
    });
    pairs.collect()
}

/// Makes the attempts that were asked for and ends the process; returns where none were.
pub fn serve() -> Result<()> {
    let Some(list) = std::env::var_os(VARIABLE) else { return Ok(()) };
    let list = fs::read_to_string(list).context("no attempts")?;
    // The test harness has begun a line.
    println!();
    for line in list.lines() {
        let mut fields = line.split('\t');
        let (name, verb) = (fields.next().context("no name")?, fields.next().context("no verb")?);
        let arguments: Vec<&str> = fields.collect();
        if verb == "threads" {
            let (done, refused) = from_threads(&arguments)?;
            println!("@{name}:done {done}\n@{name}:refused {refused}");
        } else if verb == "processes" {
            let [way, count, said] = arguments[..] else { anyhow::bail!("way, how many, file") };
            let (ran, killed) = members::make(way, count.parse()?, said)?;
            println!("@{name}:ran {ran}\n@{name}:killed {killed}");
        } else {
            println!("@{name} {}", errno(once(verb, &arguments)));
        }
        io::stdout().flush()?;
    }
    std::process::exit(0)
}

fn errno(outcome: io::Result<()>) -> i32 {
    outcome.map_or_else(|e| e.raw_os_error().unwrap_or(OTHER_CONTENT), |()| 0)
}

fn signal(pid: &str, signal: Signal) -> io::Result<()> {
    let pid = pid.parse().ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(kill_process(pid, signal)?)
}

/// An access list, include/uapi/linux/posix_acl_xattr.h: the version, and a tag, permissions and an id for each: the owner may read
/// and write, the group and everybody else may read.
const ACCESS: [u8; 28] = {
    const NOBODY: [u8; 4] = [0xff; 4];
    const fn entry(list: [u8; 28], at: usize, tag: u8, permissions: u8) -> [u8; 28] {
        let mut list = list;
        (list[at], list[at + 2]) = (tag, permissions);
        (list[at + 4], list[at + 5], list[at + 6], list[at + 7]) =
            (NOBODY[0], NOBODY[1], NOBODY[2], NOBODY[3]);
        list
    }
    let mut list = [0; 28];
    list[0] = 2;
    entry(entry(entry(list, 4, 0x01, 6), 12, 0x04, 4), 20, 0x20, 4)
};

/// Does what a verb says.
fn once(verb: &str, arguments: &[&str]) -> io::Result<()> {
    let options = OpenOptions::new();
    match (verb, arguments) {
        // The first of the paths that exists, so that one attempt may have moved what the next one reads.
        ("read", paths) => {
            let there = paths.iter().find(|path| fs::symlink_metadata(path).is_ok());
            is_secret(File::open(there.or(paths.first()).copied().unwrap_or_default())?)
        }
        ("read-at", [directory, name]) => {
            let directory = openat(CWD, *directory, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
            is_secret(openat(&directory, *name, OFlags::RDONLY, Mode::empty())?.into())
        }
        ("read-in", [directory, path]) => {
            let before = std::env::current_dir()?;
            std::env::set_current_dir(directory)?;
            let file = File::open(path);
            std::env::set_current_dir(before)?;
            is_secret(file?)
        }
        ("reopen", [path]) => {
            let found = openat(CWD, *path, OFlags::PATH, Mode::empty())?;
            is_secret(File::open(format!("/proc/self/fd/{}", found.as_raw_fd()))?)
        }
        ("open", [path]) => File::open(path)?.read(&mut [0; 16]).map(drop),
        // Opens of what is not there, in directories of their own, for so many seconds.
        ("open-absent", [directory, seconds]) => {
            let seconds = seconds.parse().map_err(io::Error::other)?;
            let until = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
            for n in (0..ABSENT).cycle() {
                match File::open(format!("{directory}/d{n}/absent")) {
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    other => return Err(io::Error::other(format!("{other:?}"))),
                }
                if std::time::Instant::now() >= until {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            Ok(())
        }
        ("list", [path]) => fs::read_dir(path).map(drop),
        ("write", [path]) => options.clone().write(true).open(path).map(drop),
        ("append", [path]) => options.clone().append(true).open(path)?.write_all(b"appended\n"),
        ("cut", [path]) => options.clone().write(true).truncate(true).open(path).map(drop),
        ("create", [path]) => options.clone().write(true).create_new(true).open(path)?.write_all(b"made\n"),
        ("truncate", [path]) => Ok(nix::unistd::truncate(*path, 0)?),
        ("chmod", [path]) => fs::set_permissions(path, fs::Permissions::from_mode(0o777)),
        ("setxattr", [path]) => Ok(rustix::fs::setxattr(*path, "user.test", b"x", XattrFlags::empty())?),
        ("acl", [path]) => {
            Ok(rustix::fs::setxattr(*path, "system.posix_acl_access", &ACCESS, XattrFlags::empty())?)
        }
        ("rename", [from, to]) => fs::rename(from, to),
        ("link", [from, to]) => fs::hard_link(from, to),
        ("symlink", [target, path]) => std::os::unix::fs::symlink(target, path),
        ("unlink", [path]) => fs::remove_file(path),
        ("mkdir", [path]) => fs::create_dir(path),
        ("connect", [path]) => UnixStream::connect(path).map(drop),
        ("socket", [path]) => UnixListener::bind(path).map(drop),
        ("socket-narrow", [path]) => crate::deeds::bind_narrow(&CString::new(*path)?),
        ("fchmod", [path]) => File::open(path)?.set_permissions(fs::Permissions::from_mode(0o664)),
        ("append-behind-exec", [path]) => crate::uring::append_behind_exec(path),
        ("open-silently", [path]) => crate::uring::open_silently(path),
        ("wait", [seconds]) => {
            let seconds = seconds.parse().map_err(io::Error::other)?;
            std::thread::sleep(std::time::Duration::from_secs(seconds));
            Ok(())
        }
        ("await", [path]) => {
            let there = || fs::symlink_metadata(path).is_ok();
            if crate::wait_until(std::time::Duration::from_secs(300), there) {
                return Ok(());
            }
            Err(io::ErrorKind::TimedOut.into())
        }
        // In a mount namespace of its own, which ends with this process.
        ("bind", [from, to]) => {
            // SAFETY: no descriptors are unshared.
            unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS)? };
            let private = rustix::mount::MountPropagationFlags::PRIVATE;
            rustix::mount::mount_change("/", private | rustix::mount::MountPropagationFlags::REC)?;
            Ok(rustix::mount::mount_bind(*from, *to)?)
        }
        ("outlive", [way, key, said]) => survivors::begin(way, key, said),
        ("children", [count]) => processes::children(count.parse().map_err(io::Error::other)?),
        ("kill", [pid]) => signal(pid, Signal::KILL),
        ("abort", [pid]) => signal(pid, Signal::ABORT),
        ("apart", [verb, arguments @ ..]) => apart(|| once(verb, arguments)),
        ("chown", [path]) => reads::give(path),
        ("flags", [path]) => reads::set_flags(path),
        ("start", [how, program]) => starts::start(how, program),
        ("family", [name]) => doors::family(name),
        ("taken", [told]) => doors::taken(told),
        ("tamper", [how, of]) => tampers::tamper(how, of),
        (verb, [_, ..]) if verb.starts_with("read-") => ways::read(verb, arguments)
            .or_else(|| reads::read(verb, arguments))
            .unwrap_or_else(|| Err(io::Error::other(format!("no such attempt: {verb}")))),
        ("reach", [how, pid]) => ways::reach(how, pid),
        ("share", [how, to]) => sharing::connect(how, to),
        ("overlay-create", [above, name]) => ways::create_through_overlay(above, name),
        ("send", [verb, to]) => ways::send(verb, to)
            .or_else(|| doors::send(verb, to))
            .unwrap_or_else(|| Err(io::Error::other(format!("no such attempt: {verb}")))),
        (verb, [program, arguments @ ..]) => processes::start(verb, program, arguments)
            .unwrap_or_else(|| Err(io::Error::other(format!("no such attempt: {verb}")))),
        (verb, []) => Err(io::Error::other(format!("nothing to `{verb}`"))),
    }
}

/// Opens a path from threads at once: how many got it, and how many EPERM.
fn from_threads(arguments: &[&str]) -> Result<(usize, usize)> {
    let [threads, each, path] = arguments else { anyhow::bail!("threads, attempts of each, path") };
    let (threads, each): (usize, usize) = (threads.parse()?, each.parse()?);
    let path = *path;
    let all: Vec<i32> = std::thread::scope(|scope| {
        let run = || (0..each).map(|_| errno(File::open(path).map(drop))).collect::<Vec<i32>>();
        let started: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        started.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    let count = |errno| all.iter().filter(|found| **found == errno).count();
    Ok((count(0), count(libc::EPERM)))
}
