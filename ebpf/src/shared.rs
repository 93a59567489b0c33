//! Who else has what a process is ended for: another process may have the same table of descriptors, or a descriptor of the same
//! file, and would use it. The whole session ends then, and nobody in it comes out of another call.

use crate::call::SIGKILL;
use crate::hold;
use crate::offsets;
use crate::read::{Address, each};
use crate::task::{self, Inside};
use abi::HELD_SHARED;
use aya_ebpf::helpers::generated::bpf_send_signal;

/// Threads of a process, and descriptors, that are looked at: of more, others count as having them.
const LOOKED_AT: u32 = 4096;

/// Ends the current process for an open file that it has come by, or has connected.
#[inline(always)]
pub fn end(inside: &Inside, file: Address) {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_send_signal(SIGKILL) };
    // In this order: by then no other thread of its own begins to hand the file on.
    if others_have(file.0) != 0 {
        hold::hold(inside.slot, HELD_SHARED);
    }
}

/// A search through the threads of a process, or through its descriptors: plain integers, see `decide::Walk`.
#[repr(C)]
struct Search {
    /// The next thread's node, or the table of descriptors.
    at: u64,
    /// Where the threads end, or the length of the table.
    end: u64,
    /// The descriptors that they share, or the file.
    wanted: u64,
    found: u64,
}

/// One thread, a callback of `bpf_loop`. 1 ends it.
unsafe extern "C" fn next_thread(_: u64, search: *mut Search) -> i64 {
    // SAFETY: `bpf_loop` hands on the pointer that `others_have` gave it.
    let search = unsafe { &mut *search };
    if search.at == search.end {
        return 1;
    }
    let thread = Address(search.at.wrapping_sub(offsets::task_thread_node() as u64));
    if thread.follow(offsets::task_files()) == Some(Address(search.wanted)) {
        search.found += 1;
    }
    let Some(next) = Address(search.at).follow(0) else { return 1 };
    search.at = next.0;
    0
}

/// One descriptor, a callback of `bpf_loop`. 1 ends it.
unsafe extern "C" fn next_descriptor(at: u64, search: *mut Search) -> i64 {
    // SAFETY: as above.
    let search = unsafe { &mut *search };
    if at >= search.end {
        return 1;
    }
    if Address(search.at).follow(at as usize * 8).is_some_and(|entry| entry.0 & !3 == search.wanted) {
        search.found += 1;
    }
    0
}

/// Whether somebody else has the current process's descriptors, or one of an open file (0: of none); 0: nobody has. Global
/// linkage: see [`crate::dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn others_have(file: u64) -> u64 {
    u64::from(only_own(file).is_none())
}

#[inline(always)]
fn only_own(file: u64) -> Option<()> {
    let task = task::task();
    let files = task.follow(offsets::task_files())?;
    let users = files.word(offsets::files_count())?;
    if users != 1 {
        let head = task.follow(offsets::task_signal())?.0.wrapping_add(offsets::signal_threads() as u64);
        let first = Address(head).follow(0)?;
        let mut search = Search { at: first.0, end: head, wanted: files.0, found: 0 };
        each(LOOKED_AT, next_thread, &mut search);
        if search.found != u64::from(users) {
            return None;
        }
    }
    if file == 0 {
        return Some(());
    }
    let table = files.follow(offsets::files_fdt())?;
    let descriptors = table.follow(offsets::fdt_fd())?;
    let end = u64::from(table.word(offsets::fdt_max())?);
    let mut search = Search { at: descriptors.0, end, wanted: file, found: 0 };
    each(LOOKED_AT, next_descriptor, &mut search);
    (references(Address(file))? == search.found).then_some(())
}

/// References to an open file.
#[inline(always)]
fn references(file: Address) -> Option<u64> {
    if offsets::file_count() != u32::MAX as usize {
        return file.get(offsets::file_count());
    }
    // Since 6.13 it is one less: include/linux/file_ref.h.
    file.get::<u64>(offsets::file_ref()).map(|more| more.wrapping_add(1))
}
