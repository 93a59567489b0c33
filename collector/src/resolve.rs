//! From the names that a record carries to a canonical path, and from claimed paths to what they would name.
//!
//! The thread that reads the rings asks here, so that nothing is looked up in a file system: whoever is watched chooses
//! these paths, and what lies in them (links, thousands of directories, a file system that never answers). A claimed path is
//! read as text.

use crate::mounts::Mounts;
use abi::FileFacts;
use bstr::BString;
use event::{File, Origin};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant};
use sys::mountinfo::MOUNTINFO;

/// How long a device may be unknown before the mounts are read again.
const REFRESH: Duration = Duration::from_millis(100);

/// Resolves the files of records.
pub(crate) struct Resolver {
    mounts: Mounts,
    /// Says when mounts have changed, proc_pid_mountinfo(5); `None` where it cannot be opened.
    watched: Option<fs::File>,
    read_at: Instant,
    /// The system's own links in the root: `/bin`, and on some systems `/home`. With what they stand for.
    links: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Resolver {
    pub(crate) fn new() -> Self {
        let watched = fs::File::open(MOUNTINFO).ok();
        Self {
            mounts: Mounts::read().unwrap_or_default(),
            watched,
            read_at: Instant::now(),
            links: links_in_root(),
        }
    }

    /// Reads the mounts again when they have changed: a device's number is given to another file system once it is free.
    pub(crate) fn refresh(&mut self) {
        let Some(watched) = &self.watched else { return };
        let mut fds = [PollFd::new(watched, PollFlags::PRI)];
        if poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0) {
            self.read();
        }
    }

    fn read(&mut self) {
        self.read_at = Instant::now();
        match Mounts::read() {
            Ok(mounts) => self.mounts = mounts,
            // What was mounted is a better answer than nothing.
            Err(error) => tracing::warn!(%error, "the mounts cannot be read again"),
        }
    }

    /// The file that `facts` and `names` (leaf first, each behind its length) describe.
    pub(crate) fn file(&mut self, facts: &FileFacts, names: &[u8]) -> File {
        let inside = inside(names);
        let found = self.mounted(facts.file.dev, &inside);
        let key = (facts.mode != 0).then_some(facts.file);
        match found {
            Some(path) if facts.cut == 0 => {
                File { path: path.into(), key, mode: facts.mode, origin: Origin::Trusted }
            }
            _ => {
                let dev = facts.file.dev;
                let mut path = format!("[{}:{}]", dev >> 20, dev & 0xf_ffff).into_bytes();
                if facts.cut != 0 {
                    path.extend_from_slice(b"/...");
                }
                path.extend_from_slice(&inside);
                File { path: path.into(), key, mode: facts.mode, origin: Origin::Unresolved }
            }
        }
    }

    /// What a claimed path would name, from a directory that the kernel resolved.
    pub(crate) fn claimed(&mut self, base: &FileFacts, names: &[u8], path: &[u8]) -> File {
        let mut whole =
            if path.first() == Some(&b'/') { Vec::new() } else { self.file(base, names).path.to_vec() };
        whole.push(b'/');
        whole.extend_from_slice(path);
        let (directory, leaf) = normalise(&whole);
        let mut resolved = through(&self.links, directory);
        if !leaf.is_empty() {
            if resolved.last() != Some(&b'/') {
                resolved.push(b'/');
            }
            resolved.extend_from_slice(&leaf);
        }
        File { path: BString::from(resolved), key: None, mode: 0, origin: Origin::Claimed }
    }

    fn mounted(&mut self, dev: u32, inside: &[u8]) -> Option<Vec<u8>> {
        if let Some(path) = self.mounts.path(dev, inside) {
            return Some(path);
        }
        if self.read_at.elapsed() < REFRESH {
            return None;
        }
        self.read();
        self.mounts.path(dev, inside)
    }
}

/// The links that lie in the root, as they are when the kernel side is loaded.
fn links_in_root() -> Vec<(Vec<u8>, Vec<u8>)> {
    let entries = fs::read_dir("/").into_iter().flatten().flatten();
    let links = entries.filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?.into_os_string().into_vec();
        let (mut path, leaf) = normalise(&[b"/", target.as_slice()].concat());
        if path != b"/" {
            path.push(b'/');
        }
        path.extend_from_slice(&leaf);
        Some((entry.path().into_os_string().into_vec(), path))
    });
    links.collect()
}

/// A directory, with what a link in the root stands for in its place.
fn through(links: &[(Vec<u8>, Vec<u8>)], directory: Vec<u8>) -> Vec<u8> {
    let below = |link: &[u8]| {
        let rest = directory.strip_prefix(link)?;
        rest.first().is_none_or(|first| *first == b'/').then_some(rest)
    };
    let found = links.iter().find_map(|(link, target)| Some([target, below(link)?].concat()));
    found.unwrap_or(directory)
}

/// `/a/b` from names that stand leaf first; empty for the root of the superblock. Bytes that do not add up end it.
fn inside(names: &[u8]) -> Vec<u8> {
    // A slash stands for each length, so that the path is no longer than the names.
    let mut path = Vec::with_capacity(names.len());
    let mut rest = names;
    while let [len, tail @ ..] = rest {
        let Some((name, behind)) = tail.split_at_checked(usize::from(*len)) else { break };
        path.extend(name.iter().rev());
        path.push(b'/');
        rest = behind;
    }
    path.reverse();
    path
}

/// The directory and the last name of a path, without `.`, `..` and doubled slashes, read as text.
fn normalise(path: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    let leaf = parts.pop().unwrap_or_default().to_vec();
    let mut directory = Vec::new();
    for part in parts {
        directory.push(b'/');
        directory.extend_from_slice(part);
    }
    if directory.is_empty() {
        directory.push(b'/');
    }
    (directory, leaf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_a_path_from_the_root_down() {
        assert_eq!(inside(b"\x03c.d\x01b\x01a"), b"/a/b/c.d");
        assert_eq!(inside(b""), b"");
        assert_eq!(inside(b"\x05ab"), b"", "a cut name is no name");
    }

    #[test]
    fn claimed_paths_lose_their_dots() {
        assert_eq!(normalise(b"/a/./b//../c"), (b"/a".to_vec(), b"c".to_vec()));
        assert_eq!(normalise(b"/../.."), (b"/".to_vec(), b"".to_vec()));
    }

    #[test]
    fn links_in_the_root_are_known_without_looking() {
        let links = [(b"/bin".to_vec(), b"/usr/bin".to_vec())];
        assert_eq!(through(&links, b"/bin/x".to_vec()), b"/usr/bin/x");
        assert_eq!(through(&links, b"/bin".to_vec()), b"/usr/bin");
        assert_eq!(through(&links, b"/binary/x".to_vec()), b"/binary/x");
    }

    /// A claim is text, however long it is and whatever it names.
    #[test]
    fn claims_are_resolved_without_a_file_system() {
        let mut resolver = Resolver::new();
        let deep = b"/a".repeat(2_000);
        let facts = <FileFacts as zerocopy::FromZeros>::new_zeroed();
        let began = Instant::now();
        for n in 0..1_000 {
            let path = [deep.as_slice(), format!("/d{n}/nope").as_bytes()].concat();
            assert_eq!(resolver.claimed(&facts, b"", &path).path, path.as_slice());
        }
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
}
