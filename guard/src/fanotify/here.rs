//! Answering in a thread of this process: for probes, which are over in a second, and while no doorkeeper runs.

use super::answer::{Answering, Oracle};
use super::owned;
use crate::{DenyList, Error};
use abi::{Member, Verdict};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;
use wire::Latency;

struct Listed(Arc<dyn DenyList>);

impl Oracle for Listed {
    fn member(&self, pid: u32) -> Result<Option<Member>, Error> {
        self.0.member(pid)
    }

    fn members(&self) -> Vec<u32> {
        (1..=abi::MAX_SESSIONS).flat_map(|slot| self.0.members(slot)).collect()
    }

    fn judge(&self, tid: u32, tgid: u32, fd: BorrowedFd<'_>, access: u32) -> Result<Verdict, Error> {
        self.0.judge(tid, tgid, fd, access)
    }
}

/// The thread, which ends with this once everybody who has asked is answered.
pub(super) struct Here {
    answering: Arc<Answering>,
    thread: Option<JoinHandle<()>>,
}

impl Here {
    /// Starts it.
    pub(super) fn start(list: Arc<dyn DenyList>, group: OwnedFd) -> Result<Self, Error> {
        let answering = Answering::new(Box::new(Listed(list)), owned(group))?;
        let thread = std::thread::Builder::new()
            .name("fanotify".into())
            .spawn({
                let answering = Arc::clone(&answering);
                move || {
                    let ran = own_descriptors()
                        .map_err(|e| Error::io("a table of descriptors", e))
                        .and_then(|()| answering.run());
                    if let Err(error) = ran {
                        tracing::error!(%error, "permission events cannot be answered");
                    }
                }
            })
            .map_err(|e| Error::io("the answering thread could not be started", e))?;
        Ok(Self { answering, thread: Some(thread) })
    }

    pub(super) fn alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    pub(super) fn latency(&self, slot: u32) -> Latency {
        self.answering.latencies.take(slot)
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.answering.end();
        if let Some(thread) = self.thread.take() {
            #[expect(clippy::let_underscore_must_use, reason = "a thread that panicked has said so")]
            let _ = thread.join();
        }
    }
}

/// Gives the calling thread a table of descriptors of its own.
///
/// An event brings an open descriptor of its object, and closing any descriptor of a file drops every POSIX lock that the
/// table's owner holds on it, fcntl_locking(2): SQLite would lose those on a store.
///
/// Sockets and pipes are closed in the copy, so that their other ends still hear when this process closes them.
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
        #[expect(clippy::let_underscore_must_use, reason = "a number that is closed already is closed")]
        let _ = nix::unistd::close(fd);
    }
    Ok(())
}
