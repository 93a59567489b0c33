//! What lay where when a session began: jewels, and the directories above them, each held by a descriptor. What a session has moved or replaced is put back, by identity, while it stands still.

use super::aside;
use crate::walk::{self, Found, Node};
use crate::{DenyList, Error};
use abi::FileKey;
use bstr::{BString, ByteSlice};
use policy::{Rules, Site};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Of what was found by its name, so much is held, and the directories above it: each takes two descriptors.
const FOUND: usize = 128;
/// Larger files are not copied.
const MAX_BYTES: u64 = 1 << 20;

/// One file or directory, and the directory in which it lay.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    directory: OwnedFd,
    name: BString,
    held: Mutex<Held>,
}

/// What belongs at a place.
#[derive(Debug)]
struct Held {
    node: OwnedFd,
    file: FileKey,
    /// Its permissions when it began to be held.
    mode: u32,
}

/// Holds what lies in a home, the home included, and what was found there by its name: what lies above first.
pub(crate) fn keep(list: &dyn DenyList, home: &Path, rules: &Rules, found: &[PathBuf]) -> Vec<Kept> {
    // As the kernel names it.
    let named = home;
    let Ok(home) = std::fs::canonicalize(home) else { return Vec::new() };
    let jewels = rules.refusals().filter_map(|refusal| match refusal.row.site {
        Site::Home(path) => Some(home.join(path)),
        Site::NameIn(directory, name) => Some(home.join(directory).join(name)),
        _ => None,
    });
    let found = found.iter().take(FOUND).filter_map(|path| Some(home.join(path.strip_prefix(named).ok()?)));
    // Most are not there, nor what they would lie in, and asking the kernel side of each costs more.
    let (mut there, mut missing) = (HashSet::new(), HashSet::new());
    for jewel in jewels.chain(found).filter(|jewel| jewel.starts_with(&home)) {
        let mut ways: Vec<&Path> = jewel.ancestors().take_while(|path| path.starts_with(&home)).collect();
        ways.reverse();
        for path in ways {
            if missing.contains(path) {
                break;
            }
            if there.contains(path) {
                continue;
            }
            if path.symlink_metadata().is_err() {
                missing.insert(path.to_owned());
                break;
            }
            there.insert(path.to_owned());
        }
    }
    let mut there: Vec<PathBuf> = there.into_iter().collect();
    there.sort_by_cached_key(|path| (path.components().count(), path.clone()));
    there.into_iter().filter_map(|path| Kept::take(list, path)).collect()
}

impl Kept {
    fn take(list: &dyn DenyList, path: PathBuf) -> Option<Self> {
        let Found::Node(directory) = walk::open(list, path.parent()?) else { return None };
        let name = BString::from(path.file_name()?.as_bytes());
        let Found::Node(node) = walk::open_below(list, directory.fd.as_fd(), name.as_bstr()) else {
            return None;
        };
        let is_kept = node.is_dir() || walk::is(node.identity.mode, libc::S_IFREG);
        let held = Held { file: node.identity.file, mode: node.identity.mode, node: node.fd };
        is_kept.then_some(Self { path, directory: directory.fd, name, held: Mutex::new(held) })
    }

