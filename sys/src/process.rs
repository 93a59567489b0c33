//! Facts about processes from the kernel, above all whether one is alive.
//!
//! A process is a thread group, and is alive as long as any of its threads is. Its first thread may exit before the others:
//! `/proc/PID` then shows a zombie, without memory, descriptors or directories, whose other threads go on. Only
//! [`Stat`] decides here, in one read.

use crate::Error;
use std::collections::HashMap;
use std::fs;
use std::os::fd::{AsFd, AsRawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// How much of a process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Its first thread does.
    Whole,
    /// Its first thread has exited, and others live.
    Headless,
    /// Nothing: it only waits to be waited for.
    Dead,
}

/// What is read of `/proc/PID/stat`, proc_pid_stat(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Field 4.
    pub parent: u32,
    /// Field 22: start after boot, in ticks ([`NS_PER_TICK`](crate::clock::NS_PER_TICK)).
    pub start_ticks: u64,
    /// Fields 14 to 17: how long it and all its threads ran, those that ended and children that it waited for included, in ticks;
    /// `None` where that cannot be read.
    pub ran_ticks: Option<u64>,
    /// Fields 3 and 20: the state of the first thread, and how many threads have not been given up.
    pub life: Life,
    /// Field 9: a thread of the kernel's own (`PF_KTHREAD`, include/linux/sched.h).
    pub of_kernel: bool,
    /// Field 9: a worker of io_uring (`PF_IO_WORKER`).
    pub of_ring: bool,
}

impl Stat {
    /// Of a process; `None` where there is none.
    pub fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The command (field 2) may hold anything, but ends with the last parenthesis.
    fn parse(stat: &str) -> Option<Self> {
        const PF_KTHREAD: u64 = 0x0020_0000;
        const PF_IO_WORKER: u64 = 0x10;
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let exited = matches!(*fields.first()?, "Z" | "X");
        // A thread that has exited and is still traced counts as well: until its tracer lets go of it, that is no proof of death.
        let life = match (exited, number(20)?) {
            (false, _) => Life::Whole,
            (true, 2..) => Life::Headless,
            (true, _) => Life::Dead,
        };
        Some(Self {
            parent: u32::try_from(number(4)?).ok()?,
            start_ticks: number(22)?,
            ran_ticks: (14..=17).map(number).sum(),
            life,
            of_kernel: number(9)? & PF_KTHREAD != 0,
            of_ring: number(9)? & PF_IO_WORKER != 0,
        })
    }

    /// Whether none of its threads lives.
    pub fn is_dead(&self) -> bool {
        self.life == Life::Dead
    }
}

/// Whether any thread of a process lives.
pub fn is_alive(pid: u32) -> bool {
    Stat::read(pid).is_some_and(|stat| !stat.is_dead())
}

/// Whether any thread of a pidfd's process lives: it becomes readable with the end of the last one.
pub fn is_held_alive(pidfd: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    matches!(poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0))
}

/// Whether somebody stopped a process, as a whole, with a signal.
pub fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

/// The parent of a process; 0 for one without a parent here.
pub fn parent(pid: u32) -> Option<u32> {
    Stat::read(pid).map(|stat| stat.parent)
}

/// The numbers of every process.
pub fn numbers() -> impl Iterator<Item = u32> {
    numbers_in("/proc".to_owned())
}

/// Every process.
pub fn all() -> HashMap<u32, Stat> {
    numbers().filter_map(|pid| Some((pid, Stat::read(pid)?))).collect()
}

/// The threads of a process, those included that have exited and not gone.
pub fn threads(pid: u32) -> impl Iterator<Item = u32> {
    numbers_in(format!("/proc/{pid}/task"))
}

/// The process of a thread; `None` when the thread is gone.
pub fn of_thread(tid: u32) -> Option<u32> {
    // A call of a microsecond for nearly everybody, where reading takes thirty.
    if leads(tid) { Some(tid) } else { group_of(tid).ok().flatten() }
}

