//! Why the kernel side holds a session: a word of the map `HELD`. One reason does not write over another.

use crate::{REASON_CHANGED, REASON_LOST, REASON_SHARED, REASON_TYPED};

/// A record was lost.
pub const HELD_LOST: u64 = 1 << 0;
/// It has typed into its terminal.
pub const HELD_TYPED: u64 = 1 << 1;
/// What one of its processes was ended for, another one has as well. The session is over.
pub const HELD_SHARED: u64 = 1 << 2;
/// Each change that nothing could refuse adds this, until it is let pass: the session stands still.
pub const HELD_CHANGED: u64 = 1 << 32;

/// Whether it stands still for a change.
#[inline(always)]
pub const fn is_changed(held: u64) -> bool {
    held >= HELD_CHANGED
}

/// The number of the strongest reason; 0: it is not held.
#[inline(always)]
pub const fn held_reason(held: u64) -> u32 {
    if held & HELD_SHARED != 0 {
        REASON_SHARED
    } else if held & HELD_TYPED != 0 {
        REASON_TYPED
    } else if held & HELD_LOST != 0 {
        REASON_LOST
    } else if is_changed(held) {
        REASON_CHANGED
    } else {
        0
    }
}
