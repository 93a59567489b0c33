//! Processes in every way that they come to be: each of them executes one program once.

use std::fs;
use std::io::{self, Error, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::Duration;

/// How long a detached process waits until it executes its program: its parent is gone by then.
const DETACHED: Duration = Duration::from_millis(200);

/// Starts a program in the way that a verb names, and waits for its end; `None` for another verb.
pub(crate) fn start(verb: &str, program: &str, arguments: &[&str]) -> Option<io::Result<()>> {
    let mut command = Command::new(program);
    command.args(arguments);
    let before: fn() -> io::Result<()> = match verb {
        // The library's own way is vfork(2).
        "vfork" => return Some(ended(command.status())),
        "fork" => || Ok(()),
        "detach" => detach,
        "leave-cgroup" => leave_cgroup,
        "thread" => {
            let mut inner = Command::new(program);
            inner.args(arguments);
            let program = move || match thread::scope(|scope| scope.spawn(|| inner.exec()).join()) {
                Ok(e) => Err(e),
                Err(_) => Err(Error::other("the thread panicked")),
            };
            // SAFETY: the process' other thread waits for this one's end, so that the child misses no lock.
            unsafe { command.pre_exec(program) };
            return Some(ended(command.status()));
        }
        _ => return None,
    };
    // SAFETY: as above.
    unsafe { command.pre_exec(before) };
    Some(ended(command.status()))
}

fn ended(status: io::Result<ExitStatus>) -> io::Result<()> {
    let status = status?;
    if status.success() { Ok(()) } else { Err(Error::other(format!("ended with {status}"))) }
}

/// A daemon's way: a session of its own, and then a parent that has ended.
fn detach() -> io::Result<()> {
    rustix::process::setsid()?;
    // SAFETY: see `start`.
    match unsafe { libc::fork() } {
        -1 => Err(Error::last_os_error()),
        0 => {
            thread::sleep(DETACHED);
            Ok(())
        }
        // SAFETY: it ends the process and runs nothing of it.
        _ => unsafe { libc::_exit(0) },
    }
}

/// Moves this process to the root of the cgroups.
fn leave_cgroup() -> io::Result<()> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let root =
        mounts.lines().find(|line| line.contains(" - cgroup2 ")).and_then(|line| line.split(' ').nth(4));
    let root = PathBuf::from(root.ok_or_else(|| Error::other("no cgroup v2"))?);
    fs::OpenOptions::new().write(true).open(root.join("cgroup.procs"))?.write_all(b"0")?;
    let now = fs::read_to_string("/proc/self/cgroup")?;
    if now.lines().any(|line| line == "0::/") { Ok(()) } else { Err(Error::other("still in its cgroup")) }
}
