//! Notices on disk, a file a user: what froze or killed a session can be read when it is over.
//!
//! One thread writes, so that nobody who decides waits for a disk. What finds no room in its queue is counted, and said in
//! the log. A file holds so many bytes and no more, and a session so many denials: who is refused without end pushes
//! nothing out.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use wire::{Fold, Kind, Notice};

/// A user's notices, and those before them.
const FILES: [&str; 2] = ["notices.old.jsonl", "notices.jsonl"];
/// Bytes from which on a file becomes the old one.
const FILE_MAX_BYTES: u64 = 1 << 20;
/// Denials of one session that are kept.
const DENIALS_MAX: u64 = 200;
/// Sessions whose denials are counted.
const SESSIONS_MAX: usize = 4096;
/// Equal notices within this time are one.
const WINDOW: Duration = Duration::from_secs(30);
/// How often it is looked for those that are due.
const TICK: Duration = Duration::from_secs(1);
/// Notices that wait to be written.
const WAITING: usize = 4096;

/// The writer.
pub struct Kept {
    sender: Mutex<Option<SyncSender<(u32, Notice)>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    missed: AtomicU64,
}

impl Kept {
    /// Writes into the users' directories below `state`.
    pub fn start(state: PathBuf) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(WAITING);
        let thread =
            std::thread::Builder::new().name("notices".into()).spawn(move || run(&state, &receiver))?;
        let (sender, thread) = (Mutex::new(Some(sender)), Mutex::new(Some(thread)));
        Ok(Self { sender, thread, missed: AtomicU64::new(0) })
    }

    /// Keeps a notice of a user's session. Never waits.
    pub fn keep(&self, uid: u32, notice: &Notice) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = sender.as_ref().is_some_and(|sender| sender.try_send((uid, notice.clone())).is_ok());
        if !kept && self.missed.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::error!(uid, "notices come faster than they are written: some are not kept");
        }
    }

    /// Writes what waits, and ends.
    pub fn close(&self) {
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

fn run(state: &Path, receiver: &Receiver<(u32, Notice)>) {
    let mut folds: HashMap<u32, Fold> = HashMap::new();
    let mut denials: HashMap<(u32, String), u64> = HashMap::new();
    loop {
        let received = receiver.recv_timeout(TICK);
        let now = Instant::now();
        match received {
            Ok((uid, notice)) => {
                let fold = folds.entry(uid).or_insert_with(|| Fold::new(WINDOW));
                let told = fold.take(notice, now).filter(|notice| may_be_kept(&mut denials, uid, notice));
                write(state, uid, told.as_slice());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                folds.iter_mut().for_each(|(uid, fold)| write(state, *uid, &fold.rest()));
                return;
            }
        }
        folds.iter_mut().for_each(|(uid, fold)| write(state, *uid, &fold.due(now)));
    }
}

fn may_be_kept(denials: &mut HashMap<(u32, String), u64>, uid: u32, notice: &Notice) -> bool {
    if notice.kind != Kind::Denial {
        return true;
    }
    if denials.len() >= SESSIONS_MAX {
        denials.clear();
    }
    let count = denials.entry((uid, notice.session.clone())).or_default();
    *count += 1;
    *count <= DENIALS_MAX
}

fn write(state: &Path, uid: u32, notices: &[Notice]) {
    if notices.is_empty() {
        return;
    }
    if let Err(error) = append(&state.join(uid.to_string()), notices) {
        tracing::error!(uid, %error, "notices could not be kept");
    }
}

fn append(directory: &Path, notices: &[Notice]) -> std::io::Result<()> {
    let [old, new] = FILES.map(|name| directory.join(name));
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&new)?;
    let mut lines = Vec::new();
    for notice in notices {
        serde_json::to_writer(&mut lines, notice)?;
        lines.push(b'\n');
    }
    file.write_all(&lines)?;
    if file.metadata()?.len() >= FILE_MAX_BYTES {
        fs::rename(new, old)?;
    }
    Ok(())
}

/// The last `count` notices of a user, or of everybody (`None`), or of one session; the oldest first.
pub fn past(state: &Path, uid: Option<u32>, session: Option<&str>, count: usize) -> Vec<Notice> {
    let directories: Vec<PathBuf> = match uid {
        Some(uid) => vec![state.join(uid.to_string())],
        None => fs::read_dir(state)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok()))
            .map(|entry| entry.path())
            .collect(),
    };
    let mut notices: Vec<Notice> =
        directories.iter().flat_map(|directory| read(directory, session)).collect();
    notices.sort_by_key(|notice| notice.unix_ns);
    notices.split_off(notices.len().saturating_sub(count))
}

fn read(directory: &Path, session: Option<&str>) -> Vec<Notice> {
    let files = FILES.iter().filter_map(|name| File::open(directory.join(name)).ok());
    files
        .flat_map(|file| BufReader::new(file.take(2 * FILE_MAX_BYTES)).lines().map_while(Result::ok))
        .filter_map(|line| serde_json::from_str::<Notice>(&line).ok())
        .filter(|notice| session.is_none_or(|session| session == notice.session))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::notices::of_request;

    #[test]
    fn what_froze_a_session_is_found_behind_any_number_of_denials() {
        let state = tempfile::tempdir().unwrap();
        fs::create_dir(state.path().join("1000")).unwrap();
        let kept = Kept::start(state.path().to_owned()).unwrap();
        let denial = |n: u64| Notice { object: n.to_string(), ..of_request("7", Kind::Denial, "no") };
        kept.keep(1000, &of_request("7", Kind::Frozen, "a jewel was replaced"));
        for n in 0..2 * DENIALS_MAX {
            kept.keep(1000, &denial(n));
            kept.keep(1000, &denial(0));
        }
        kept.keep(1000, &of_request("8", Kind::Killed, "asked"));
        kept.close();
        let of_seven = past(state.path(), Some(1000), Some("7"), usize::MAX);
        assert_eq!(
            of_seven.len() as u64,
            1 + DENIALS_MAX + 1,
            "the last one tells how often the first was repeated"
        );
        assert_eq!(of_seven[0].reason, "a jewel was replaced");
        let last = past(state.path(), None, None, 1);
        assert_eq!(last.len(), 1);
        assert_eq!(past(state.path(), Some(1001), None, 9), []);
    }

    #[test]
    fn a_file_is_bounded_and_what_is_none_of_it_is_passed_over() {
        let state = tempfile::tempdir().unwrap();
        let directory = state.path().join("0");
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join(FILES[1]), "no json\n").unwrap();
        let long = of_request("1", Kind::Alert, &"x".repeat(1000));
        for _ in 0..4000 {
            append(&directory, std::slice::from_ref(&long)).unwrap();
        }
        let size: u64 =
            FILES.iter().map(|name| fs::metadata(directory.join(name)).map_or(0, |m| m.len())).sum();
        assert!((FILE_MAX_BYTES..3 * FILE_MAX_BYTES).contains(&size), "{size}");
        assert_eq!(past(state.path(), None, None, 5).len(), 5);
    }
}
