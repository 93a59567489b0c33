//! fanotify permission marks: where BPF LSM cannot be had, they refuse an open before it happens.
//!
//! A thread answers. It decides nothing itself: the kernel side's own walk does, on the descriptor that comes with the
//! event. Everything passes once the listener has died, so that somebody must watch [`Listener::alive`]; while it lives,
//! an error is answered with a denial for members of sessions, and with leave for everybody else.

mod closed;
mod request;

use crate::walk::Node;
use crate::{DenyList, Error, process};
use abi::VERDICT_REFUSED;
use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::sys::fanotify::{
    EventFFlags, Fanotify, FanotifyEvent, FanotifyResponse, InitFlags, MarkFlags, MaskFlags, Response,
};
use rustix::event::{EventfdFlags, PollFd, PollFlags};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

pub use closed::{Marked, mark_closed};

/// Objects that one listener marks. Each mark pins an inode (about a kibibyte), and each costs a permission event for
/// every open by anybody; 8,192 is what the kernel once allowed a group, and a session's start stays below a second.
pub const MARKS_MAX: usize = 8_192;
/// Latencies that are kept: the latest ones.
const LATENCIES: usize = 4_096;

/// A fanotify group with its marks, and the thread that answers. One for the static deny-list of a session, and one for
/// each policy: dropping it removes its marks.
pub struct Listener {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    list: Arc<dyn DenyList>,
    group: Fanotify,
    stop: OwnedFd,
    alive: AtomicBool,
    marks: AtomicUsize,
    skipped: AtomicUsize,
    answered: AtomicU64,
    refused: AtomicU64,
    latencies_ns: Mutex<Vec<u32>>,
}

/// How long answers took, from the event's arrival in this process on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Latency {
    /// Answers since the start.
    pub answered: u64,
    /// Denials among them.
    pub refused: u64,
    /// Half of the latest ones were faster, ns.
    pub p50_ns: u32,
    /// One in a hundred of the latest ones was slower, ns.
    pub p99_ns: u32,
}

