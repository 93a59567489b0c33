//! Holding a session: what a lost record can ask of nobody, and what nothing could refuse, the kernel side stops by itself.
//!
//! A session that is held reads and waits, and changes, starts and sends nothing, until user space has stopped it and lifts
//! the hold. One that has changed what it must not stands still, each process with the call that it is in.

use crate::atomic;
use crate::maps::HELD;
use crate::task::Inside;
use abi::{
    HELD_CHANGED, HELD_LOST, HELD_SHARED, SESSION_ENFORCE, SESSION_STANDS, Verdict, held_reason, is_changed,
};

/// Holds a session from here on, for one reason more: `HELD_*`.
#[inline(always)]
pub fn hold(slot: u32, why: u64) {
    if let Some(held) = HELD.get_ptr_mut(slot) {
        atomic::fetch_or(held, why);
    }
}

/// Has a session that somebody watches over stand still from here on; whether it does.
#[inline(always)]
pub fn changed(inside: &Inside) -> bool {
    const BOTH: u32 = SESSION_ENFORCE | SESSION_STANDS;
    if inside.session().flags & BOTH != BOTH {
        return false;
    }
    if let Some(held) = HELD.get_ptr_mut(inside.slot) {
        atomic::fetch_add(held, HELD_CHANGED);
    }
    true
}

/// For what a session is held.
#[inline(always)]
fn held(inside: &Inside) -> u64 {
    // SAFETY: arrays are never freed while the program runs; others write the word whole.
    HELD.get_ptr(inside.slot).map_or(0, |held| unsafe { held.read_volatile() })
}

/// Why a session may change, start and send nothing, the strongest reason; 0: it may. Of one that stands still nothing is refused,
/// since it goes on as if nothing had been, if it does.
#[inline(always)]
pub fn reason(inside: &Inside) -> u32 {
    held_reason(held(inside) & (HELD_CHANGED - 1))
}

/// Whether what can no longer be refused is to be ended. Where the session stands still, it ends with the call.
#[inline(always)]
pub fn ends(inside: &Inside) -> bool {
    held(inside) & (HELD_CHANGED - 1) != 0 && inside.session().flags & SESSION_ENFORCE != 0
}

/// Whether everybody in the session is to stand still.
#[inline(always)]
pub fn stands(inside: &Inside) -> bool {
    is_changed(held(inside))
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
