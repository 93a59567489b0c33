//! The file system as the compiler sees it: by canonical paths, through no link.

use crate::walk::{self, Found};
use crate::{DenyList, magic};
use abi::FileKey;
use bstr::{BStr, BString, ByteSlice};
use rustix::fs::{Mode, OFlags};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;
use sys::mountinfo::{self, MOUNTINFO, Mount};

/// Bytes of a file that the kernel looks at to start it: `BINPRM_BUF_SIZE`.
const HEAD_BYTES: u64 = 256;

/// A file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the kernel knows it by.
    pub key: FileKey,
    /// `st_mode`
    pub mode: u32,
    /// Magic number of its file system.
    pub magic: u64,
}

impl Entry {
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        walk::is(self.mode, libc::S_IFDIR)
    }

    /// Whether it is a socket.
    pub fn is_socket(&self) -> bool {
        walk::is(self.mode, libc::S_IFSOCK)
    }

    /// Whether it is a directory in which every user may make files, and only their owner may remove them.
    pub fn is_shared(&self) -> bool {
        const SHARED: u32 = libc::S_ISVTX | libc::S_IWOTH;
        self.is_dir() && self.mode & SHARED == SHARED
    }
}

/// What the compiler asks of a file system.
pub trait Files {
    /// The file at a canonical path; `None` where there is none, or it cannot be looked at.
    fn look(&self, path: &BStr) -> Option<Entry>;
    /// The names in a directory, at most `limit`, and whether there were more; `None` where it cannot be read.
    fn names(&self, path: &BStr, limit: usize) -> Option<(Vec<BString>, bool)>;
    /// The canonical path of the file that a path leads to through links; `None` where it leads nowhere.
    fn target(&self, path: &BStr) -> Option<BString>;
    /// The first bytes of a regular file at a canonical path, as many as the kernel looks at to start it; `None` where it
    /// cannot be read without asking somebody who may not answer.
    fn head(&self, path: &BStr) -> Option<Vec<u8>>;
    /// Where file systems are mounted with their root, or with the part that is nearest to it.
    fn mounts(&self) -> Vec<BString>;
}

/// The real one.
pub struct Real {
    list: Arc<dyn DenyList>,
}

impl Real {
    /// Identities are asked of `list`.
    pub fn new(list: Arc<dyn DenyList>) -> Self {
        Self { list }
    }

    /// The file at a canonical path, if the kernel remembers it: no file system is asked, which may never answer.
    pub fn remembered(&self, path: &BStr) -> Option<Entry> {
        entry(walk::open_remembered(&*self.list, path))
    }
}

fn entry(found: Found) -> Option<Entry> {
    match found {
        Found::Node(node) => {
            let identity = node.identity;
            Some(Entry { key: identity.file, mode: identity.mode, magic: identity.magic })
        }
        Found::Missing | Found::Unreadable(_) => None,
    }
}

impl Files for Real {
    fn look(&self, path: &BStr) -> Option<Entry> {
        entry(walk::open_canonical(&*self.list, path))
    }

    fn names(&self, path: &BStr, limit: usize) -> Option<(Vec<BString>, bool)> {
        match walk::open_canonical(&*self.list, path) {
            Found::Node(node) => walk::names(node.fd.as_fd(), limit).ok(),
            Found::Missing | Found::Unreadable(_) => None,
        }
    }

    fn target(&self, path: &BStr) -> Option<BString> {
        let target = std::fs::canonicalize(path.to_path().ok()?).ok()?;
        Some(target.into_os_string().into_vec().into())
    }

    fn head(&self, path: &BStr) -> Option<Vec<u8>> {
        let Found::Node(node) = walk::open_canonical(&*self.list, path) else { return None };
        let kept = magic::file_system(node.identity.magic).enforceable;
        if !kept || !walk::is(node.identity.mode, libc::S_IFREG) {
            return None;
        }
        let own = format!("/proc/self/fd/{}", node.fd.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = std::fs::File::from(rustix::fs::open(own, flags, Mode::empty()).ok()?);
        let mut head = Vec::new();
        file.take(HEAD_BYTES).read_to_end(&mut head).ok()?;
        Some(head)
    }

    fn mounts(&self) -> Vec<BString> {
        roots(&std::fs::read(MOUNTINFO).unwrap_or_default())
    }
}

/// The mount points of a mountinfo: of each device those whose root lies highest. A part of a file system that is
/// mounted a second time has its labels from the first.
fn roots(mountinfo: &[u8]) -> Vec<BString> {
    let mounts: Vec<Mount<'_>> = mountinfo::parse(mountinfo).collect();
    let below = |path: &[u8], above: &[u8]| {
        path.strip_prefix(above)
            .is_some_and(|rest| above == b"/" && !rest.is_empty() || rest.starts_with(b"/"))
    };
    let highest = |mount: &&Mount<'_>| {
        !mounts.iter().any(|other| other.device == mount.device && below(&mount.root, &other.root))
    };
    let points = mounts.iter().filter(highest).map(|mount| mount.point.as_slice());
    let mut points: Vec<BString> = points.map(BString::from).collect();
    points.sort_unstable();
    points.dedup();
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_mounted_twice_is_no_root() {
        let info = b"27 1 254:0 / / rw - ext4 /dev/vda rw\n28 27 254:0 /home/u /mnt/u rw - ext4 /dev/vda rw\n\
            29 27 0:30 /@home /home rw - btrfs /dev/vdb rw\n30 27 0:30 /@log /var/log rw - btrfs /dev/vdb rw\n\
            31 27 0:31 / /dev/my\\040shm rw - tmpfs tmpfs rw\n";
        assert_eq!(roots(info), ["/", "/dev/my shm", "/home", "/var/log"]);
    }
}
