//! Looking at the real file system without believing its links: every file is opened by descriptor, and its identity is
//! what the kernel says of that descriptor.

use crate::{DenyList, Error};
use abi::Identity;
use bstr::{BStr, BString, ByteSlice};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// An open file (a path descriptor: opening it had no effect and asked nobody) and its identity.
#[derive(Debug)]
pub struct Node {
    /// The descriptor.
    pub fd: OwnedFd,
    /// What the kernel knows it by.
    pub identity: Identity,
}

/// What stands at the end of a path.
#[derive(Debug)]
pub enum Found {
    /// A file.
    Node(Node),
    /// Nothing.
    Missing,
    /// Something that cannot be looked at.
    Unreadable(Error),
}

impl Node {
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        is(self.identity.mode, libc::S_IFDIR)
    }

    /// Whether it is a device, as `/dev/null` is.
    pub fn is_device(&self) -> bool {
        is(self.identity.mode, libc::S_IFCHR) || is(self.identity.mode, libc::S_IFBLK)
    }

    /// Whether it is a symbolic link.
    pub fn is_link(&self) -> bool {
        is(self.identity.mode, libc::S_IFLNK)
    }

    /// Whether it is a socket.
    pub fn is_socket(&self) -> bool {
        is(self.identity.mode, libc::S_IFSOCK)
    }
}

/// Whether a mode is of one of the `S_IF*` kinds.
pub(crate) fn is(mode: u32, kind: u32) -> bool {
    mode & libc::S_IFMT == kind
}

/// The file at the end of `path`, through symbolic links.
pub fn open(list: &dyn DenyList, path: &Path) -> Found {
    found(list, path, rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()))
}

/// The file at the end of `path`; a symbolic link there is itself what is found.
pub fn open_itself(list: &dyn DenyList, path: &Path) -> Found {
    found(
        list,
        path,
        rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()),
    )
}

/// The file at the end of `names` below a directory, through links that stay below it.
pub fn open_within(list: &dyn DenyList, top: &Path, names: &Path) -> Found {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let opened = rustix::fs::open(top, flags | OFlags::DIRECTORY, Mode::empty())
        .and_then(|top| rustix::fs::openat2(top, names, flags, Mode::empty(), ResolveFlags::BENEATH));
    match opened {
        // A link leads elsewhere, or in a circle.
        Err(Errno::XDEV | Errno::LOOP) => Found::Missing,
        opened => found(list, &top.join(names), opened),
    }
}

/// The file at `names` below an open directory, through no link at all.
pub fn open_below(list: &dyn DenyList, dir: BorrowedFd<'_>, names: &BStr) -> Found {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    let mut opened = rustix::fs::openat2(dir, names.as_bytes(), flags, Mode::empty(), resolve);
    if opened.as_ref().is_err_and(|e| *e == Errno::LOOP) {
        // NO_SYMLINKS refuses a link at the end too: the link itself is found by its name in its own directory.
        opened = match names.rsplit_once_str("/") {
            None => rustix::fs::openat(dir, names.as_bytes(), flags, Mode::empty()),
            Some((parent, leaf)) => {
                rustix::fs::openat2(dir, parent, flags | OFlags::DIRECTORY, Mode::empty(), resolve)
                    .and_then(|parent| rustix::fs::openat(parent, leaf, flags, Mode::empty()))
            }
        };
    }
    found(list, Path::new(std::ffi::OsStr::from_bytes(names)), opened)
}

/// What was opened, or why it was not.
pub(crate) fn found(list: &dyn DenyList, path: &Path, opened: Result<OwnedFd, Errno>) -> Found {
    match opened {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => Found::Missing,
        Err(e) => Found::Unreadable(Error::file(path, "opened", e)),
        Ok(fd) => match list.identify(fd.as_fd()) {
            Ok(identity) => Found::Node(Node { fd, identity }),
            Err(e) => Found::Unreadable(e),
        },
    }
}

/// What a walk visits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// Everything.
    All,
    /// Directories only: other files are not even opened.
    Directories,
}

/// The names in an open directory, in the order of their bytes; at most `limit`, and whether there were more.
pub fn names(dir: BorrowedFd<'_>, limit: usize) -> Result<(Vec<BString>, bool), Error> {
    let (names, cut) = names_of(dir, limit, Visit::All)?;
    Ok((names.into_iter().map(|(name, _)| name).collect(), cut))
}

/// With what has them, as the file system says: it may not say.
pub(crate) type Names = (Vec<(BString, FileType)>, bool);

/// The same, with what has them.
pub(crate) fn names_of(dir: BorrowedFd<'_>, limit: usize, visit: Visit) -> Result<Names, Error> {
    let wrong = |e: Errno| Error::io("a directory could not be read", e);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(dir, c".", flags, Mode::empty()).map_err(wrong)?;
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::new(fd).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let name = entry.file_name().to_bytes();
        let skipped = match entry.file_type() {
            FileType::Directory | FileType::Unknown => false,
            _ => visit == Visit::Directories,
        };
        if skipped || name == b"." || name == b".." {
            continue;
        }
        if names.len() == limit {
            return Ok((names, true));
        }
        names.push((BString::from(name), entry.file_type()));
    }
    names.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Ok((names, false))
}

