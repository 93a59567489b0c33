//! When files first changed, as inotify(7) tells it to a thread outside the session: a file's own times tell the last
//! change, and those of a directory any.

use crate::Error;
use crate::clock::boottime_ns;
use crate::error::at;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashMap};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// How long a stop may take, ns.
const TURN_NS: i64 = 20_000_000;

/// Bytes of one reading: some hundred events.
const BUFFER: usize = 16 << 10;

/// First changes by path, CLOCK_BOOTTIME, ns.
type First = Arc<Mutex<BTreeMap<PathBuf, u64>>>;

/// Watches paths, from its making to its drop.
#[derive(Debug)]
pub(super) struct Timeline {
    first: First,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What is waited for, by the number of the watch and the name in its directory; and whether its going is a change.
type Awaited = HashMap<(i32, Vec<u8>), Vec<(PathBuf, bool)>>;

impl Timeline {
    /// Begins to watch. A path that does not exist, nor the directories above it, first changes when the first of these
    /// is made. The flag says whether a path changes when it goes.
    pub fn begin<'p>(paths: impl Iterator<Item = (&'p Path, bool)>) -> Result<Timeline, Error> {
        let here = Path::new("inotify");
        let of = |result: Result<OwnedFd, Errno>| result.map_err(Into::into);
        let queue = at("open", here, of(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)))?;
        let mut awaited = Awaited::new();
        for (path, goes) in paths {
            let Some(directory) = path.ancestors().skip(1).find(|above| above.is_dir()) else { continue };
            let Some(name) = path.strip_prefix(directory).ok().and_then(|rest| rest.iter().next()) else {
                continue;
            };
            let changes = WatchFlags::CREATE
                | WatchFlags::MODIFY
                | WatchFlags::DELETE
                | WatchFlags::MOVED_FROM
                | WatchFlags::MOVED_TO;
            let watch = inotify::add_watch(&queue, directory, changes).map_err(Into::into);
            let watch = at("watch", directory, watch)?;
            awaited.entry((watch, name.as_bytes().to_vec())).or_default().push((path.to_owned(), goes));
        }
        let (first, stop) = (First::default(), Arc::new(AtomicBool::new(false)));
        let (note, stopped) = (first.clone(), stop.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                follow(&queue, &awaited, &note);
            }
            // What came before the stop counts.
            follow(&queue, &awaited, &note);
        });
        Ok(Timeline { first, stop, thread: Some(thread) })
    }

    /// Ends the watching. First changes by path.
    pub fn end(mut self) -> BTreeMap<PathBuf, u64> {
        self.join();
        std::mem::take(&mut *self.first.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn join(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        self.join();
    }
}

/// Waits a turn for events, and notes those that are awaited.
fn follow(queue: &OwnedFd, awaited: &Awaited, first: &First) {
    let turn = Timespec { tv_sec: 0, tv_nsec: TURN_NS };
    // An interrupted turn is a short one.
    let _ = poll(&mut [PollFd::new(queue, PollFlags::IN)], Some(&turn));
    let now = boottime_ns();
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    let mut reader = Reader::new(queue, &mut buffer);
    // Ends with EAGAIN when all was read.
    while let Ok(event) = reader.next() {
        let Some(name) = event.file_name() else { continue };
        let Some(paths) = awaited.get(&(event.wd(), name.to_bytes().to_vec())) else { continue };
        let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = event.events().intersects(inotify::ReadFlags::DELETE | inotify::ReadFlags::MOVED_FROM);
        for (path, _) in paths.iter().filter(|(_, goes)| *goes || !gone) {
            first.entry(path.clone()).or_insert(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn first_changes_are_told_and_others_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("changed"), "1").unwrap();
        fs::write(path("removed"), "1").unwrap();
        fs::write(path("cleaned"), "1").unwrap();
        fs::write(path("read"), "1").unwrap();
        let paths = [path("changed"), path("removed"), path("read"), path("new/deep/file"), path("never")];
        let cleaned = path("cleaned");
        let watched = paths.iter().map(|path| (path.as_path(), true)).chain([(cleaned.as_path(), false)]);
        let timeline = Timeline::begin(watched).unwrap();
        let mut between = vec![boottime_ns()];
        let mut and_then = |act: &dyn Fn()| {
            act();
            // The thread reads what happened before the next.
            thread::sleep(std::time::Duration::from_millis(60));
            between.push(boottime_ns());
        };
        and_then(&|| fs::write(path("changed"), "2").unwrap());
        and_then(&|| fs::remove_file(path("removed")).and(fs::remove_file(&cleaned)).unwrap());
        and_then(&|| fs::create_dir_all(path("new/deep")).unwrap());
        and_then(&|| fs::write(path("new/deep/file"), "1").unwrap());
        and_then(&|| fs::write(path("changed"), "3").unwrap());
        and_then(&|| drop(fs::read(path("read")).unwrap()));
        let first = timeline.end();
        assert_eq!(first.keys().collect::<Vec<_>>(), [&paths[0], &paths[3], &paths[1]]);
        for (path, turn) in [(&paths[0], 0), (&paths[1], 1), (&paths[3], 2)] {
            assert!((between[turn]..between[turn + 1]).contains(&first[path]), "{path:?}");
        }
    }
}
