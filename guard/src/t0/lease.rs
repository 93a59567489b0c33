//! Files that hold no credential now, kept from holding one unseen: a read lease, fcntl(2), on which whoever opens the
//! file for writing, or truncates it, waits. Before they go on the label is whole again. A file that is put in its place
//! is another one, to which the name's refusal holds.

use crate::walk::Node;
use crate::{DenyList, Error, cgroup};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Statx, StatxFlags, makedev, statx};
use rustix::process::Signal;
use std::fs;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use sys::process;

/// `F_SETSIG`, include/uapi/asm-generic/fcntl.h
const F_SETSIG: libc::c_int = 10;

/// How long looking into a session's processes may take; whoever writes the file waits meanwhile.
const LOOK: Duration = Duration::from_secs(5);

/// A read lease on a file.
#[derive(Debug)]
pub(super) struct Lease {
    fd: OwnedFd,
}

impl Lease {
    /// Takes one on a file that was found; `None` where it cannot be had: somebody has the file open for writing, or its
    /// file system knows none.
    pub(super) fn take(node: &Node) -> Option<Self> {
        let path = format!("/proc/self/fd/{}", node.fd.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOATIME;
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty()).ok()?;
        // Whoever waits is asked for; the signal says it too, and is one that is ignored by itself.
        // SAFETY: both are calls on an open descriptor, with integers.
        let taken = unsafe {
            libc::fcntl(fd.as_raw_fd(), F_SETSIG, libc::SIGURG) == 0
                && libc::fcntl(fd.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK) == 0
        };
        taken.then_some(Self { fd })
    }

    /// What the file holds, if that is no more than `limit` bytes.
    pub(super) fn read(&self, limit: usize) -> Option<Vec<u8>> {
        let mut file = fs::File::from(self.fd.try_clone().ok()?);
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(limit as u64 + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() <= limit).then_some(bytes)
    }

    /// Whether somebody waits for it, or does not any more.
    pub(super) fn is_broken(&self) -> bool {
        // SAFETY: a call on an open descriptor.
        unsafe { libc::fcntl(self.fd.as_raw_fd(), libc::F_GETLEASE) != libc::F_RDLCK }
    }

    /// Ends the processes of a session that have the file open or mapped: they would read what is written next. Looking into
    /// a process waits for what that waits for: where it takes too long, the whole session is ended.
    pub(super) fn end_readers(&self, list: &Arc<dyn DenyList>, slot: u32) -> Result<(), Error> {
        let file = fs::File::from(self.fd.try_clone().map_err(|e| Error::io("a descriptor", e))?);
        let meta = file.metadata().map_err(|e| Error::io("a file under a lease", e))?;
        let (done, looked) = sync_channel(1);
        let looking = Arc::clone(list);
        std::thread::Builder::new()
            .name("readers".into())
            .spawn(move || {
                for pid in looking.members(slot) {
                    if process::threads(pid).any(|tid| has_open(tid, meta.dev(), meta.ino())) {
                        cgroup::signal(pid, Signal::KILL);
                    }
                }
                #[expect(clippy::let_underscore_must_use, reason = "who waited for it has given up")]
                let _ = done.send(());
            })
            .map_err(|e| Error::io("a thread could not be started", e))?;
        if looked.recv_timeout(LOOK).is_err() {
            tracing::error!(slot, "the session's processes cannot be looked into: they are ended");
            list.members(slot).into_iter().for_each(|pid| cgroup::signal(pid, Signal::KILL));
        }
        Ok(())
    }
}

/// Whether a thread has a file open or mapped: each may have descriptors of its own, and the first may have exited. Nothing is
/// asked of a file system, which may be the process' own, and answer never: statx(2), `AT_STATX_DONT_SYNC`.
fn has_open(tid: u32, dev: u64, ino: u64) -> bool {
    let open = fs::read_dir(format!("/proc/{tid}/fd")).into_iter().flatten().flatten();
    let look = |path| statx(CWD, path, AtFlags::STATX_DONT_SYNC, StatxFlags::INO).ok();
    let is_it = |meta: Statx| (makedev(meta.stx_dev_major, meta.stx_dev_minor), meta.stx_ino) == (dev, ino);
    if open.filter_map(|entry| look(entry.path())).any(is_it) {
        return true;
    }
    let maps = fs::read_to_string(format!("/proc/{tid}/maps")).unwrap_or_default();
    let ino = ino.to_string();
    maps.lines().any(|line| line.split_whitespace().nth(4) == Some(&ino))
}
