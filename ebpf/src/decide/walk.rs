//! The walk from an object to the root of its superblock.

use super::label::{may_be_labelled, own};
use super::name::refuses_name;
use super::place::known;
use crate::dentry;
use crate::maps::{T0, T1};
use crate::read::{Address, each, some_zero, zeroed};
use abi::{LABEL_NAMES, LABEL_OF_ONE, LABEL_STATE, MAX_DEPTH, T1Key, access, place_above};
use core::mem::MaybeUninit;

/// A T0 label refuses.
pub(super) const BY_T0: u64 = 1 << 32;
/// The nearest label of the baseline refuses.
pub(super) const BY_T1: u64 = 1 << 33;
/// No label of the baseline was met.
pub(super) const UNLABELLED: u64 = 1 << 34;
/// The nearest label of the baseline lets it be changed, but for what is obeyed: [`refuses_obeyed`] is to be asked.
pub(super) const IN_STATE: u64 = 1 << 35;

/// What the walk looks for, and what it has found. Plain integers: the verifier forgets their values between the steps,
/// and so follows one step for all.
#[repr(C)]
struct Walk {
    dentry: u64,
    /// Where the walk came from: what lies in `dentry` on the way to the object; 0 at the object itself.
    below: u64,
    /// The place of `dentry`; 0 where it does not matter, or lies too deep.
    place: u64,
    /// The nearest labelled ancestor where names matter to what is made in it, and `below` there; 0: they do not.
    t1_dir: u64,
    t1_below: u64,
    /// The session's index in the upper half, its policy in the lower.
    asking: u64,
    access: u32,
    /// Reason of the label that refuses: T0's with [`T0_FOUND`], the nearest one's of T1 otherwise; 0: none.
    reason: u32,
    /// `LABEL_*` bits of all T0 labels that were met, and [`T1_FOUND`].
    flags: u32,
    /// `access` but for what no T0 label refuses of the object.
    t0_access: u32,
}

impl Walk {
    /// A T0 label refuses, whatever T1 says.
    #[inline(always)]
    fn refuse(&mut self, reason: u32) {
        self.reason = reason;
        self.flags |= T0_FOUND;
    }
}

/// `Walk::flags`: the nearest labelled ancestor is known, or no baseline is armed.
const T1_FOUND: u32 = 1 << 31;
/// `Walk::flags`: `Walk::reason` is that of a T0 label.
const T0_FOUND: u32 = 1 << 29;
/// `Walk::flags`: it is in the agent's own state, and something is to be changed.
const T1_STATE: u32 = 1 << 30;

/// One step, a callback of `bpf_loop`. 1 ends it. Two steps in one call would cost less than a call and a return, and the verifier
/// four times as much: it follows each way through the second one after each way through the first, in every program.
unsafe extern "C" fn step(_: u64, walk: *mut Walk) -> i64 {
    // SAFETY: `bpf_loop` hands on the pointer that `walk` gave it.
    let walk = unsafe { &mut *walk };
    // One key for all look-ups: the stack is small.
    let mut place = MaybeUninit::<T1Key>::uninit();
    let key = zeroed(&mut place);
    key.policy = walk.asking as u32;
    let dentry = Address(walk.dentry);
    // A directory of that name which was made since has no label. Looked for only where something is to be changed:
    // there is one for everything that is opened, and nothing in it yet to be read.
    if walk.below != 0 && walk.access & access::MODIFY != 0 {
        let slot = (walk.asking >> 32) as u32;
        let reason = known(walk.dentry, u64::from(walk.access), walk.place, slot) as u32;
        if reason != 0 {
            walk.refuse(reason);
            return 1;
        }
    }
    if let Some(file) = dentry::inode(dentry).filter(|inode| may_be_labelled(*inode)).and_then(dentry::key) {
        key.file = file;
        // SAFETY: read only.
        if let Some(label) = unsafe { T0.get(&key.file) } {
            if label.deny & walk.t0_access != 0 {
                walk.refuse(label.reason);
                return 1;
            }
            walk.flags |= label.flags & !LABEL_OF_ONE;
            if label.flags & LABEL_OF_ONE != 0 {
                key.policy = (walk.asking >> 32) as u32;
                let own = own(key);
                key.policy = walk.asking as u32;
                if let Some(own) = own {
                    if own.deny & walk.t0_access != 0 {
                        walk.refuse(own.reason);
                        return 1;
                    }
                    walk.flags |= own.flags;
                }
            }
        }
        if walk.flags & T1_FOUND == 0 {
            // SAFETY: read only.
            if let Some(label) = unsafe { T1.get(&*key) } {
                walk.flags |= T1_FOUND;
                if label.deny & walk.access != 0 {
                    walk.reason = label.reason;
                } else if label.flags & LABEL_STATE != 0 && walk.access & access::MODIFY != 0 {
                    walk.flags |= T1_STATE;
                } else if label.flags & LABEL_NAMES != 0
                    && walk.access & (access::CREATE | access::MOVED) == access::CREATE
                {
                    // A name that something is moved to is learned by nobody, and so not asked for.
                    (walk.t1_dir, walk.t1_below) = (walk.dentry, walk.below);
                }
            }
        }
    }
    let Some(parent) = dentry::parent(dentry) else { return 1 };
    if walk.place != 0 {
        walk.place = place_above(walk.place, dentry::component(dentry.0));
    }
    (walk.dentry, walk.below) = (parent.0, dentry.0);
    i64::from(parent == dentry)
}

/// Walks from an object to the root. The answer: a reason in the lower half, above it [`BY_T0`], [`BY_T1`] or
/// [`UNLABELLED`] or [`IN_STATE`], and the `LABEL_*` bits that were met. `asking` has the session's index in its upper half
/// and its policy in the lower. Global linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn walk(object: u64, access: u64, t0_access: u64, asking: u64, armed: u64) -> u64 {
    let mut place = MaybeUninit::<Walk>::uninit();
    let walk = zeroed(&mut place);
    walk.dentry = object;
    (walk.access, walk.t0_access) = (access as u32, t0_access as u32);
    walk.asking = asking;
    walk.below = some_zero(object);
    if armed == 0 {
        walk.flags = T1_FOUND;
    }
    if walk.access & access::MODIFY != 0 {
        walk.place = dentry::place(object);
    }
    each(MAX_DEPTH, step, walk);
    if walk.flags & T0_FOUND != 0 {
        return u64::from(walk.reason) | BY_T0;
    }
    // `LABEL_*` bits, loans among them, and none of the walk's own.
    let flags = u64::from(walk.flags & 0x00ff_ffff) << 40;
    if walk.t1_dir != 0 {
        walk.reason = refuses_name(walk.t1_dir, walk.t1_below, asking & 0xffff_ffff) as u32;
    }
    if walk.reason != 0 {
        return u64::from(walk.reason) | BY_T1 | flags;
    }
    if walk.flags & T1_STATE != 0 {
        return IN_STATE | flags;
    }
    if walk.flags & T1_FOUND == 0 { UNLABELLED | flags } else { flags }
}
