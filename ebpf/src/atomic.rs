//! Atomic changes of map values: `core::sync::atomic` has none for this target, though BPF does (since Linux 5.12).

use core::intrinsics::{AtomicOrdering, atomic_and, atomic_or, atomic_xadd};

/// Adds, and returns what was there before. A compiler cannot fold this into a plain increment.
#[inline(always)]
pub fn fetch_add(place: *mut u64, value: u64) -> u64 {
    // SAFETY: callers pass a pointer into a map, aligned to 8 bytes and valid while the program runs.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::SeqCst }>(place, value) }
}

/// Sets bits, and returns what was there before.
#[inline(always)]
pub fn fetch_or(place: *mut u64, bits: u64) -> u64 {
    // SAFETY: as in `fetch_add`.
    unsafe { atomic_or::<u64, u64, { AtomicOrdering::SeqCst }>(place, bits) }
}

/// Clears all other bits, and returns what was there before.
#[inline(always)]
pub fn fetch_and(place: *mut u64, bits: u64) -> u64 {
    // SAFETY: as in `fetch_add`.
    unsafe { atomic_and::<u64, u64, { AtomicOrdering::SeqCst }>(place, bits) }
}
