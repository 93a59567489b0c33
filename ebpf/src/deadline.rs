//! The dead man's switch: user space pushes a deadline on with each pass over the rings, and past it no enforced session acts. Nor
//! does one that has changed what nothing could refuse, until user space lifts that.
//!
//! Who acts past it stands still (`SIGSTOP`) until user space is back and lets it go on; what a hook can put off is begun once
//! more then, so that a guard that was late makes little fail: what a handler of SIGCONT interrupts does, and a request through
//! io_uring. Without hooks, the call in which it is noticed has happened.

use crate::atomic;
use crate::hold;
use crate::maps::DEADLINE;
use crate::task::Inside;
use abi::{DEADLINE_ASKED, DEADLINE_NS, DEADLINE_STOPS, SESSION_ENFORCE};
use aya_ebpf::helpers::generated::{bpf_ktime_get_ns, bpf_send_signal};

/// `ERESTARTSYS`, include/linux/errno.h: the call is made once more when a signal has been dealt with.
pub const PUT_OFF: i32 = -512;
const SIGCONT: u32 = 18;
const SIGSTOP: u32 = 19;

/// Makes the current process stand still where the deadline of its session has passed, or its session does; whether it does.
#[inline(always)]
pub fn stops(inside: &Inside) -> bool {
    if hold::stands(inside) {
        stand(inside);
        return true;
    }
    let passed = passed(inside);
    if passed != 0 {
        stop(inside, passed);
    }
    passed != 0
}

/// Puts a call off where its process is to stand still, in a program that can send no signal; whether it does. The end of the call
/// must see [`ends`].
#[inline(always)]
pub fn puts_off(inside: &Inside) -> bool {
    let stops = hold::stands(inside) || passed(inside) != 0;
    if stops {
        // SAFETY: points into the map's entry of this process.
        unsafe { (*inside.member).put_off = 1 };
    }
    stops
}

/// Has a process of an enforced session wait until user space has looked who has begun to listen; whether it does. The call that asks
/// is put off, see [`puts_off`], or was made already: then the process is to [`stand_still`].
#[inline(always)]
pub fn awaits_look(inside: &Inside) -> bool {
    if inside.session().flags & SESSION_ENFORCE == 0 {
        return false;
    }
    let Some(asked) = DEADLINE.get_ptr_mut(DEADLINE_ASKED) else { return false };
    let look = atomic::fetch_add(asked, 1).wrapping_add(1);
    // SAFETY: points into the map's entry of this process.
    unsafe {
        (*inside.member).look = look as u32;
        (*inside.member).put_off = 1;
    }
    true
}

/// Makes the current process stand still until user space lets it go on.
#[inline(always)]
pub fn stand_still(inside: &Inside) {
    // SAFETY: the helper has no preconditions.
    stop(inside, unsafe { bpf_ktime_get_ns() });
}

/// [`stops`] at the end of a call, with what it returned: one that was put off waits for a signal, even where the deadline was
/// pushed on meanwhile.
#[inline(always)]
pub fn ends(inside: &Inside, ret: i64) {
    if stops(inside) {
        return;
    }
    if ret == i64::from(PUT_OFF) && inside.member().put_off != 0 {
        stand_still(inside);
    }
}

/// The time, where the deadline has passed; 0: it has not.
#[inline(always)]
fn passed(inside: &Inside) -> u64 {
    if inside.session().flags & SESSION_ENFORCE == 0 {
        return 0;
    }
    let Some(deadline) = DEADLINE.get_ptr(DEADLINE_NS) else { return 0 };
    // SAFETY: arrays are never freed while the program runs; user space writes the word whole.
    let deadline = unsafe { deadline.read_volatile() };
    if deadline == 0 {
        return 0;
    }
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    if now > deadline { now } else { 0 }
}

/// Makes the current process stand still with its session. Where that was lifted meanwhile, whoever lifted it may not have seen
/// when, so that the process goes on by itself.
#[inline(always)]
fn stand(inside: &Inside) {
    // SAFETY: points into the map's entry of this process. The helper has no preconditions.
    unsafe {
        (*inside.member).put_off = 0;
        (&raw mut (*inside.member).stands).write_volatile(bpf_ktime_get_ns() as u32 | 1);
        bpf_send_signal(SIGSTOP);
    }
    if !hold::stands(inside) {
        // SAFETY: as above.
        unsafe { bpf_send_signal(SIGCONT) };
    }
}

#[inline(always)]
fn stop(inside: &Inside, now: u64) {
    // SAFETY: points into the map's entry of this process. The helper has no preconditions.
    unsafe {
        (*inside.member).put_off = 0;
        bpf_send_signal(SIGSTOP);
        (*inside.member).stopped = now as u32 | 1;
    }
    // In this order: who reads the count sends each that says it was stopped what lets it go on.
    if let Some(count) = DEADLINE.get_ptr_mut(DEADLINE_STOPS) {
        atomic::fetch_add(count, 1);
    }
}
