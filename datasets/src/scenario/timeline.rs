//! When files changed, as inotify(7) tells it to a thread outside the session: a file's own times tell the last change,
//! and those of a directory any.

use crate::Error;
use crate::clock::boottime_ns;
use crate::error::at;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet, HashMap};
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

/// When each path changed: CLOCK_BOOTTIME, ns.
type Changes = BTreeMap<PathBuf, BTreeSet<u64>>;

/// Watches paths, from its making to its drop.
#[derive(Debug)]
pub(super) struct Timeline {
    changes: Arc<Mutex<Changes>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What is waited for, by the number of the watch and the name in its directory.
type Awaited = HashMap<(i32, Vec<u8>), Vec<Wanted>>;

/// A path that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    path: PathBuf,
    /// The path itself, or the first directory that is missing above it.
    next: PathBuf,
    /// Whether its going is a change.
    goes: bool,
}

impl Timeline {
    /// Begins to watch. A directory that has to be made above a path is no change of it. The flag says whether a path
    /// changes when it goes.
    pub fn begin<'p>(paths: impl Iterator<Item = (&'p Path, bool)>) -> Result<Timeline, Error> {
        let here = Path::new("inotify");
        let of = |result: Result<OwnedFd, Errno>| result.map_err(Into::into);
        let queue = at("open", here, of(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)))?;
        let mut awaited = Awaited::new();
        for (path, goes) in paths {
            wait(&queue, &mut awaited, path, goes)?;
        }
        let (changes, stop) = (Arc::<Mutex<Changes>>::default(), Arc::new(AtomicBool::new(false)));
        let (note, stopped) = (changes.clone(), stop.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                follow(&queue, &mut awaited, &note);
            }
            // What came before the stop counts.
            follow(&queue, &mut awaited, &note);
        });
        Ok(Timeline { changes, stop, thread: Some(thread) })
    }

    /// Ends the watching. What changed, and when.
    pub fn end(mut self) -> Changes {
        self.join();
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn join(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            #[expect(clippy::let_underscore_must_use, reason = "a thread that panicked has said so")]
            let _ = thread.join();
        }
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        self.join();
    }
}

/// Waits for a path in its directory, or for the first that is missing above it in the one that is there.
fn wait(queue: &OwnedFd, awaited: &mut Awaited, path: &Path, goes: bool) -> Result<(), Error> {
    loop {
        let Some(directory) = path.ancestors().skip(1).find(|above| above.is_dir()) else { return Ok(()) };
        let Some(name) = path.strip_prefix(directory).ok().and_then(|rest| rest.iter().next()) else {
            return Ok(());
        };
        let changes = WatchFlags::CREATE
            | WatchFlags::MODIFY
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO;
        let watch = inotify::add_watch(queue, directory, changes).map_err(Into::into);
        let watch = at("watch", directory, watch)?;
        let wanted = Wanted { path: path.to_owned(), next: directory.join(name), goes };
        // One that was made before it was watched for is not told.
        let is_last = wanted.next == path || !wanted.next.is_dir();
        let here = awaited.entry((watch, name.as_bytes().to_vec())).or_default();
        if !here.contains(&wanted) {
            here.push(wanted);
        }
        if is_last {
            return Ok(());
        }
    }
}

/// Waits a turn for events, and notes those that are awaited. Where a missing directory was made, the waiting goes on in
/// it.
fn follow(queue: &OwnedFd, awaited: &mut Awaited, changes: &Mutex<Changes>) {
    let turn = Timespec { tv_sec: 0, tv_nsec: TURN_NS };
    #[expect(clippy::let_underscore_must_use, reason = "an interrupted turn is a short one")]
    let _ = poll(&mut [PollFd::new(queue, PollFlags::IN)], Some(&turn));
    let now = boottime_ns();
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    let mut reader = Reader::new(queue, &mut buffer);
    // Ends with EAGAIN when all was read.
    while let Ok(event) = reader.next() {
        let Some(name) = event.file_name() else { continue };
        let Some(here) = awaited.get(&(event.wd(), name.to_bytes().to_vec())).cloned() else { continue };
        let gone = event.events().intersects(inotify::ReadFlags::DELETE | inotify::ReadFlags::MOVED_FROM);
        for Wanted { path, next, goes } in here {
            let changed = if next == path {
                goes || !gone
            } else {
                // Where it cannot be watched it is gone again, and made again if at all. What is in it already came with it.
                !gone && wait(queue, awaited, &path, goes).is_ok() && path.symlink_metadata().is_ok()
            };
            if changed {
                let mut changes = changes.lock().unwrap_or_else(PoisonError::into_inner);
                changes.entry(path).or_default().insert(now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    /// Does one thing after the other, so far apart that each is told by itself: the times between them.
    fn one_by_one(acts: &[&dyn Fn()]) -> Vec<u64> {
        let mut between = vec![boottime_ns()];
        for act in acts {
            act();
            // The thread reads what happened before the next.
            thread::sleep(std::time::Duration::from_millis(60));
            between.push(boottime_ns());
        }
        between
    }

    /// In which turns a path changed.
    fn turns(changes: &Changes, path: &Path, between: &[u64]) -> Vec<usize> {
        let times = changes.get(path).into_iter().flatten();
        let turns: BTreeSet<usize> =
            times.map(|time| between.partition_point(|turn| turn <= time) - 1).collect();
        turns.into_iter().collect()
    }

    #[test]
    fn changes_are_told_and_readings_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in ["changed", "removed", "cleaned", "read"] {
            fs::write(path(name), "1").unwrap();
        }
        let paths = ["changed", "removed", "cleaned", "read", "never"].map(path);
        let watched = paths.iter().map(|path| (path.as_path(), !path.ends_with("cleaned")));
        let timeline = Timeline::begin(watched).unwrap();
        let between = one_by_one(&[
            &|| fs::OpenOptions::new().append(true).open(&paths[0]).unwrap().write_all(b"2").unwrap(),
            &|| fs::remove_file(&paths[1]).and(fs::remove_file(&paths[2])).unwrap(),
            &|| drop(fs::read(&paths[3]).unwrap()),
            &|| {
                fs::rename(&paths[3], path("elsewhere"))
                    .and(fs::rename(path("elsewhere"), &paths[0]))
                    .unwrap()
            },
        ]);
        let changes = timeline.end();
        let told = paths.each_ref().map(|path| turns(&changes, path, &between));
        assert_eq!(told, [vec![0, 3], vec![1], vec![], vec![3], vec![]]);
    }

    #[test]
    fn a_directory_that_has_to_be_made_first_is_no_change() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let (file, never) = (path("share/app/file"), path("share/never/file"));
        let timeline =
            Timeline::begin([(file.as_path(), true), (never.as_path(), true)].into_iter()).unwrap();
        let between = one_by_one(&[
            &|| fs::create_dir(path("share")).unwrap(),
            &|| fs::create_dir(path("share/app")).unwrap(),
            &|| fs::write(&file, "1").unwrap(),
            &|| fs::remove_dir_all(path("share")).unwrap(),
            // At once, as `mkdir -p` and a writing after it.
            &|| fs::create_dir_all(path("share/app")).and(fs::write(&file, "2")).unwrap(),
        ]);
        let changes = timeline.end();
        assert_eq!(changes.keys().collect::<Vec<_>>(), [&file]);
        assert_eq!(turns(&changes, &file, &between), [2, 3, 4]);
    }
}
