//! The originals at a session's start: jewels, and the directories above them, each held by a descriptor. An object that a
//! session moved or replaced is restored, by identity, while it stands still.

use super::aside;
use crate::links::Links;
use crate::walk::{self, Found, Node};
use crate::{DenyList, Error};
use abi::FileKey;
use bstr::{BString, ByteSlice};
use policy::{Refusal, Site, What};
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, RenameFlags, Timespec, Timestamps, Uid, XattrFlags};
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
/// Of what lies in directories that no session may read, as keys do, so much is held.
const INSIDE: usize = 64;
const INSIDE_EACH: usize = 16;
/// Larger files are not copied.
const MAX_BYTES: u64 = 1 << 20;

/// One file or directory, and the directory in which it lay.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    directory: OwnedFd,
    name: BString,
    /// What lay there when the session began. Who asks for it does not wait for what is being put back.
    file: FileKey,
    held: Mutex<Held>,
}

/// What belongs at a place.
#[derive(Debug)]
struct Held {
    node: OwnedFd,
    file: FileKey,
    /// Its permissions when it began to be held.
    mode: u32,
    /// Its owner and group then.
    owner: (u32, u32),
}

/// Holds what lies in a home where this is refused, the home included, and what was found there by its name: what lies above
/// first. The home is given as it is said, and as the kernel names it.
pub(crate) fn keep(
    list: &dyn DenyList,
    home: (&Path, &Path),
    refusals: &[Refusal<'_>],
    found: &[PathBuf],
    links: Links,
) -> Vec<Kept> {
    let (named, home) = home;
    let jewels = refusals.iter().filter_map(|refusal| match refusal.row.site {
        Site::Home(path) => Some(home.join(path)),
        Site::NameIn(directory, name) => Some(home.join(directory).join(name)),
        _ => None,
    });
    let found = found.iter().take(FOUND).filter_map(|path| Some(home.join(path.strip_prefix(named).ok()?)));
    // Most are not there, nor what they would lie in, and asking the kernel side of each costs more.
    let (mut there, mut missing) = (HashSet::new(), HashSet::new());
    for jewel in jewels.chain(found).filter(|jewel| jewel.starts_with(home)) {
        let mut ways: Vec<&Path> = jewel.ancestors().take_while(|path| path.starts_with(home)).collect();
        ways.reverse();
        for path in ways {
            if missing.contains(path) {
                break;
            }
            if there.contains(path) {
                continue;
            }
            if !matches!(links.itself(path), Ok(Some(_))) {
                missing.insert(path.to_owned());
                break;
            }
            there.insert(path.to_owned());
        }
    }
    let secret = refusals.iter().filter(|refusal| refusal.what.intersects(What::READ));
    let secret = secret.filter_map(|refusal| match (refusal.row.site, links) {
        // A link may lead anywhere.
        (Site::Home(path), Links::All) => {
            std::fs::canonicalize(home.join(path)).ok().filter(|path| path.starts_with(home))
        }
        (Site::Home(path), Links::NotOf(_)) => Some(home.join(path)),
        _ => None,
    });
    let inside = secret.flat_map(|directory| {
        let entries = links.entries(&directory, INSIDE_EACH).into_iter();
        entries.map(move |(name, _)| directory.join(OsStr::from_bytes(&name)))
    });
    there.extend(inside.take(INSIDE));
    let mut there: Vec<PathBuf> = there.into_iter().collect();
    there.sort_by_cached_key(|path| (path.components().count(), path.clone()));
    let Found::Node(itself) = links.open(list, home) else { return Vec::new() };
    let owner = itself.identity.uid;
    // Where the home lies is somebody else's. Nothing else of theirs is touched, whatever a link in the home leads to.
    let is_of_home = |kept: &Kept| kept.owner() == owner && (kept.path == home || kept.is_in_one_of(owner));
    there.into_iter().filter_map(|path| Kept::take(list, links, path)).filter(is_of_home).collect()
}

impl Kept {
    fn take(list: &dyn DenyList, links: Links, path: PathBuf) -> Option<Self> {
        let Found::Node(directory) = links.open(list, path.parent()?) else { return None };
        let name = BString::from(path.file_name()?.as_bytes());
        let Found::Node(node) = walk::open_below(list, directory.fd.as_fd(), name.as_bstr()) else {
            return None;
        };
        let is_kept = node.is_dir() || walk::is(node.identity.mode, libc::S_IFREG);
        let (file, held) = (node.identity.file, Held::new(node)?);
        is_kept.then_some(Self { path, directory: directory.fd, name, file, held: Mutex::new(held) })
    }

    /// Where it lay.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn owner(&self) -> u32 {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).owner.0
    }

    fn is_in_one_of(&self, owner: u32) -> bool {
        rustix::fs::fstat(&self.directory).is_ok_and(|directory| directory.st_uid == owner)
    }

    /// Whether this file lay there.
    pub(crate) fn is(&self, file: FileKey) -> bool {
        self.file == file
    }

    /// Puts it back where it lay, as it was; what was done, in words. `None`: it lies there, and is, or something does that the
    /// session has not put there (`is_taken`). What took its place is put aside first, so
    /// that nothing gets a name that somebody else chose for it.
    pub fn put_back(&self, list: &dyn DenyList, is_taken: bool) -> Option<Result<String, Error>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (directory, name) = (self.directory.as_fd(), self.name.as_bstr());
        let aside = match walk::open_below(list, directory, name) {
            Found::Node(node) if node.identity.file == held.file => return self.permit(&held),
            Found::Node(_) if !is_taken => return None,
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

    /// Gives it the owner and the permissions that it had.
    fn permit(&self, held: &Held) -> Option<Result<String, Error>> {
        let now = match rustix::fs::fstat(&held.node) {
            Ok(now) => now,
            Err(e) => return Some(Err(self.wrong(e))),
        };
        if (now.st_mode, (now.st_uid, now.st_gid)) == (held.mode, held.owner) {
            return None;
        }
        let told =
            || format!("`{}` has the permissions that it had when the session began", self.path.display());
        Some(held.permit().map(|()| told()).map_err(|e| self.wrong(e)))
    }

    fn move_back(&self, list: &dyn DenyList, held: &Held, there: &Elsewhere) -> Result<String, Error> {
        let (from, to) = (there.directory.fd.as_fd(), self.directory.as_fd());
        let (name, own, how) = (there.name.as_bytes(), self.name.as_bytes(), RenameFlags::NOREPLACE);
        rustix::fs::renameat_with(from, name, to, own, how).map_err(|e| self.wrong(e))?;
        match walk::open_below(list, to, self.name.as_bstr()) {
            Found::Node(node) if node.identity.file == held.file => {
                held.permit().map_err(|e| self.wrong(e))?;
                Ok(format!("`{}` was moved back from `{}`", self.path.display(), there.path.display()))
            }
            _ => {
                aside::give_back((to, own, &self.path), (from, name, &there.path))?;
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
            std::os::unix::fs::fchown(&made, Some(held.owner.0), Some(held.owner.1))
                .map_err(|e| Error::file(&self.path, "given to its owner", e))?;
            rustix::fs::fchmod(&made, Mode::from_raw_mode(held.mode)).map_err(wrong)?;
            let Found::Node(node) = walk::open_below(list, directory, self.name.as_bstr()) else {
                return Err(wrong(Errno::AGAIN));
            };
            *held = Held { file: node.identity.file, node: node.fd, ..*held };
            return Ok(format!("`{}` is an empty directory again, as it was", self.path.display()));
        }
        let copy = held.copy(&self.directory).map_err(|e| Error::file(&self.path, "copied", e))?;
        rustix::fs::linkat(CWD, link_to(&copy), directory, own, AtFlags::SYMLINK_FOLLOW).map_err(wrong)?;
        let file = list.identify(copy.as_fd())?.file;
        *held = Held { node: copy, file, ..*held };
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
    fn new(node: Node) -> Option<Self> {
        let now = rustix::fs::fstat(&node.fd).ok()?;
        let (mode, owner) = (node.identity.mode, (now.st_uid, now.st_gid));
        Some(Self { file: node.identity.file, mode, owner, node: node.fd })
    }

    /// The owner and the permissions that it had: the owner first, since giving a file away takes permissions from it. It may
    /// also have lain in another one's place, and have been put aside there, so that nobody may open it.
    fn permit(&self) -> Result<(), Errno> {
        let (uid, gid) = (Uid::from_raw(self.owner.0), Gid::from_raw(self.owner.1));
        rustix::fs::chownat(CWD, link_to(&self.node), Some(uid), Some(gid), AtFlags::empty())?;
        rustix::fs::chmodat(CWD, link_to(&self.node), Mode::from_raw_mode(self.mode), AtFlags::empty())
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
        std::os::unix::fs::fchown(&new, Some(self.owner.0), Some(self.owner.1))?;
        let mut names = vec![0; 64 << 10];
        let len = rustix::fs::flistxattr(&old, &mut names)?;
        for name in
            names.get(..len).unwrap_or_default().split(|byte| *byte == 0).filter(|name| !name.is_empty())
        {
            let mut value = vec![0; 64 << 10];
            let len = rustix::fs::fgetxattr(&old, name, &mut value)?;
            rustix::fs::fsetxattr(&new, name, value.get(..len).unwrap_or_default(), XattrFlags::empty())?;
        }
        rustix::fs::fchmod(&new, Mode::from_raw_mode(self.mode))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denylist::fake::Fake;
    use policy::Rules;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_a_link_in_the_home_leads_to_is_not_held() {
        let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(other.path().join("shadow"), "").unwrap();
        symlink(other.path(), home.path().join(".aws")).unwrap();
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        std::fs::write(home.path().join(".ssh/id"), "").unwrap();
        let rules = Rules::default();
        let refusals: Vec<_> = rules.refusals().collect();
        let named = home.path();
        let home = std::fs::canonicalize(named).unwrap();
        let kept = keep(&Fake::default(), (named, &home), &refusals, &[], Links::All);
        let below: Vec<&Path> = kept.iter().filter_map(|kept| kept.path().strip_prefix(&home).ok()).collect();
        assert_eq!(below, ["", ".ssh", ".ssh/id"].map(Path::new));
    }
}
