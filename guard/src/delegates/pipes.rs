//! The processes that have a named pipe open: they read its data, perhaps as commands.

use rustix::fs::{FileType, major, minor, stat};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Descriptors of one process that are looked at.
const DESCRIPTORS: usize = 65_536;

/// The first of some processes that has a pipe open, by its device, as the kernel encodes it, and inode.
pub(super) fn holder(pipe: (u32, u64), processes: impl Iterator<Item = u32>) -> Option<u32> {
    let mut processes = processes;
    processes.find(|pid| {
        let directory = format!("/proc/{pid}/fd");
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        entries.take(DESCRIPTORS).any(|entry| {
            let path = entry.path();
            is_named(&path) && inode(*pid, &path) == Some(pipe.1) && is(pipe, &path)
        })
    })
}

/// Whether a descriptor was opened by a path.
fn is_named(descriptor: &Path) -> bool {
    fs::read_link(descriptor).is_ok_and(|link| link.as_os_str().as_bytes().starts_with(b"/"))
}

/// The inode behind a descriptor, as the kernel says it: a file system that is asked may keep who asks waiting.
fn inode(pid: u32, descriptor: &Path) -> Option<u64> {
    let number = descriptor.file_name()?.to_str()?;
    let information = fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).ok()?;
    information.lines().find_map(|line| line.strip_prefix("ino:"))?.trim().parse().ok()
}

fn is((dev, inode): (u32, u64), descriptor: &Path) -> bool {
    let Ok(found) = stat(descriptor) else { return false };
    FileType::from_raw_mode(found.st_mode) == FileType::Fifo
        && (major(found.st_dev) << 20 | minor(found.st_dev), found.st_ino) == (dev, inode)
}
