//! Paths that are opened while somebody is inside: a link that a session may have made is not followed, whoever asks. Where it
//! leads is the session's choice, and root would go there.

use crate::walk::{self, Found, Visit};
use crate::{DenyList, Error};
use bstr::{BString, ByteSlice};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2, readlinkat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Links that are followed in one path: as many as the kernel follows.
const MOST: usize = 40;
/// Who makes links that are believed.
const ROOT: u32 = 0;

/// The symbolic links that a path may lead through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// All: nobody is inside yet, and people keep their files where they like.
    All,
    /// Those that no session of this user can have made.
    NotOf(u32),
}

impl Links {
    /// The file at the end of `path`.
    pub fn open(self, list: &dyn DenyList, path: &Path) -> Found {
        match self {
            Links::All => walk::open(list, path),
            Links::NotOf(uid) => trusted(list, path, opened(path, uid, OFlags::empty())),
        }
    }

    /// The file at the end of `path`; a symbolic link there is itself what is found.
    pub fn open_itself(self, list: &dyn DenyList, path: &Path) -> Found {
        match self {
            Links::All => walk::open_itself(list, path),
            Links::NotOf(uid) => trusted(list, path, opened(path, uid, OFlags::NOFOLLOW)),
        }
    }

    /// A path descriptor of what lies at `path`, a symbolic link included; `None`: nothing does.
    pub fn itself(self, path: &Path) -> Result<Option<OwnedFd>, Error> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = match self {
            Links::All => {
                openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS).map_err(Stop::Errno)
            }
            Links::NotOf(uid) => opened(path, uid, OFlags::NOFOLLOW),
        };
        match opened {
            Ok(fd) => Ok(Some(fd)),
            Err(Stop::Errno(Errno::NOENT | Errno::NOTDIR)) => Ok(None),
            Err(Stop::Errno(e)) => Err(Error::file(path, "opened", e)),
            Err(Stop::Link(link)) => Err(Error::Linked(link)),
        }
    }

    /// Device and inode of what lies at the end of `path`.
    pub fn identity(self, path: &Path) -> Option<(u64, u64)> {
        let stat = fstat(self.descriptor(path)?).ok()?;
        Some((stat.st_dev, stat.st_ino))
    }

    /// The names in a directory and what has them, in the order of their bytes; at most `limit`, and none where it cannot be
    /// read.
    pub fn entries(self, directory: &Path, limit: usize) -> Vec<(BString, FileType)> {
        let Some(directory) = self.descriptor(directory) else { return Vec::new() };
        let Ok((names, _)) = walk::names_of(directory.as_fd(), limit, Visit::All) else { return Vec::new() };
        let kind = |name: &BString| {
            let stat = rustix::fs::statat(&directory, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW);
            stat.map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
        };
        let known = |(name, of)| {
            let kind = if of == FileType::Unknown { kind(&name) } else { of };
            (name, kind)
        };
        names.into_iter().map(known).collect()
    }

    fn descriptor(self, path: &Path) -> Option<OwnedFd> {
        match self {
            Links::All => rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok(),
            Links::NotOf(uid) => opened(path, uid, OFlags::empty()).ok(),
        }
    }

    /// The file at the end of `names` below a directory, through no link that leaves it.
    pub fn open_within(self, list: &dyn DenyList, top: &Path, names: &Path) -> Found {
        match self {
            Links::All => walk::open_within(list, top, names),
            Links::NotOf(_) => self.open(list, &top.join(names)),
        }
    }
}

fn trusted(list: &dyn DenyList, path: &Path, opened: Result<OwnedFd, Stop>) -> Found {
    match opened {
        Err(Stop::Link(link)) => Found::Unreadable(Error::Linked(link)),
        Err(Stop::Errno(e)) => walk::found(list, path, Err(e)),
        Ok(fd) => walk::found(list, path, Ok(fd)),
    }
}

/// Why a path was not opened.
#[derive(Debug)]
enum Stop {
    /// This link may be a session's.
    Link(PathBuf),
    /// The kernel says why.
    Errno(Errno),
}

impl From<Errno> for Stop {
    fn from(e: Errno) -> Self {
        Stop::Errno(e)
    }
}

