//! Processes in every way that they come to be: each of them executes one program once.

use crate::apart;
use std::ffi::CString;
use std::fs;
use std::io::{self, Error, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
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
        "namespaces" => {
            return Some(clone3(&command, libc::CLONE_NEWUTS as u64 | libc::CLONE_NEWPID as u64, None));
        }
        "cgroup" => return Some(into_cgroup(&command)),
        "reuse" => return Some(reuse(&command)),
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

/// A program and its arguments as a child wants them that may not allocate.
struct Words {
    _words: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl Words {
    fn of(command: &Command) -> io::Result<Words> {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words = words.map(|word| CString::new(word.as_bytes())).collect::<Result<Vec<_>, _>>()?;
        let pointers = words.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect();
        Ok(Words { _words: words, pointers })
    }

    fn execute(&self) -> ! {
        // SAFETY: the strings are held; the process ends where there is no such program.
        unsafe {
            libc::execvp(self.pointers[0], self.pointers.as_ptr());
            libc::_exit(127)
        }
    }
}

fn wait(pid: i32) -> io::Result<()> {
    ended(apart::ended(pid).map(|status| ExitStatus::from_raw(status.as_raw())))
}

/// A child by `clone3`, in a cgroup if one is given, that executes the program.
fn clone3(command: &Command, flags: u64, cgroup: Option<&fs::File>) -> io::Result<()> {
    const INTO_CGROUP: u64 = 1 << 33;
    let words = Words::of(command)?;
    let group = cgroup.map_or(0, |group| group.as_raw_fd() as u64);
    let flags = flags | if cgroup.is_some() { INTO_CGROUP } else { 0 };
    // struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, its size, cgroup
    let args: [u64; 11] = [flags, 0, 0, 0, libc::SIGCHLD as u64, 0, 0, 0, 0, 0, group];
    // SAFETY: without flags that share memory the child is a fork, which executes a program and takes no lock.
    match unsafe { libc::syscall(libc::SYS_clone3, args.as_ptr(), size_of_val(&args)) } {
        -1 => Err(Error::last_os_error()),
        0 => words.execute(),
        pid => wait(pid as i32),
    }
}

fn into_cgroup(command: &Command) -> io::Result<()> {
    let directory = sys::mountinfo::cgroup_root()?.join(format!("lineage-{}", std::process::id()));
    fs::create_dir(&directory)?;
    let came = fs::File::open(&directory).and_then(|group| clone3(command, 0, Some(&group)));
    fs::remove_dir(&directory)?;
    came
}

/// A child that runs `deed` and ends with 0.
fn fork(deed: impl FnOnce()) -> io::Result<i32> {
    // SAFETY: the child takes no lock that another thread may hold, and ends.
    match unsafe { libc::fork() } {
        -1 => Err(Error::last_os_error()),
        0 => {
            deed();
            // SAFETY: it ends the process and runs nothing of it.
            unsafe { libc::_exit(0) }
        }
        pid => Ok(pid),
    }
}

/// The program in a process that has the number of one which has ended just now.
fn reuse(command: &Command) -> io::Result<()> {
    const TRIES: usize = 100;
    let words = Words::of(command)?;
    for _ in 0..TRIES {
        let first = fork(|| ())?;
        wait(first)?;
        // Another process on the machine may be faster.
        fs::write("/proc/sys/kernel/ns_last_pid", (first - 1).to_string())?;
        let second = fork(|| {
            if std::process::id() == first as u32 {
                words.execute();
            }
        })?;
        wait(second)?;
        if second == first {
            return Ok(());
        }
    }
    Err(Error::other("no number came twice"))
}

/// Children that do nothing but end.
pub(crate) fn children(count: usize) -> io::Result<()> {
    (0..count).try_for_each(|_| wait(fork(|| ())?))
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
    fs::OpenOptions::new()
        .write(true)
        .open(sys::mountinfo::cgroup_root()?.join("cgroup.procs"))?
        .write_all(b"0")?;
    let now = fs::read_to_string("/proc/self/cgroup")?;
    if now.lines().any(|line| line == "0::/") { Ok(()) } else { Err(Error::other("still in its cgroup")) }
}
