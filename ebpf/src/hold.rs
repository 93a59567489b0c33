//! Holding a session: what a lost record can ask of nobody, the kernel side does by itself.
//!
//! A session that is held reads and waits, and changes, starts and sends nothing, until user space has stopped it and lifts
//! the hold.

use crate::maps::HELD;
use crate::task::Inside;
use abi::{REASON_LOST, REASON_SHARED, SESSION_ENFORCE, Verdict};

/// Holds a session from here on.
#[inline(always)]
pub fn hold(slot: u32, reason: u32) {
    if let Some(held) = HELD.get_ptr_mut(slot) {
        // SAFETY: arrays are never freed while the program runs; a word is written whole.
        unsafe { held.write_volatile(u64::from(reason)) };
    }
}

/// Why a session is held; 0: it is not.
#[inline(always)]
pub fn reason(inside: &Inside) -> u32 {
    HELD.get(inside.slot).map_or(0, |reason| *reason as u32)
}

/// Whether what can no longer be refused is to be ended.
#[inline(always)]
pub fn ends(inside: &Inside) -> bool {
    reason(inside) != 0 && inside.session().flags & SESSION_ENFORCE != 0
}

/// Whether nobody in the session is to come out of a call.
#[inline(always)]
pub fn is_over(inside: &Inside) -> bool {
    reason(inside) == REASON_SHARED
}

/// A record was not written. What was decided in it is known to nobody.
#[inline(always)]
pub fn lost(inside: &Inside, verdict: &Verdict) {
    if verdict.stage != 0 {
        hold(inside.slot, REASON_LOST);
    }
}
