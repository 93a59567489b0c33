//! The mounts of superblocks: from the device in a record to a path.

use std::collections::HashMap;
use std::io;
use sys::mountinfo::{self, MOUNTINFO};

/// One mount of a superblock.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    /// Directory of the superblock that is mounted, without a trailing slash: empty for its root.
    root: Vec<u8>,
    /// Where, without a trailing slash: empty for `/`.
    point: Vec<u8>,
}

/// The mounts of this mount namespace, by device.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mounts(HashMap<u32, Vec<Mount>>);

impl Mounts {
    /// Reads the mounts of this process.
    ///
    /// # Errors
    /// They cannot be read.
    pub(crate) fn read() -> io::Result<Self> {
        std::fs::read(MOUNTINFO).map(|text| Self::parse(&text))
    }

    fn parse(text: &[u8]) -> Self {
        let mut mounts: HashMap<u32, Vec<Mount>> = HashMap::new();
        for mount in mountinfo::parse(text) {
            let Some(device) = mount.number() else { continue };
            let mount = Mount { root: without_slash(mount.root), point: without_slash(mount.point) };
            mounts.entry(device).or_default().push(mount);
        }
        Self(mounts)
    }

    /// The path of what lies at `inside` (`/a/b`, or empty for the root) of a superblock: by the mount that shows the
    /// most of it, the oldest of several. `None` where no mount shows it.
    pub(crate) fn path(&self, device: u32, inside: &[u8]) -> Option<Vec<u8>> {
        let mounts = self.0.get(&device)?;
        let mut best: Option<(&Mount, &[u8])> = None;
        for mount in mounts {
            let Some(rest) = inside.strip_prefix(mount.root.as_slice()) else { continue };
            if rest.first().is_some_and(|first| *first != b'/') {
                continue;
            }
            if best.is_none_or(|(chosen, _)| mount.root.len() < chosen.root.len()) {
                best = Some((mount, rest));
            }
        }
        let (mount, rest) = best?;
        let path = [mount.point.as_slice(), rest].concat();
        Some(if path.is_empty() { b"/".to_vec() } else { path })
    }
}

fn without_slash(mut path: Vec<u8>) -> Vec<u8> {
    if path.last() == Some(&b'/') {
        path.pop();
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &[u8] = b"27 1 254:0 / / rw - ext4 /dev/vda rw\n\
        28 27 254:0 /srv/data /mnt/bind\\040here rw - ext4 /dev/vda rw\n\
        29 27 0:40 /@ /pool rw - btrfs /dev/vdb rw\n\
        nonsense\n";

    #[test]
    fn a_file_has_the_path_of_the_mount_that_shows_the_most() {
        let mounts = Mounts::parse(INFO);
        assert_eq!(mounts.path(254 << 20, b"/srv/data/x").unwrap(), b"/srv/data/x");
        assert_eq!(mounts.path(254 << 20, b"").unwrap(), b"/");
        assert_eq!(mounts.path(40, b"/@/x").unwrap(), b"/pool/x");
        assert_eq!(mounts.path(40, b"/@other/x"), None);
        assert_eq!(mounts.path(99, b"/x"), None);
    }
}
