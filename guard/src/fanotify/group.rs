//! The group of permission marks, which all sessions share: the kernel gives a user 128 of them. A session's marks are its
//! own, and an object keeps its mark as long as any session holds one.

use super::apart::{Apart, Start};
use super::here::Here;
use super::{MARKS_MAX, MARKS_OF_USER};
use crate::walk::{self, Node};
use crate::{DenyList, Error, magic};
use abi::FileKey;
use collector::JudgeIds;
use nix::fcntl::AT_FDCWD;
use nix::sys::fanotify::{EventFFlags, Fanotify, InitFlags, MarkFlags, MaskFlags};
use rustix::fs::{CWD, Mode, OFlags};
use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wire::Latency;

/// What an object is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    /// Every open.
    Opens,
    /// Only starting a program.
    Starts,
}

/// An object with a mark.
struct Entry {
    fd: OwnedFd,
    is_dir: bool,
    opens: usize,
    starts: usize,
}

impl Entry {
    fn count(&mut self, watched: Watched) -> &mut usize {
        match watched {
            Watched::Opens => &mut self.opens,
            Watched::Starts => &mut self.starts,
        }
    }

    /// What its mark holds.
    fn mask(&self) -> MaskFlags {
        match (self.opens, self.starts) {
            (0, 0) => MaskFlags::empty(),
            (0, _) => MaskFlags::FAN_OPEN_EXEC_PERM,
            _ => MaskFlags::FAN_OPEN_PERM | MaskFlags::FAN_OPEN_EXEC_PERM,
        }
    }
}

/// Who answers.
enum Answers {
    /// A thread of this process.
    Here(Here),
    /// A process of its own.
    Apart(Apart),
}

/// A fanotify group, and who answers what is asked of it.
pub struct Group {
    fanotify: Arc<Fanotify>,
    entries: Mutex<HashMap<FileKey, Entry>>,
    /// Marks of each user's sessions and policies.
    of_users: Mutex<HashMap<u32, usize>>,
    answers: Answers,
}

impl Group {
    /// A group whose questions a thread of this process answers.
    pub fn here(list: Arc<dyn DenyList>) -> Result<Arc<Self>, Error> {
        let fanotify = init()?;
        let group = fanotify.as_fd().try_clone_to_owned().map_err(|e| Error::io("a descriptor", e))?;
        let here = Here::start(list, group)?;
        Ok(Self::of(fanotify, Answers::Here(here)))
    }

    /// A group whose questions a process of its own answers, which `start` starts.
    pub fn apart(start: Start, ids: JudgeIds, list: Arc<dyn DenyList>) -> Result<Arc<Self>, Error> {
        let fanotify = init()?;
        let apart = Apart::start(start, ids, list, Arc::clone(&fanotify))?;
        Ok(Self::of(fanotify, Answers::Apart(apart)))
    }

    fn of(fanotify: Arc<Fanotify>, answers: Answers) -> Arc<Self> {
        Arc::new(Self { fanotify, entries: Mutex::default(), of_users: Mutex::default(), answers })
    }

    /// The process that answers, if it is one of its own.
    pub fn pid(&self) -> Option<u32> {
        match &self.answers {
            Answers::Here(_) => None,
            Answers::Apart(apart) => apart.pid(),
        }
    }

    /// Whether somebody answers.
    pub fn alive(&self) -> bool {
        match &self.answers {
            Answers::Here(here) => here.alive(),
            Answers::Apart(apart) => apart.alive(),
        }
    }

    /// Lets who answers go on, where somebody has stopped it: everybody waits for it.
    pub fn look_after(&self) {
        if let Answers::Apart(apart) = &self.answers {
            apart.go_on();
        }
    }

    fn latency(&self, slot: u32) -> Latency {
        match &self.answers {
            Answers::Here(here) => here.latency(slot),
            Answers::Apart(apart) => apart.latency(slot),
        }
    }

    fn set(&self, how: MarkFlags, mask: MaskFlags, object: &OwnedFd) -> bool {
        let path = format!("/proc/self/fd/{}", object.as_raw_fd());
        self.fanotify.mark(how, mask, AT_FDCWD, Some(path.as_str())).is_ok()
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<FileKey, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a user may have another mark, which is theirs then. Root may.
    fn take(&self, uid: u32) -> bool {
        let mut of_users = self.of_users.lock().unwrap_or_else(PoisonError::into_inner);
        let count = of_users.entry(uid).or_default();
        let may = uid == 0 || *count < MARKS_OF_USER;
        *count += usize::from(may);
        may
    }

    /// A user has so many fewer.
    fn give_back(&self, uid: u32, marks: usize) {
        let mut of_users = self.of_users.lock().unwrap_or_else(PoisonError::into_inner);
        let left = of_users.get(&uid).copied().unwrap_or_default().saturating_sub(marks);
        if left == 0 {
            of_users.remove(&uid)
        } else {
            of_users.insert(uid, left)
        };
    }

    fn hold(&self, node: &Node, watched: Watched) -> bool {
        let key = node.identity.file;
        let mut entries = self.entries();
        let entry = match entries.entry(key) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => {
                let Some(fd) = held(node) else { return false };
                place.insert(Entry { fd, is_dir: node.is_dir(), opens: 0, starts: 0 })
            }
        };
        let before = entry.mask();
        *entry.count(watched) += 1;
        let (after, fd) = (entry.mask(), &entry.fd);
        if after == before || self.set(MarkFlags::FAN_MARK_ADD, shaped(after, entry.is_dir), fd) {
            return true;
        }
        *entry.count(watched) -= 1;
        if entry.mask().is_empty() {
            entries.remove(&key);
        }
        false
    }