/// What a walk saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Files and directories that were visited.
    pub visited: usize,
    /// Directories and files that could not be looked at.
    pub unreadable: usize,
    /// There was more than the limit.
    pub cut: bool,
}

/// Visits everything below an open directory, nearest first, following no link; `visit` says whether to go into a
/// directory. Bounded by `limit` files.
pub fn below(
    list: &dyn DenyList,
    dir: BorrowedFd<'_>,
    what: Visit,
    limit: usize,
    visit: &mut dyn FnMut(&BStr, &Node) -> Result<bool, Error>,
) -> Result<Walked, Error> {
    let mut walked = Walked::default();
    let mut queue = VecDeque::from([BString::default()]);
    while let Some(parent) = queue.pop_front() {
        let opened;
        let current = if parent.is_empty() {
            dir
        } else {
            match open_below(list, dir, parent.as_bstr()) {
                Found::Node(node) => {
                    opened = node;
                    opened.fd.as_fd()
                }
                Found::Missing => continue,
                Found::Unreadable(_) => {
                    walked.unreadable += 1;
                    continue;
                }
            }
        };
        let Ok((names, cut)) = names_of(current, limit - walked.visited, what) else {
            walked.unreadable += 1;
            continue;
        };
        walked.cut |= cut;
        for (name, _) in names {
            let node = match open_below(list, current, name.as_bstr()) {
                Found::Node(node) => node,
                Found::Missing => continue,
                Found::Unreadable(_) => {
                    walked.unreadable += 1;
                    continue;
                }
            };
            walked.visited += 1;
            let path = join(&parent, &name);
            if visit(path.as_bstr(), &node)? && node.is_dir() {
                queue.push_back(path);
            }
        }
        if walked.visited >= limit && !queue.is_empty() {
            walked.cut = true;
            break;
        }
    }
    Ok(walked)
}

fn join(parent: &[u8], name: &[u8]) -> BString {
    let mut path = BString::from(parent);
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// The file at the end of an absolute path as the kernel names it: through no link, from the root.
pub fn open_canonical(list: &dyn DenyList, path: &[u8]) -> Found {
    let root = match rustix::fs::openat(
        CWD,
        c"/",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    ) {
        Ok(root) => root,
        Err(e) => return Found::Unreadable(Error::file("/", "opened", e)),
    };
    let rest = path.trim_start_with(|c| c == '/');
    if rest.is_empty() {
        found(list, Path::new("/"), Ok(root))
    } else {
        open_below(list, root.as_fd(), rest.as_bstr())
    }
}

/// How often a path is looked for in the kernel's memory: a rename anywhere makes one look fail.
const LOOKS: usize = 8;

/// The file at the end of an absolute path as the kernel names it, if every part of the path is in the kernel's memory, as
/// what has just been made is: nothing is asked of a file system. See openat2(2), `RESOLVE_CACHED`.
pub fn open_remembered(list: &dyn DenyList, path: &[u8]) -> Found {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::CACHED;
    let mut opened = Err(Errno::AGAIN);
    for _ in 0..LOOKS {
        opened = rustix::fs::openat2(CWD, path, flags, Mode::empty(), resolve);
        if !matches!(opened, Err(Errno::AGAIN)) {
            break;
        }
    }
    found(list, Path::new(std::ffi::OsStr::from_bytes(path)), opened)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denylist::fake::Fake;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_was_just_made_is_remembered_and_what_is_not_there_is_not() {
        let tmp = tempfile::tempdir().unwrap();
        let made = tmp.path().canonicalize().unwrap().join("made");
        std::fs::create_dir(&made).unwrap();
        symlink(&made, made.with_file_name("link")).unwrap();
        let list = Fake::default();
        let found = |path: &Path| open_remembered(&list, path.as_os_str().as_bytes());
        assert!(matches!(found(&made), Found::Node(node) if node.is_dir()));
        assert!(!matches!(found(&made.join("absent")), Found::Node(_)));
        assert!(!matches!(found(&made.with_file_name("link").join("x")), Found::Node(_)));
    }

    #[test]
    fn a_walk_follows_no_link_and_keeps_its_bound() {
        let tmp = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tmp.path().join("a/b")).unwrap();
        std::fs::write(tmp.path().join("a/b/file"), "").unwrap();
        symlink("/etc", tmp.path().join("a/etc")).unwrap();
        let list = Fake::default();
        let Found::Node(root) = open(&list, tmp.path()) else { panic!("no root") };
        let mut seen = Vec::new();
        let walked = below(&list, root.fd.as_fd(), Visit::All, 100, &mut |path, node| {
            seen.push((path.to_string(), node.is_link()));
            Ok(true)
        })
        .unwrap();
        let expected = [("a", false), ("a/b", false), ("a/etc", true), ("a/b/file", false)];
        assert_eq!(seen, expected.map(|(path, link)| (path.to_owned(), link)));
        assert_eq!(walked, Walked { visited: 4, unreadable: 0, cut: false });
        let walked = below(&list, root.fd.as_fd(), Visit::All, 2, &mut |_, _| Ok(true)).unwrap();
        assert!(walked.cut && walked.visited == 2);
        let walked = below(&list, root.fd.as_fd(), Visit::Directories, 9, &mut |_, _| Ok(true)).unwrap();
        assert!(!walked.cut && walked.visited == 2);
        assert!(matches!(open_canonical(&list, b"/nowhere/x"), Found::Missing));
    }
}
