//! The file system that sessions of the tests work on.
#![expect(clippy::cast_possible_truncation, reason = "the kernel's own numbers of devices have 32 bits")]

use super::super::{Entry, Files};
use abi::FileKey;
use bstr::{BStr, BString, ByteSlice};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A directory that is the root of everything, as for a session in a `chroot`.
pub(super) struct Disk(pub(super) tempfile::TempDir);

pub(super) const HOME: &str = "/home/u";
pub(super) const WORKSPACE: &str = "/home/u/projects/app";

/// Files that are there, and their first line.
pub(super) const FILES: [(&str, &str); 14] = [
    ("/usr/bin/sh", "\x7fELF"),
    ("/usr/bin/env", "\x7fELF"),
    ("/home/u/bin/plain", "#!/usr/bin/sh"),
    ("/home/u/bin/outer", "#!/home/u/bin/middle -x"),
    ("/home/u/bin/middle", "#! /home/u/.local/bin/inner"),
    ("/home/u/.local/share/tool/versions/1.2/bin/inner", "#!/usr/bin/env sh"),
    ("/home/u/.local/share/tool/versions/1.2/bin/native", "\x7fELF"),
    ("/opt/tool/run", "#!/usr/bin/sh"),
    ("/srv/data/list", "text"),
    ("/home/u/.toolrc", "text"),
    ("/home/u/letter", "text"),
    ("/home/u/.cache/tool/index", "text"),
    ("/home/u/projects/app/script", "#!/usr/bin/sh"),
    ("/home/u/src/linked/cli", "#!/usr/bin/env sh"),
];

/// Links, and where they lead.
pub(super) const LINKS: [(&str, &str); 4] = [
    ("/home/u/.local/bin/inner", "../share/tool/versions/1.2/bin/inner"),
    ("/home/u/.local/bin/native", "../share/tool/versions/1.2/bin/native"),
    ("/home/u/.local/bin/plain", "../../bin/plain"),
    ("/home/u/projects/app/cli", "../../src/linked/cli"),
];

impl Disk {
    pub(super) fn new() -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        for directory in ["/dev", "/tmp", "/var/tmp", "/usr/local", WORKSPACE] {
            fs::create_dir_all(disk.real(directory)).unwrap();
        }
        fs::set_permissions(disk.real("/tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
        for (path, line) in FILES {
            disk.make_above(path.as_ref());
            fs::write(disk.real(path), format!("{line}\n")).unwrap();
        }
        for (path, target) in LINKS {
            disk.make_above(path.as_ref());
            symlink(target, disk.real(path)).unwrap();
        }
        disk
    }
    pub(super) fn make_above(&self, path: &Path) {
        fs::create_dir_all(self.real(path.parent().unwrap())).unwrap();
    }
    pub(super) fn real(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.0.path().join(path.strip_prefix("/").unwrap_or(path))
    }
    /// As the session names it.
    pub(super) fn named(&self, real: &Path) -> PathBuf {
        Path::new("/").join(real.strip_prefix(self.0.path().canonicalize().unwrap()).unwrap())
    }
    /// Descriptors of everything below a directory.
    pub(super) fn held(&self, directory: &Path) -> Vec<fs::File> {
        let mut held = Vec::new();
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                held.extend(self.held(&entry.path()));
            }
            if !kind.is_symlink() {
                held.push(fs::File::open(entry.path()).unwrap());
            }
        }
        held
    }
    pub(super) fn canonical(&self, path: &Path) -> Option<PathBuf> {
        Some(self.named(&self.real(path).canonicalize().ok()?))
    }
}

impl Files for Disk {
    fn look(&self, path: &BStr) -> Option<Entry> {
        let metadata = fs::symlink_metadata(self.real(path.to_path().unwrap())).ok()?;
        let key = FileKey { ino: metadata.ino(), dev: metadata.dev() as u32, generation: 0 };
        Some(Entry { key, mode: metadata.mode(), magic: 0xef53 })
    }
    fn names(&self, path: &BStr, limit: usize) -> Option<(Vec<BString>, bool)> {
        let entries = fs::read_dir(self.real(path.to_path().unwrap())).ok()?;
        let mut names: Vec<BString> =
            entries.map(|entry| entry.unwrap().file_name().as_bytes().into()).collect();
        names.sort();
        let cut = names.len() > limit;
        Some((names.into_iter().take(limit).collect(), cut))
    }
    fn target(&self, path: &BStr) -> Option<BString> {
        Some(self.canonical(path.to_path().unwrap())?.as_os_str().as_bytes().into())
    }
    fn head(&self, path: &BStr) -> Option<Vec<u8>> {
        fs::read(self.real(path.to_path().unwrap())).ok()
    }
    fn mounts(&self) -> Vec<BString> {
        vec!["/".into()]
    }
}