    fn release(&self, key: &FileKey, watched: Watched) {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(key) else { return };
        let before = entry.mask();
        let count = entry.count(watched);
        *count = count.saturating_sub(1);
        let after = entry.mask();
        if after != before {
            let gone = if after.is_empty() { shaped(before, entry.is_dir) } else { before.difference(after) };
            // An object that is gone has taken its mark along.
            let _ = self.set(MarkFlags::FAN_MARK_REMOVE, gone, &entry.fd);
        }
        if after.is_empty() {
            entries.remove(key);
        }
    }
}

fn init() -> Result<Arc<Fanotify>, Error> {
    let flags = InitFlags::FAN_CLASS_CONTENT
        | InitFlags::FAN_CLOEXEC
        | InitFlags::FAN_NONBLOCK
        | InitFlags::FAN_UNLIMITED_QUEUE
        | InitFlags::FAN_UNLIMITED_MARKS
        | InitFlags::FAN_REPORT_TID;
    // O_NONBLOCK: the descriptor of an event is opened by the kernel, and a pipe would make it wait for a writer.
    let events =
        EventFFlags::O_RDONLY | EventFFlags::O_LARGEFILE | EventFFlags::O_CLOEXEC | EventFFlags::O_NONBLOCK;
    Fanotify::init(flags, events).map(Arc::new).map_err(|e| Error::io("fanotify could not be set up", e))
}

/// A mask for an object: of a directory, what lies in it counts.
fn shaped(mask: MaskFlags, is_dir: bool) -> MaskFlags {
    if is_dir { mask | MaskFlags::FAN_EVENT_ON_CHILD | MaskFlags::FAN_ONDIR } else { mask }
}

/// A descriptor that is held as long as the mark. Of a user's file it is one for reading: nobody gets a write lease on a file
/// that is open for reading, fcntl(2), and with one its holder would have everybody's opens of it refused, since it could not
/// be opened for an event. Not where opening would ask a program of somebody's.
fn held(node: &Node) -> Option<OwnedFd> {
    let leasable = walk::is(node.identity.mode, libc::S_IFREG) && node.identity.uid != 0;
    if leasable && magic::file_system(node.identity.magic).enforceable {
        let path = format!("/proc/self/fd/{}", node.fd.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        if let Ok(fd) = rustix::fs::openat(CWD, path, flags, Mode::empty()) {
            return Some(fd);
        }
    }
    node.fd.try_clone().ok()
}

/// What a session, or a policy of one, has marked. Its marks go with it.
pub struct Marks {
    group: Arc<Group>,
    uid: u32,
    mine: Mutex<HashMap<FileKey, Watched>>,
    skipped: AtomicUsize,
}

impl Marks {
    /// None yet, of a user.
    pub fn new(group: Arc<Group>, uid: u32) -> Self {
        Self { group, uid, mine: Mutex::default(), skipped: AtomicUsize::new(0) }
    }

    fn mine(&self) -> MutexGuard<'_, HashMap<FileKey, Watched>> {
        self.mine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks an object: opens of it, and of the files in it when it is a directory, ask first. Says whether it has a mark.
    pub fn mark(&self, node: &Node) -> bool {
        self.add(node, Watched::Opens)
    }

    /// Marks a directory in which only starting programs is refused: other opens of its files do not ask.
    pub fn mark_exec(&self, node: &Node) -> bool {
        self.add(node, Watched::Starts)
    }

    fn add(&self, node: &Node, watched: Watched) -> bool {
        let mut mine = self.mine();
        let key = node.identity.file;
        let before = mine.get(&key).copied();
        if before == Some(Watched::Opens) || before == Some(watched) {
            return true;
        }
        // One that watches more takes the place of the one before.
        let has_room = mine.len() < MARKS_MAX && (before.is_some() || self.group.take(self.uid));
        let marked = has_room && self.group.hold(node, watched);
        if !marked {
            if has_room && before.is_none() {
                self.group.give_back(self.uid, 1);
            }
            self.skipped.fetch_add(1, Relaxed);
            return false;
        }
        if let Some(less) = mine.insert(key, watched) {
            self.group.release(&key, less);
        }
        true
    }

    /// Objects that have a mark.
    pub fn marks(&self) -> usize {
        self.mine().len()
    }

    /// Objects that should have one: there was no room, or their file system takes none.
    pub fn skipped(&self) -> usize {
        self.skipped.load(Relaxed)
    }

    /// Whether somebody answers.
    pub fn alive(&self) -> bool {
        self.group.alive()
    }

    /// How long answers to the session in `slot` took; asked once, when it is over.
    pub fn latency(&self, slot: u32) -> Latency {
        self.group.latency(slot)
    }
}

impl Drop for Marks {
    fn drop(&mut self) {
        let mut mine = self.mine();
        self.group.give_back(self.uid, mine.len());
        for (key, watched) in mine.drain() {
            self.group.release(&key, watched);
        }
    }
}
