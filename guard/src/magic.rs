//! File systems by their magic number: on which of them a label can be trusted.

/// A file system, as `doctor` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// Its name.
    pub name: &'static str,
    /// The deny-list's key (device, inode, generation) stays with a file for as long as it exists.
    pub enforceable: bool,
    /// Its files come and go with processes and devices: nothing on it is labelled one by one.
    pub ephemeral: bool,
}

const fn kept(name: &'static str) -> FileSystem {
    FileSystem { name, enforceable: true, ephemeral: false }
}
const fn ephemeral(name: &'static str) -> FileSystem {
    FileSystem { name, enforceable: false, ephemeral: true }
}
const fn foreign(name: &'static str) -> FileSystem {
    FileSystem { name, enforceable: false, ephemeral: false }
}

/// The magic numbers of `linux/magic.h` that sessions meet.
const KNOWN: &[(u64, FileSystem)] = &[
    (0xef53, kept("ext4")),
    (0x5846_5342, kept("xfs")),
    (0x9123_683e, kept("btrfs")),
    (0x0102_1994, kept("tmpfs")),
    (0x794c_7630, kept("overlayfs")),
    (0xf2f5_2010, kept("f2fs")),
    (0x7371_7368, kept("squashfs")),
    (0xe0f5_e1e2, kept("erofs")),
    (0x8584_58f6, kept("ramfs")),
    (0x2fc1_2fc1, foreign("zfs")),
    (0xca45_1a4e, foreign("bcachefs")),
    (0x6969, foreign("nfs")),
    (0xff53_4d42, foreign("cifs")),
    (0xfe53_4d42, foreign("smb2")),
    (0x0102_1997, foreign("9p")),
    (0x6573_5546, foreign("fuse")),
    (0x4d44, foreign("vfat")),
    (0x2011_bab0, foreign("exfat")),
    (0x7366_746e, foreign("ntfs")),
    (0x9660, foreign("iso9660")),
    (0x9fa0, ephemeral("proc")),
    (0x6265_6572, ephemeral("sysfs")),
    (0x1cd1, ephemeral("devpts")),
    (0x0027_e0eb, ephemeral("cgroup")),
    (0x6367_7270, ephemeral("cgroup2")),
    (0x6462_6720, ephemeral("debugfs")),
    (0x7472_6163, ephemeral("tracefs")),
    (0x7363_6673, ephemeral("securityfs")),
    (0xcafe_4a11, ephemeral("bpf")),
    (0x1980_0202, ephemeral("mqueue")),
    (0x9584_58f6, ephemeral("hugetlbfs")),
    (0x5049_5045, ephemeral("pipefs")),
    (0x534f_434b, ephemeral("sockfs")),
    (0x0904_1934, ephemeral("anon_inodefs")),
    (0x6e73_6673, ephemeral("nsfs")),
    (0x4249_4e4d, ephemeral("binfmt_misc")),
    (0x6265_6570, ephemeral("configfs")),
    (0x6165_676c, ephemeral("pstore")),
    (0xde5e_81e4, ephemeral("efivarfs")),
    (0x0187, ephemeral("autofs")),
];

/// The file system of a magic number; one that is not known is not enforceable.
pub fn file_system(magic: u64) -> FileSystem {
    KNOWN.iter().find(|(number, _)| *number == magic).map_or(foreign("unknown"), |(_, found)| *found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_tried_is_not_called_enforceable() {
        assert!(file_system(0xef53).enforceable);
        assert!(!file_system(0x6969).enforceable);
        assert!(file_system(0x9fa0).ephemeral);
        assert_eq!(file_system(1), foreign("unknown"));
    }
}
