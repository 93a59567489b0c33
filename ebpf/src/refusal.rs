//! What was refused here, so that the end of a call or a request, which fails then, is not told once more.

use crate::maps::REFUSED;

/// `EPERM`
pub const EPERM: i64 = 1;

/// A call or a request is refused here, which will fail with `EPERM`.
#[inline(always)]
pub fn note(key: u64) {
    match REFUSED.get_ptr_mut(key) {
        // SAFETY: who works at it waits for the answer, or gives it itself: nobody else writes its entry.
        Some(count) => unsafe { *count += 1 },
        None => drop(REFUSED.insert(key, 1, 0)),
    }
}

/// Whether what has failed with `EPERM` was refused here, and told.
#[inline(always)]
pub fn take(key: u64) -> bool {
    let Some(count) = REFUSED.get_ptr_mut(key) else { return false };
    // SAFETY: as above.
    let left = unsafe {
        *count = (*count).wrapping_sub(1);
        *count
    };
    if left == 0 {
        let _ = REFUSED.remove(key);
    }
    true
}
