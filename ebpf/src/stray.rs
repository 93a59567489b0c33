//! Strays: children that no entry could be made for, since the map is full. None of them runs an instruction.
//!
//! A new process goes to its program by the end of the call that made it, which is a system call's end for it, too.

use crate::atomic;
use crate::call::SIGKILL;
use crate::maps::STRAYS;
use abi::Bit;
use aya_ebpf::helpers::generated::bpf_send_signal;

/// A process that has not run yet is to end before it does.
#[inline(always)]
pub fn mark(tgid: u32) {
    let bit = Bit::of_process(tgid);
    if let Some(word) = STRAYS.get_ptr_mut(bit.word) {
        atomic::fetch_or(word, bit.mask);
    }
}

/// Ends the current process if it is one.
#[inline(always)]
pub fn end(tgid: u32) {
    let bit = Bit::of_process(tgid);
    if STRAYS.get(bit.word).is_some_and(|word| word & bit.mask != 0) {
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_send_signal(SIGKILL) };
    }
}

/// It is gone: its number may be given to anybody.
#[inline(always)]
pub fn forget(tgid: u32) {
    let bit = Bit::of_process(tgid);
    if let Some(word) = STRAYS.get_ptr_mut(bit.word) {
        // SAFETY: arrays are never freed while the program runs.
        if unsafe { word.read_volatile() } & bit.mask != 0 {
            atomic::fetch_and(word, !bit.mask);
        }
    }
}
