//! From the names that a record carries to a canonical path, and from claimed paths to what they would name.

use crate::mounts::{MOUNTINFO, Mounts};
use abi::FileFacts;
use bstr::BString;
use event::{File, Origin};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::{Duration, Instant};

/// How long a device may be unknown before the mounts are read again.
const REFRESH: Duration = Duration::from_millis(100);
/// Claimed directories whose real path is remembered.
const REAL_PATHS: usize = 4096;

/// Resolves the files of records.
pub(crate) struct Resolver {
    mounts: Mounts,
    /// Says when mounts have changed, proc_pid_mountinfo(5); `None` where it cannot be opened.
    watched: Option<fs::File>,
    read_at: Instant,
    real: HashMap<Vec<u8>, Vec<u8>>,
}

impl Resolver {
    pub(crate) fn new() -> Self {
        let watched = fs::File::open(MOUNTINFO).ok();
        Self { mounts: Mounts::read(), watched, read_at: Instant::now(), real: HashMap::new() }
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
        self.mounts = Mounts::read();
        self.read_at = Instant::now();
        self.real.clear();
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
        let mut resolved = self.real_path(directory);
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

    /// A directory without symbolic links, where it exists; remembered, since many claims share one.
    fn real_path(&mut self, directory: Vec<u8>) -> Vec<u8> {
        if let Some(real) = self.real.get(&directory) {
            return real.clone();
        }
        let real = fs::canonicalize(OsStr::from_bytes(&directory))
            .map_or_else(|_| directory.clone(), |path| path.into_os_string().into_vec());
        if self.real.len() >= REAL_PATHS {
            self.real.clear();
        }
        self.real.insert(directory, real.clone());
        real
    }
}

/// `/a/b` from names that stand leaf first; empty for the root of the superblock. Bytes that do not add up end it.
fn inside(names: &[u8]) -> Vec<u8> {
    // A slash stands for each length, so that the path is as long as the names; it is filled from its end on.
    let mut path = vec![0; names.len()];
    let (mut start, mut rest) = (path.len(), names);
    while let [len, tail @ ..] = rest {
        let Some(name) = tail.get(..usize::from(*len)) else { break };
        start -= 1 + name.len();
        path[start] = b'/';
        path[start + 1..start + 1 + name.len()].copy_from_slice(name);
        rest = &tail[name.len()..];
    }
    path.drain(..start);
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
}