/// A path descriptor of what lies at the end of `path`, through no link that a session of `uid` can have made. `last`: with
/// `NOFOLLOW`, a link at the end is itself what is opened.
fn opened(path: &Path, uid: u32, last: OFlags) -> Result<OwnedFd, Stop> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    match openat2(CWD, path, flags | last, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        // There is one somewhere.
        Err(Errno::LOOP) => {}
        opened => return Ok(opened?),
    }
    let root = || openat(CWD, c"/", flags | OFlags::DIRECTORY, Mode::empty());
    let (mut here, mut at) = (root()?, PathBuf::from("/"));
    let mut left = names(path);
    let mut followed = 0;
    while let Some(name) = left.pop() {
        let next = openat(&here, &*name, flags | OFlags::NOFOLLOW, Mode::empty())?;
        at.push(&name);
        if FileType::from_raw_mode(fstat(&next)?.st_mode) != FileType::Symlink {
            here = next;
            continue;
        }
        if left.is_empty() && last.contains(OFlags::NOFOLLOW) {
            return Ok(next);
        }
        if !is_roots(here.as_fd(), next.as_fd(), uid)? {
            return Err(Stop::Link(at));
        }
        followed += 1;
        if followed > MOST {
            return Err(Errno::LOOP.into());
        }
        let target = readlinkat(&next, c"", Vec::new())?;
        let target = Path::new(OsStr::from_bytes(target.as_bytes()));
        at.pop();
        if target.is_absolute() {
            (here, at) = (root()?, PathBuf::from("/"));
        }
        left.extend(names(target));
    }
    Ok(here)
}

/// The names in a path, last one first.
fn names(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    let mut names: Vec<OsString> = names.collect();
    names.reverse();
    names
}

/// Whether root alone can have made a link in a directory: a session of root's is root.
fn is_roots(directory: BorrowedFd<'_>, link: BorrowedFd<'_>, uid: u32) -> Result<bool, Errno> {
    let (directory, link) = (fstat(directory)?, fstat(link)?);
    let is_closed = directory.st_uid == ROOT && directory.st_mode & 0o022 == 0;
    Ok(uid != ROOT && is_closed && link.st_uid == ROOT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    fn ino_at(path: &Path, uid: u32, last: OFlags) -> Result<u64, Option<PathBuf>> {
        match opened(path, uid, last) {
            Ok(fd) => Ok(fs::metadata(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd)))
                .map_or(0, |meta| meta.ino())),
            Err(Stop::Link(link)) => Err(Some(link)),
            Err(Stop::Errno(_)) => Err(None),
        }
    }

    #[test]
    fn a_link_that_a_session_may_have_made_is_not_followed_and_named() {
        let tmp = tempfile::tempdir().unwrap();
        let base = tmp.path().canonicalize().unwrap();
        fs::create_dir_all(base.join("there/deep")).unwrap();
        fs::create_dir(base.join("dir")).unwrap();
        symlink("../there", base.join("dir/link")).unwrap();
        symlink("nowhere", base.join("dir/none")).unwrap();
        let ino = |path: &str| fs::metadata(base.join(path)).unwrap().ino();
        let own = rustix::process::geteuid().as_raw();
        let of = |path: &str, last| ino_at(&base.join(path), own, last);
        let (follow, not) = (OFlags::empty(), OFlags::NOFOLLOW);
        assert_eq!(of("there/deep", follow), Ok(ino("there/deep")));
        assert_eq!(of("there/absent", follow), Err(None));
        let link = Err(Some(base.join("dir/link")));
        for path in ["dir/link", "dir/link/deep", "dir/link/../x"] {
            assert_eq!(of(path, follow), link, "{path}");
        }
        assert_eq!(of("dir/link/deep", not), link);
        assert!(opened(&base.join("dir/link"), own, not).is_ok(), "itself");
        assert_eq!(of("dir/none", follow), Err(Some(base.join("dir/none"))));
    }

    #[test]
    fn one_that_root_alone_can_have_made_leads_where_it_leads() {
        let tmp = tempfile::tempdir().unwrap();
        let base = tmp.path().canonicalize().unwrap();
        fs::create_dir_all(base.join("there/deep")).unwrap();
        fs::create_dir(base.join("dir")).unwrap();
        symlink("../there", base.join("dir/link")).unwrap();
        symlink(base.join("dir/link/deep"), base.join("dir/far")).unwrap();
        symlink("turns", base.join("dir/turns")).unwrap();
        // Those of somebody else are not.
        let deep = match rustix::process::geteuid().is_root() {
            true => Ok(fs::metadata(base.join("there/deep")).unwrap().ino()),
            false => Err(()),
        };
        let of = |path: &str, uid| ino_at(&base.join(path), uid, OFlags::empty());
        for path in ["dir/link/deep", "dir/far", "dir/../dir/link/../there/deep"] {
            assert_eq!(of(path, 1000).map_err(drop), deep, "{path}");
            assert!(matches!(of(path, 0), Err(Some(_))), "{path}: a session of root's may have made it");
        }
        assert!(of("dir/turns", 1000).is_err());
        fs::set_permissions(base.join("dir"), fs::Permissions::from_mode(0o775)).unwrap();
        assert_eq!(of("dir/link/deep", 1000), Err(Some(base.join("dir/link"))), "others write there");
    }
}