/// Whether a thread is the first of its process: a pidfd is given for those only.
pub fn leads(tid: u32) -> bool {
    let first = i32::try_from(tid).ok().and_then(Pid::from_raw);
    first.is_some_and(|first| pidfd_open(first, PidfdFlags::empty()).is_ok())
}

/// Whether a thread is one of a process': only root may ask so.
pub fn has_thread(tgid: u32, tid: u32) -> bool {
    // SAFETY: a call with integers; no signal is sent.
    unsafe { libc::syscall(libc::SYS_tgkill, tgid as libc::pid_t, tid as libc::pid_t, 0) == 0 }
}

/// The process of a thread as it is read, where an error is told from a thread that is gone.
pub fn group_of(tid: u32) -> Result<Option<u32>, Error> {
    let path = format!("/proc/{tid}/status");
    let status = match fs::read_to_string(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound || e.raw_os_error() == Some(libc::ESRCH) => {
            return Ok(None);
        }
        other => other.map_err(|source| Error::Unread { path: path.into(), source })?,
    };
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
    Ok(line.and_then(|number| number.trim().parse().ok()))
}

/// A thread of a process that lives, the first one where it does: `/proc` shows of it what the process has.
pub fn living_thread(pid: u32) -> Option<u32> {
    threads(pid).find(|tid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    })
}

fn numbers_in(directory: String) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// What a pidfd stands for, from its fdinfo; `None` when the process is gone.
pub fn pid_of(pidfd: &impl AsFd) -> Option<u32> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_fd().as_raw_fd())).ok()?;
    info.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()
}

/// Real uid and gid of a process.
pub fn owner(pid: u32) -> Option<(u32, u32)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let real = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let mut ids = line.split_whitespace();
        let real = ids.next()?;
        // Real, effective, saved and file-system ids alike: a held command that could change back is none.
        ids.all(|id| id == real).then(|| real.parse().ok()).flatten()
    };
    Some((real("Uid:")?, real("Gid:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_command_does_not_shift_the_fields() {
        let stat = Stat::parse("7 (a) Z 1) S 42 7 7 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 12345 9 9").unwrap();
        assert_eq!((stat.parent, stat.start_ticks, stat.life), (42, 12345, Life::Whole));
        assert_eq!(stat.ran_ticks, Some(5 + 6 + 7 + 8));
        assert_eq!(Stat::parse("7 (sh"), None);
    }

    #[test]
    fn a_process_is_alive_as_long_as_any_of_its_threads() {
        let stat = |state, threads| {
            let line = format!("7 (a) {state} 42 7 7 0 -1 0 1 2 3 4 5 6 7 8 20 0 {threads} 0 12345 9 9");
            Stat::parse(&line).unwrap().life
        };
        assert_eq!([stat("S", 1), stat("t", 3), stat("T", 1), stat("D", 2)], [Life::Whole; 4]);
        assert_eq!(stat("Z", 2), Life::Headless);
        assert_eq!([stat("Z", 1), stat("X", 0)], [Life::Dead; 2]);
    }

    #[test]
    fn a_thread_is_found_to_be_of_its_process() {
        let tid = rustix::thread::gettid().as_raw_nonzero().get() as u32;
        assert_eq!(of_thread(tid), Some(std::process::id()));
        assert_eq!(of_thread(u32::MAX), None);
    }

    #[test]
    fn a_pidfd_tells_its_pid_and_a_process_its_owner() {
        let me = rustix::process::getpid();
        let pidfd = rustix::process::pidfd_open(me, rustix::process::PidfdFlags::empty()).unwrap();
        assert_eq!(pid_of(&pidfd), Some(std::process::id()));
        assert!(is_held_alive(&pidfd));
        assert_eq!(owner(std::process::id()).unwrap().0, rustix::process::getuid().as_raw());
        assert!(living_thread(std::process::id()).is_some_and(|tid| tid == std::process::id()));
        assert!(threads(std::process::id()).count() > 1, "the test's own thread");
    }
}