impl Listener {
    /// A group without marks, and its thread.
    pub fn new(list: Arc<dyn DenyList>) -> Result<Self, Error> {
        let flags = InitFlags::FAN_CLASS_CONTENT
            | InitFlags::FAN_CLOEXEC
            | InitFlags::FAN_NONBLOCK
            | InitFlags::FAN_UNLIMITED_QUEUE
            | InitFlags::FAN_UNLIMITED_MARKS
            | InitFlags::FAN_REPORT_TID;
        // O_NONBLOCK: the descriptor of an event is opened by the kernel, and a pipe would make it wait for a writer.
        let events = EventFFlags::O_RDONLY
            | EventFFlags::O_LARGEFILE
            | EventFFlags::O_CLOEXEC
            | EventFFlags::O_NONBLOCK
            | EventFFlags::O_NOATIME;
        let group =
            Fanotify::init(flags, events).map_err(|e| Error::io("fanotify could not be set up", e))?;
        let stop = rustix::event::eventfd(0, EventfdFlags::CLOEXEC).map_err(|e| Error::io("eventfd", e))?;
        let shared = Arc::new(Shared {
            list,
            group,
            stop,
            alive: AtomicBool::new(true),
            marks: AtomicUsize::new(0),
            skipped: AtomicUsize::new(0),
            answered: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            latencies_ns: Mutex::default(),
        });
        let thread = std::thread::Builder::new()
            .name("fanotify".into())
            .spawn({
                let shared = Arc::clone(&shared);
                move || {
                    match own_descriptors() {
                        Ok(()) => shared.answer_all(shared.stop.as_fd()),
                        Err(error) => tracing::error!(%error, "the fanotify listener cannot begin"),
                    }
                    shared.alive.store(false, Relaxed);
                }
            })
            .map_err(|e| Error::io("the answering thread could not be started", e))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Marks an object: opens of it, and of the files in it when it is a directory, ask first. Says whether it has a mark.
    pub fn mark(&self, node: &Node) -> bool {
        self.add(node, MaskFlags::FAN_OPEN_PERM | MaskFlags::FAN_OPEN_EXEC_PERM)
    }

    /// Marks a directory in which only starting programs is refused: other opens of its files do not ask.
    pub fn mark_exec(&self, node: &Node) -> bool {
        self.add(node, MaskFlags::FAN_OPEN_EXEC_PERM)
    }

    fn add(&self, node: &Node, mut mask: MaskFlags) -> bool {
        if node.is_dir() {
            mask |= MaskFlags::FAN_EVENT_ON_CHILD | MaskFlags::FAN_ONDIR;
        }
        let path = format!("/proc/self/fd/{}", node.fd.as_raw_fd());
        let room = self.shared.marks.load(Relaxed) < MARKS_MAX;
        let marked = room
            && self.shared.group.mark(MarkFlags::FAN_MARK_ADD, mask, AT_FDCWD, Some(path.as_str())).is_ok();
        let counter = if marked { &self.shared.marks } else { &self.shared.skipped };
        counter.fetch_add(1, Relaxed);
        marked
    }

    /// Objects that have a mark.
    pub fn marks(&self) -> usize {
        self.shared.marks.load(Relaxed)
    }

    /// Objects that should have one: there was no room, or their file system takes none.
    pub fn skipped(&self) -> usize {
        self.shared.skipped.load(Relaxed)
    }

    /// Whether the thread still answers.
    pub fn alive(&self) -> bool {
        self.shared.alive.load(Relaxed)
    }

    /// How long answers took.
    pub fn latency(&self) -> Latency {
        let mut sorted = self.shared.latencies_ns.lock().unwrap_or_else(PoisonError::into_inner).clone();
        sorted.sort_unstable();
        let at =
            |share: usize| sorted.get(sorted.len().saturating_sub(1) * share / 100).copied().unwrap_or(0);
        Latency {
            answered: self.shared.answered.load(Relaxed),
            refused: self.shared.refused.load(Relaxed),
            p50_ns: at(50),
            p99_ns: at(99),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // The counter of an eventfd that nobody reads has room for this one.
        let _ = rustix::io::write(&self.shared.stop, &1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Gives the calling thread a table of descriptors of its own.
///
/// An event brings an open descriptor of its object, and closing any descriptor of a file drops every POSIX lock that the
/// table's owner holds on it, fcntl_locking(2). When the object was the store's own database, SQLite lost its locks that
/// way, another process took the shared memory of its log for abandoned and cut it, and the supervisor died of SIGBUS.
///
/// Sockets and pipes are closed in the copy, so that their other ends still hear when the supervisor closes them.
fn own_descriptors() -> std::io::Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES)?;
    let mut inherited = Vec::new();
    for entry in std::fs::read_dir("/proc/thread-self/fd")?.flatten() {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        let target = target.to_string_lossy();
        if (target.starts_with("socket:") || target.starts_with("pipe:"))
            && let Some(fd) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok())
            && fd > 2
        {
            inherited.push(fd);
        }
    }
    for fd in inherited {
        let _ = nix::unistd::close(fd);
    }
    Ok(())
}

impl Shared {
    /// Answers until it is told to stop; then takes its marks away, and answers who had asked by then. Whoever still waited
    /// when the group is closed would hold up its end, and every open of what it had marked.
    fn answer_all(&self, stop: BorrowedFd<'_>) {
        let mut unmarked = false;
        loop {
            let mut fds =
                [PollFd::new(&self.group, PollFlags::IN), PollFd::from_borrowed_fd(stop, PollFlags::IN)];
            match rustix::event::poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => {
                    tracing::error!(error = %e, "the fanotify listener cannot wait any more");
                    return;
                }
            }
            let stopping = fds[1].revents().contains(PollFlags::IN);
            loop {
                match self.group.read_events() {
                    Ok(events) => events.iter().for_each(|event| self.answer(event)),
                    Err(Errno::EAGAIN) => break,
                    // The object of one event could not be opened for us; the kernel has refused it and goes on.
                    Err(
                        Errno::EINTR
                        | Errno::EACCES
                        | Errno::ENXIO
                        | Errno::ETXTBSY
                        | Errno::EPERM
                        | Errno::EOPNOTSUPP,
                    ) => {}
                    Err(e) => {
                        tracing::error!(error = %e, "the fanotify listener cannot read any more");
                        return;
                    }
                }
            }
            if unmarked {
                return;
            }
            if stopping {
                let nothing: Option<&str> = None;
                let flushed =
                    self.group.mark(MarkFlags::FAN_MARK_FLUSH, MaskFlags::empty(), AT_FDCWD, nothing);
                if let Err(e) = flushed {
                    tracing::warn!(error = %e, "the marks of a session stay until its listener is closed");
                }
                unmarked = true;
            }
        }
    }

    fn answer(&self, event: &FanotifyEvent) {
        let Some(fd) = event.fd() else { return };
        let arrived = Instant::now();
        let allowed = catch_unwind(AssertUnwindSafe(|| self.allowed(event, fd))).unwrap_or(false);
        let response = if allowed { Response::FAN_ALLOW } else { Response::FAN_DENY };
        if let Err(e) = self.group.write_response(FanotifyResponse::new(fd, response)) {
            // The asking thread was killed meanwhile, so that nobody waits for this answer.
            tracing::debug!(error = %e, "a fanotify answer was not taken");
        }
        let count = self.answered.fetch_add(1, Relaxed);
        self.refused.fetch_add(u64::from(!allowed), Relaxed);
        let latency = u32::try_from(arrived.elapsed().as_nanos()).unwrap_or(u32::MAX);
        let mut latencies = self.latencies_ns.lock().unwrap_or_else(PoisonError::into_inner);
        match latencies.get_mut(count as usize % LATENCIES) {
            Some(oldest) => *oldest = latency,
            None => latencies.push(latency),
        }
    }

    fn allowed(&self, event: &FanotifyEvent, fd: BorrowedFd<'_>) -> bool {
        // 0: a process that this namespace of processes cannot see, and so no descendant of one that it can.
        let Some(tid) = u32::try_from(event.pid()).ok().filter(|&tid| tid != 0) else { return true };
        let tgid = match self.list.member(tid) {
            Ok(Some(_)) => Some(tid),
            // Members are processes: a thread that leads none is looked up by its process.
            Ok(None) => match process::of_thread(tid) {
                Some(tgid) if tgid == tid => return true,
                Some(tgid) => match self.list.member(tgid) {
                    Ok(None) => return true,
                    Ok(Some(_)) => Some(tgid),
                    Err(_) => None,
                },
                None => None,
            },
            Err(_) => None,
        };
        let Some(tgid) = tgid else { return false };
        let executes = event.mask().contains(MaskFlags::FAN_OPEN_EXEC_PERM);
        let access = if executes { abi::access::EXEC } else { request::access_of(tid) };
        match self.list.judge(tid, tgid, fd, access) {
            Ok(verdict) => verdict.flags & VERDICT_REFUSED == 0,
            Err(e) => {
                tracing::error!(error = %e, tid, "a member's open could not be judged and is refused");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