    /// Where it lay.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it back where it lay; what was done, in words. `None`: it lies there. What took its place is put aside first, so
    /// that nothing gets a name that somebody else chose for it.
    pub fn put_back(&self, list: &dyn DenyList) -> Option<Result<String, Error>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (directory, name) = (self.directory.as_fd(), self.name.as_bstr());
        let aside = match walk::open_below(list, directory, name) {
            Found::Node(node) if node.identity.file == held.file => return None,
            Found::Node(node) => match aside::put(list, directory, name, node.identity.file, &self.path) {
                Ok(aside) => Some(aside),
                Err(error) => return Some(Err(error)),
            },
            Found::Missing => None,
            Found::Unreadable(e) => return Some(Err(e)),
        };
        let back = match held.elsewhere(list) {
            Some(there) => self.move_back(list, &held, &there),
            None => self.make_again(list, &mut held),
        };
        let other = aside
            .map_or_else(String::new, |aside| format!("; what had taken its place is `{aside}` beside it"));
        Some(match back {
            Ok(told) => Ok(told + &other),
            // What was put aside is said, whatever becomes of the rest.
            Err(error) if !other.is_empty() => Ok(format!("{error}{other}")),
            Err(error) => Err(error),
        })
    }

    fn move_back(&self, list: &dyn DenyList, held: &Held, there: &Elsewhere) -> Result<String, Error> {
        let (from, to) = (there.directory.fd.as_fd(), self.directory.as_fd());
        let (name, own, how) = (there.name.as_bytes(), self.name.as_bytes(), RenameFlags::NOREPLACE);
        rustix::fs::renameat_with(from, name, to, own, how).map_err(|e| self.wrong(e))?;
        match walk::open_below(list, to, self.name.as_bstr()) {
            Found::Node(node) if node.identity.file == held.file => {
                held.allow_again(&node).map_err(|e| self.wrong(e))?;
                Ok(format!("`{}` was moved back from `{}`", self.path.display(), there.path.display()))
            }
            // Somebody outside was quicker: as it was.
            _ => {
                let _ = rustix::fs::renameat_with(to, own, from, name, how);
                Err(self.wrong(Errno::AGAIN))
            }
        }
    }

    /// It has no name any more. A file's content, owner, permissions and attributes are, in a new one; a directory without a
    /// name was empty.
    fn make_again(&self, list: &dyn DenyList, held: &mut Held) -> Result<String, Error> {
        let wrong = |e: Errno| self.wrong(e);
        let (directory, own) = (self.directory.as_fd(), self.name.as_bytes());
        let was = rustix::fs::fstat(&held.node).map_err(wrong)?;
        if walk::is(was.st_mode, libc::S_IFDIR) {
            rustix::fs::mkdirat(directory, own, Mode::RWXU).map_err(wrong)?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let made = rustix::fs::openat(directory, own, flags, Mode::empty()).map_err(wrong)?;
            std::os::unix::fs::fchown(&made, Some(was.st_uid), Some(was.st_gid))
                .map_err(|e| Error::file(&self.path, "given to its owner", e))?;
            rustix::fs::fchmod(&made, Mode::from_raw_mode(was.st_mode)).map_err(wrong)?;
            let Found::Node(node) = walk::open_below(list, directory, self.name.as_bstr()) else {
                return Err(wrong(Errno::AGAIN));
            };
            *held = Held { file: node.identity.file, mode: node.identity.mode, node: node.fd };
            return Ok(format!("`{}` is an empty directory again, as it was", self.path.display()));
        }
        let copy = held.copy(&self.directory).map_err(|e| Error::file(&self.path, "copied", e))?;
        rustix::fs::linkat(CWD, link_to(&copy), directory, own, AtFlags::SYMLINK_FOLLOW).map_err(wrong)?;
        let file = list.identify(copy.as_fd())?.file;
        *held = Held { node: copy, file, mode: was.st_mode };
        Ok(format!("`{}` has what it held when the session began", self.path.display()))
    }

    fn wrong(&self, e: Errno) -> Error {
        Error::file(&self.path, "put back", e)
    }
}

/// Where something lies now.
struct Elsewhere {
    directory: Node,
    name: BString,
    path: PathBuf,
}

impl Held {
    /// It may have lain in another one's place, and have been put aside there: then nobody may open it.
    fn allow_again(&self, node: &Node) -> Result<(), Errno> {
        let permissions = Mode::from_raw_mode(self.mode);
        if !Mode::from_raw_mode(node.identity.mode).is_empty() || permissions.is_empty() {
            return Ok(());
        }
        rustix::fs::chmodat(CWD, link_to(&node.fd), permissions, AtFlags::empty())
    }

    fn elsewhere(&self, list: &dyn DenyList) -> Option<Elsewhere> {
        let path = rustix::fs::readlinkat(CWD, link_to(&self.node), Vec::new()).ok()?;
        let (directory, name) = path.as_bytes().rsplit_once_str("/")?;
        let Found::Node(directory) = walk::open_canonical(list, directory) else { return None };
        let name = BString::from(name);
        match walk::open_below(list, directory.fd.as_fd(), name.as_bstr()) {
            Found::Node(node) if node.identity.file == self.file => {
                let path = Path::new(OsStr::from_bytes(path.as_bytes())).to_owned();
                Some(Elsewhere { directory, name, path })
            }
            _ => None,
        }
    }

    /// The same in a file that has no name yet.
    fn copy(&self, directory: &OwnedFd) -> std::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let mut old = File::from(rustix::fs::openat(CWD, link_to(&self.node), flags, Mode::empty())?);
        let meta = old.metadata()?;
        if !meta.is_file() || meta.len() > MAX_BYTES {
            return Err(Errno::FBIG.into());
        }
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        let mut new = File::from(rustix::fs::openat(directory, c".", flags, Mode::RUSR)?);
        let mut bytes = Vec::new();
        Read::by_ref(&mut old).take(MAX_BYTES).read_to_end(&mut bytes)?;
        new.write_all(&bytes)?;
        std::os::unix::fs::fchown(&new, Some(meta.uid()), Some(meta.gid()))?;
        let mut names = vec![0; 64 << 10];
        let len = rustix::fs::flistxattr(&old, &mut names)?;
        for name in names[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let mut value = vec![0; 64 << 10];
            let len = rustix::fs::fgetxattr(&old, name, &mut value)?;
            rustix::fs::fsetxattr(&new, name, &value[..len], XattrFlags::empty())?;
        }
        rustix::fs::fchmod(&new, Mode::from_raw_mode(meta.mode()))?;
        let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
        let times = Timestamps {
            last_access: time(meta.atime(), meta.atime_nsec()),
            last_modification: time(meta.mtime(), meta.mtime_nsec()),
        };
        rustix::fs::futimens(&new, &times)?;
        Ok(new.into())
    }
}

/// The name in `/proc` of an open file.
fn link_to(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}
