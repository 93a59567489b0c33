//! Holding a session: what a lost record can ask of nobody, and what nothing could refuse, the kernel side stops by itself.
//!
//! A session that is held reads and waits, and changes, starts and sends nothing, until user space has stopped it and lifts
//! the hold. One that has changed what it must not stands still, each thread with the call that it is in.

use crate::atomic;
use crate::maps::HELD;
use crate::task::Inside;
use abi::{HELD_CHANGED, HELD_LOST, HELD_SHARED, SESSION_ENFORCE, Verdict, held_reason};

/// Holds a session from here on, for one reason more: `HELD_*`.
#[inline(always)]
pub fn hold(slot: u32, why: u64) {
    if let Some(held) = HELD.get_ptr_mut(slot) {
        atomic::fetch_or(held, why);
    }
}

/// For what a session is held: `HELD_*`.
#[inline(always)]
fn held(inside: &Inside) -> u64 {
    HELD.get(inside.slot).copied().unwrap_or(0)
}

/// Why a session is held, the strongest reason; 0: it is not.
#[inline(always)]
pub fn reason(inside: &Inside) -> u32 {
    held_reason(held(inside))
}

/// Whether what can no longer be refused is to be ended. Where the session stands still, it is over with the call.
#[inline(always)]
pub fn ends(inside: &Inside) -> bool {
    held(inside) & !HELD_CHANGED != 0 && inside.session().flags & SESSION_ENFORCE != 0
}

/// Whether everybody in the session is to stand still.
#[inline(always)]
pub fn stands(inside: &Inside) -> bool {
    held(inside) & HELD_CHANGED != 0
}

/// Whether nobody in the session is to come out of a call.
#[inline(always)]
pub fn is_over(inside: &Inside) -> bool {
    held(inside) & HELD_SHARED != 0
}

/// A record was not written. What was decided in it is known to nobody.
#[inline(always)]
pub fn lost(inside: &Inside, verdict: &Verdict) {
    if verdict.stage != 0 {
        hold(inside.slot, HELD_LOST);
    }
}
