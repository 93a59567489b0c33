//! Files that no path leads to but the descriptors of a process that has them (`/proc/PID/fd`): pipes, and files in memory.
//! Who opens one is handed what that process has: what it reads as commands, what it keeps.

use crate::dentry;
use crate::offsets;
use crate::read::{Address, each};
use crate::task::{self, Inside};

/// Processes above the current one that are looked at, itself included: they lend what they hand down.
const ANCESTORS: u32 = 4;
/// Descriptors of each that are looked at.
const DESCRIPTORS: u32 = 1024;

/// Whether an open file can only have been reached through the descriptors of a process outside the session. `raced`: another
/// thread may have opened the same meanwhile.
#[inline(always)]
pub fn is_outside(inside: &Inside, file: Address, dentry: Address, raced: bool) -> bool {
    const PIPEFS_MAGIC: u64 = 0x5049_5045;
    const TMPFS_MAGIC: u64 = 0x0102_1994;
    /// `SB_NOUSER`: nobody can mount it. include/linux/fs.h
    const NOUSER: u64 = 1 << 31;
    let Some(sb) = dentry.follow(offsets::dentry_sb()) else { return false };
    let Some(magic) = sb.get::<u64>(offsets::sb_magic()) else { return false };
    if magic != PIPEFS_MAGIC && magic != TMPFS_MAGIC {
        return false;
    }
    if sb.get::<u64>(offsets::sb_flags()).unwrap_or(0) & NOUSER == 0 {
        return false;
    }
    let Some(inode) = dentry::inode(dentry) else { return false };
    // A file in memory looks alike whether it was made or opened.
    let given = magic == PIPEFS_MAGIC && raced;
    has(file.0, inode.0, u64::from(given), u64::from(inside.slot)) == 0
}

/// Whether other threads, or a ring, use the current thread's descriptors.
#[inline(always)]
pub fn is_shared() -> bool {
    let count =
        task::task().follow(offsets::task_files()).and_then(|files| files.word(offsets::files_count()));
    count != Some(1)
}

/// A search for a descriptor of an inode: plain integers, see `decide::Walk`.
#[repr(C)]
struct Search {
    table: u64,
    len: u64,
    /// The file that was opened, which says nothing.
    opened: u64,
    inode: u64,
    /// Non-zero: only what was given to the process, and not opened by it.
    given: u64,
    found: u64,
}

/// One descriptor, a callback of `bpf_loop`. 1 ends it.
unsafe extern "C" fn next(at: u64, search: *mut Search) -> i64 {
    /// `O_LARGEFILE`: the file came of an open, not of pipe(2).
    const OPENED: u32 = 0o100_000;
    const O_PATH: u32 = 0o10_000_000;
    // SAFETY: `bpf_loop` hands on the pointer that `has` gave it.
    let search = unsafe { &mut *search };
    if at >= search.len {
        return 1;
    }
    let Some(entry) = Address(search.table).follow(at as usize * 8) else { return 0 };
    let file = Address(entry.0 & !3);
    if file.0 == search.opened {
        return 0;
    }
    let inode = file.follow(offsets::file_dentry()).and_then(|dentry| dentry.follow(offsets::dentry_inode()));
    if inode != Some(Address(search.inode)) {
        return 0;
    }
    let flags = file.word(offsets::file_flags()).unwrap_or(O_PATH);
    if flags & O_PATH != 0 || search.given != 0 && flags & OPENED != 0 {
        return 0;
    }
    search.found = 1;
    1
}

/// Whether the current process, or one above it in the session of an index, has another descriptor of an inode than the file
/// that was opened; 0: no. Global linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn has(opened: u64, inode: u64, given: u64, slot: u64) -> u64 {
    let mut search = Search { table: 0, len: 0, opened, inode, given, found: 0 };
    let mut task = task::task();
    let mut i = 0;
    while i < ANCESTORS {
        let Some(tgid) = task.word(offsets::task_tgid()) else { return 0 };
        if task::find(tgid, 0).map(|of| u64::from(of.slot)) != Some(slot) {
            return 0;
        }
        if let Some(table) =
            task.follow(offsets::task_files()).and_then(|files| files.follow(offsets::files_fdt()))
            && let Some(descriptors) = table.follow(offsets::fdt_fd())
        {
            search.table = descriptors.0;
            search.len = u64::from(table.word(offsets::fdt_max()).unwrap_or(0));
            each(DESCRIPTORS, next, &mut search);
        }
        if search.found != 0 {
            return 1;
        }
        // What they have opened meanwhile may be what was asked for.
        search.given = 1;
        let Some(parent) = task.follow(offsets::task_parent()) else { return 0 };
        task = parent;
        i += 1;
    }
    0
}
