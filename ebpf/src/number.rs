//! Whose a number is, in the pid namespace of who names it: that namespace's own table, which has threads as well as processes.

use crate::offsets;
use crate::read::Address;
use crate::task;

/// `sizeof(struct upid)`: a number and its namespace.
pub const UPID: usize = 16;
/// Nodes from the root of the table to a leaf, at most: each decides six bits, and a number has 22.
const DEPTH: usize = 4;
/// What marks a pointer in the table as one to a node, include/linux/xarray.h
const NODE: u64 = 2;
const MARK: u64 = 3;

/// The process that has a thread of that number, by its number in the first namespace. `None`: nobody has it.
#[inline(always)]
pub fn process(number: u32) -> Option<u32> {
    let tgid = process_of(u64::from(number));
    (tgid != 0).then_some(tgid as u32)
}

/// Global linkage: verified once. 0: nobody.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn process_of(number: u64) -> u64 {
    found(number as u32).map_or(0, u64::from)
}

#[inline(always)]
fn found(number: u32) -> Option<u32> {
    let own = task::task().follow(offsets::task_thread_pid())?;
    let place = offsets::pid_number() + (own.word(offsets::pid_level())? as usize & 31) * UPID;
    let mut entry = own.follow(place + UPID / 2)?.follow(offsets::ns_numbers())?;
    let mut depth = 0;
    while depth < DEPTH {
        if entry.0 & MARK != NODE {
            break;
        }
        let node = Address(entry.0 - NODE);
        let shift = u32::from(node.get::<u8>(offsets::node_shift())?) & 31;
        entry = node.follow(offsets::node_slots() + (number >> shift & 63) as usize * 8)?;
        depth += 1;
    }
    // The table may have been changed meanwhile, and has fewer nodes where its numbers are small.
    if entry.0 & MARK != 0 || entry.word(place)? != number {
        return None;
    }
    let first = entry.follow(offsets::pid_tasks())?;
    Address(first.0.wrapping_sub(offsets::task_pid_links() as u64)).word(offsets::task_tgid())
}
