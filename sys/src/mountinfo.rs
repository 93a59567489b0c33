//! The mounts of this process' namespace, proc_pid_mountinfo(5).

use crate::Error;
use bstr::ByteSlice;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The mounts of this process.
pub const MOUNTINFO: &str = "/proc/self/mountinfo";

/// One mount, as a line tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount<'a> {
    /// Its number, as statx(2) tells it.
    pub id: u64,
    /// Device of the superblock, `MAJOR:MINOR`.
    pub device: &'a [u8],
    /// Directory of the superblock that is mounted.
    pub root: Vec<u8>,
    /// Where.
    pub point: Vec<u8>,
    /// Kind of file system.
    pub kind: &'a [u8],
}

/// The mounts of a mountinfo, oldest first. A line that cannot be read is left out.
pub fn parse(text: &[u8]) -> impl DoubleEndedIterator<Item = Mount<'_>> {
    text.lines().filter_map(|line| {
        let (mount, superblock) = line.split_once_str(" - ")?;
        let mut fields = mount.split_str(" ");
        let id = fields.next()?.to_str().ok()?.parse().ok()?;
        let mut fields = fields.skip(1);
        let (device, root, point) = (fields.next()?, fields.next()?, fields.next()?);
        let kind = superblock.split_str(" ").next()?;
        Some(Mount { id, device, root: unescape(root), point: unescape(point), kind })
    })
}

impl Mount<'_> {
    /// The device as the kernel has it in its memory, `dev_t` of include/linux/kdev_t.h.
    pub fn number(&self) -> Option<u32> {
        let (major, minor) = self.device.to_str().ok()?.split_once(':')?;
        Some(major.parse::<u32>().ok()? << 20 | minor.parse::<u32>().ok()?)
    }

    /// Where in the superblock something lies that this mount shows.
    pub fn inside(&self, path: &[u8]) -> Option<Vec<u8>> {
        Some([without_slash(&self.root), below(path, &self.point)?].concat())
    }

    /// What of something in the superblock this mount shows, by its path here: the thing itself, or a part that alone is mounted.
    pub fn shows(&self, inside: &[u8]) -> Option<Vec<u8>> {
        let point = without_slash(&self.point);
        match below(inside, &self.root) {
            Some(rest) => Some([point, rest].concat()),
            None => below(&self.root, inside).map(|_| point.to_vec()),
        }
    }
}

/// What stands in a path behind another one: nothing, or a slash and more.
fn below<'p>(path: &'p [u8], above: &[u8]) -> Option<&'p [u8]> {
    let rest = without_slash(path).strip_prefix(without_slash(above))?;
    (rest.is_empty() || rest.starts_with(b"/")).then_some(rest)
}

fn without_slash(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path)
}

/// Where cgroup v2 is mounted as a whole: alone at `/sys/fs/cgroup`, or beside v1. Programs are attached there and sessions'
/// cgroups made below it; a part of the tree that is mounted elsewhere would leave the rest of it without programs.
///
/// # Errors
/// The mounts cannot be read, or there is no such mount.
pub fn cgroup_root() -> Result<PathBuf, Error> {
    let mounts =
        std::fs::read(MOUNTINFO).map_err(|source| Error::Unread { path: MOUNTINFO.into(), source })?;
    whole_cgroup(&mounts).ok_or(Error::NoCgroups)
}

/// The newest mount of the whole of cgroup v2.
fn whole_cgroup(mountinfo: &[u8]) -> Option<PathBuf> {
    let mount = parse(mountinfo).rfind(|mount| mount.kind == b"cgroup2" && mount.root == b"/")?;
    Some(PathBuf::from(OsString::from_vec(mount.point)))
}

/// Undoes the octal escapes of mountinfo.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = tail.split_at_checked(3).filter(|_| byte == b'\\').and_then(|(digits, behind)| {
            let value = digits
                .iter()
                .try_fold(0u32, |n, d| (b'0'..=b'7').contains(d).then(|| n * 8 + u32::from(d - b'0')))?;
            Some((u8::try_from(value).ok()?, behind))
        });
        match octal {
            Some((value, behind)) => {
                out.push(value);
                rest = behind;
            }
            None => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cgroups_are_found_beside_version_one_and_alone_and_never_in_part() {
        let hybrid = b"40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
            41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw shared:3 - cgroup2 cgroup2 rw\n";
        assert_eq!(whole_cgroup(hybrid), Some("/sys/fs/cgroup/uni fied".into()));
        let part = b"41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n\
            42 31 0:38 /docker/x /mnt ro - cgroup2 cgroup2 rw\n";
        assert_eq!(whole_cgroup(part), Some("/sys/fs/cgroup".into()));
        assert_eq!(whole_cgroup(b"42 31 0:38 /docker/x /mnt ro - cgroup2 cgroup2 rw\n"), None);
        assert_eq!(whole_cgroup(b"42 31 0:38 / /mnt ro - cgroup2fs x rw\n"), None);
        assert_eq!(whole_cgroup(b"nonsense"), None);
    }

    #[test]
    fn a_path_is_one_of_the_superblock_and_back() {
        let text =
            b"27 1 254:0 / / rw - ext4 /dev/vda rw\n28 27 254:0 /srv/data /mnt rw - ext4 /dev/vda rw\n\
            29 27 0:40 /@ /pool rw - btrfs /dev/vdb rw\n";
        let mounts: Vec<_> = parse(text).collect();
        let inside =
            |at: usize, path: &str| Some(String::from_utf8(mounts[at].inside(path.as_bytes())?).unwrap());
        assert_eq!(inside(0, "/a/b").as_deref(), Some("/a/b"));
        assert_eq!(inside(0, "/").as_deref(), Some(""));
        assert_eq!(inside(1, "/mnt/x").as_deref(), Some("/srv/data/x"));
        assert_eq!(inside(1, "/mnt").as_deref(), Some("/srv/data"));
        assert_eq!(inside(1, "/mnt2"), None);
        assert_eq!(inside(2, "/pool/x").as_deref(), Some("/@/x"));
        let shows =
            |at: usize, inside: &str| Some(String::from_utf8(mounts[at].shows(inside.as_bytes())?).unwrap());
        assert_eq!(shows(0, "/srv/data/x").as_deref(), Some("/srv/data/x"));
        assert_eq!(shows(1, "/srv/data/x").as_deref(), Some("/mnt/x"));
        assert_eq!(shows(1, "/srv").as_deref(), Some("/mnt"), "a part of it");
        assert_eq!(shows(1, "/srv/database"), None);
        assert_eq!(shows(0, "").as_deref(), Some(""));
        let numbers: Vec<_> = mounts.iter().map(|mount| (mount.id, mount.number())).collect();
        assert_eq!(numbers, [(27, Some(254 << 20)), (28, Some(254 << 20)), (29, Some(40))]);
    }

    #[test]
    fn escapes_are_undone_and_what_is_none_is_kept() {
        assert_eq!(unescape(b"a\\040b\\134\\999\\400\\1"), b"a b\\\\999\\400\\1");
    }
}
