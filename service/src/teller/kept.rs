//! Notices on disk, a file a user: what froze or killed a session can be read when it is over.
//!
//! A file holds so many bytes and no more, and a session so many denials: who is refused without end pushes nothing out.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
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

/// A user's notices, as they are kept.
pub struct Kept {
    directory: PathBuf,
    fold: Fold,
    denials: HashMap<String, u64>,
}

impl Kept {
    /// In a user's directory.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, fold: Fold::new(WINDOW), denials: HashMap::new() }
    }

    /// Keeps a notice.
    pub fn take(&mut self, notice: Notice) {
        let told = self.fold.take(notice, Instant::now()).filter(|notice| self.may_be_kept(notice));
        self.write(told.as_slice());
    }

    /// Keeps those that are due.
    pub fn look(&mut self) {
        let due = self.fold.due(Instant::now());
        self.write(&due);
    }

    /// Keeps what waits.
    pub fn rest(&mut self) {
        let rest = self.fold.rest();
        self.write(&rest);
    }

    fn may_be_kept(&mut self, notice: &Notice) -> bool {
        if notice.kind != Kind::Denial {
            return true;
        }
        if self.denials.len() >= SESSIONS_MAX {
            self.denials.clear();
        }
        let count = self.denials.entry(notice.session.clone()).or_default();
        *count += 1;
        *count <= DENIALS_MAX
    }

    fn write(&self, notices: &[Notice]) {
        if !notices.is_empty()
            && let Err(error) = append(&self.directory, notices)
        {
            tracing::error!(%error, "notices could not be kept");
        }
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
    use crate::supervisor::of_request;

    #[test]
    fn what_froze_a_session_is_found_behind_any_number_of_denials() {
        let state = tempfile::tempdir().unwrap();
        fs::create_dir(state.path().join("1000")).unwrap();
        let mut kept = Kept::new(state.path().join("1000"));
        let denial = |n: u64| Notice { object: n.to_string(), ..of_request("7", Kind::Denial, "no") };
        kept.take(of_request("7", Kind::Frozen, "a jewel was replaced"));
        for n in 0..2 * DENIALS_MAX {
            kept.take(denial(n));
            kept.take(denial(0));
        }
        kept.take(of_request("8", Kind::Killed, "asked"));
        kept.rest();
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
