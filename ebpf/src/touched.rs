//! The inodes that a call or a request on paths has changed: what they are called, and what is decided of their names.

use crate::call::thread;
use crate::decide::ABOVE_HERE;
use crate::maps::{BEGUN, Begun, INODES, REWRITES};
use crate::read::{Address, opaque};
use crate::ring::{Buffer, Urgency};
use crate::task::Inside;
use crate::{decide, dentry, offsets, task};
use abi::{Plan, REASON_ABOVE, RewriteKey, STAGE_NONE, Touched, access, kind, op};
use core::mem::{offset_of, size_of};

/// Names of one inode that are told: hard links that are in use at the same time.
const NAMES: u32 = 4;

/// Every change but that of what an object holds.
pub const NAMES_AND_MODES: u32 = access::MODIFY & !access::WRITE;

/// What a call or request on paths may change. One that makes a directory changes nothing else.
#[inline(always)]
pub fn changes(plan: &Plan) -> u32 {
    if plan.op == op::MKDIR {
        return access::CREATE | access::DIR;
    }
    NAMES_AND_MODES | plan.access & access::WRITE
}

/// Tells the names that the inodes of a call have when it ends. The answer: see [`judged`].
#[inline(always)]
pub fn tell_after(inside: &Inside, plan: &Plan, begun: &Begun) -> u64 {
    // It is one that gives something another place.
    let moves = plan.op == op::RENAME || plan.op == op::SYMLINK;
    let access = u64::from(changes(plan));
    let mut found = begun.forbidden;
    let mut i = 0;
    while i < INODES as u32 {
        let at = i as usize & (INODES - 1);
        if begun.inodes[at] != 0 {
            tell_names(begun.inodes[at], begun.call, 1);
            if found & CERTAIN == 0 {
                let now = judged(begun.inodes[at], u64::from(inside.slot), access);
                found = if now != 0 { now } else { found };
            }
            let lay = begun.above >> (at * 2) & 3;
            if found & CERTAIN == 0
                && moves
                && frees(lay, inode_above(begun.inodes[at], u64::from(inside.slot)))
            {
                found = u64::from(REASON_ABOVE) | CERTAIN;
            }
        }
        // Opaque, so that a test comes last: Linux 6.1 refuses a loop that goes back by anything but a jump.
        i = opaque(i + 1);
    }
    found
}

/// Whether an inode has left a place above those of jewels, or taken one, by where it lay and where it lies. What is changed
/// since something in it is lies where it lay.
#[inline(always)]
fn frees(lay: u64, lies: u64) -> bool {
    lay != lies && (lay == ABOVE_HERE || lies != 0)
}

/// [`decide::above`] of an inode, by its first name. Directories and links have one alone. Global linkage: see
/// [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn inode_above(inode: u64, slot: u64) -> u64 {
    first_name(Address(inode)).map_or(0, |dentry| decide::above(dentry.0, slot))
}

/// The dentry of an inode, where it has a name.
#[inline(always)]
fn first_name(inode: Address) -> Option<Address> {
    let alias = inode.follow(offsets::inode_aliases())?;
    let dentry = Address(alias.0.wrapping_sub(offsets::dentry_alias() as u64));
    let is_name = dentry::inode(dentry) == Some(inode) && dentry.follow(offsets::dentry_hashed()).is_some();
    is_name.then_some(dentry)
}

/// What is decided of names that a call has made, by its `access`: the stage in the upper half and the reason in the lower;
/// 0: nothing. A name that is new has its directory's label, so that both are asked; and what lies below an overlay has names
/// of its own, so that all must agree.
#[inline(always)]
pub fn decided(begun: &Begun, access: u32) -> u64 {
    let mut found = 0;
    let mut i = 0;
    while i < INODES {
        if begun.inodes[i] != 0 {
            let answer = of_inode(begun.inodes[i], u64::from(access));
            if answer == ALLOWED {
                return 0;
            }
            if answer != 0 {
                found = answer;
            }
        }
        i += 1;
    }
    found
}

/// [`of_inode`]: nothing is refused.
const ALLOWED: u64 = u64::MAX;

/// What is decided of an inode by its first name, as [`decided`] answers; [`ALLOWED`], or 0 where it has no name. Global
/// linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn of_inode(inode: u64, access: u64) -> u64 {
    let Some(inside) = task::current() else { return 0 };
    let Some(dentry) = first_name(Address(inode)) else { return 0 };
    let decision = decide::object(&inside, dentry, access as u32);
    if decision.stage == STAGE_NONE {
        return ALLOWED;
    }
    u64::from(decision.stage) << 32 | u64::from(decision.reason)
}

/// Finds out, when the call has ended, why the current thread must not have bound a unix socket where it has; whether anything
/// speaks against it. What does is told with the socket: see [`why_not_bound`].
#[inline(always)]
pub fn judge_bound(inside: &Inside) -> bool {
    let key = thread(inside);
    let Some(begun) = BEGUN.get_ptr_mut(key) else { return false };
    // SAFETY: only this thread writes its entry.
    let begun = unsafe { &mut *begun };
    let mut i = 0;
    while i < INODES {
        if begun.forbidden == 0 && begun.inodes[i] != 0 {
            begun.forbidden = forbidden(begun.inodes[i], u64::from(inside.slot), u64::from(NAMES_AND_MODES));
        }
        i += 1;
    }
    let is_forbidden = begun.forbidden != 0;
    if !is_forbidden {
        let _ = BEGUN.remove(key);
    }
    is_forbidden
}

/// Why the current thread must not have bound a unix socket where it has; 0: nothing speaks against it. Asked once.
#[inline(always)]
pub fn why_not_bound(inside: &Inside) -> u32 {
    let key = thread(inside);
    let Some(begun) = BEGUN.get_ptr(key) else { return 0 };
    // SAFETY: only this thread writes its entry.
    let reason = unsafe { (*begun).forbidden } as u32;
    let _ = BEGUN.remove(key);
    reason
}

/// The reason for which the static stage does not let the session of an index change an inode so, by one of its names or what
/// lies above them; 0: none. Nothing refuses the change in this tier: this is how it is noticed. Global linkage: see
/// [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn forbidden(inode: u64, slot: u64, changes: u64) -> u64 {
    let mut node = Address(inode).follow(offsets::inode_aliases());
    for _ in 0..NAMES {
        let Some(alias) = node else { break };
        let dentry = Address(alias.0.wrapping_sub(offsets::dentry_alias() as u64));
        let is_name = dentry::inode(dentry) == Some(Address(inode))
            && dentry.follow(offsets::dentry_hashed()).is_some();
        let reason = if is_name { decide::forbids_change(dentry.0, slot as u32, changes) } else { 0 };
        if reason != 0 {
            return reason;
        }
        node = alias.follow(0);
    }
    0
}

/// [`judged`]: whoever did it, no session may. Otherwise it lies where the agent itself replaces a file of its own, and who
/// that is user space knows.
pub const CERTAIN: u64 = 1 << 32;

/// What is to be said of a change of an inode: [`forbidden`], with [`CERTAIN`].
#[inline(always)]
pub fn judged(inode: u64, slot: u64, changes: u64) -> u64 {
    let reason = forbidden(inode, slot, changes);
    if reason == 0 || is_rewritten(inode, slot) != 0 { reason } else { reason | CERTAIN }
}

/// Whether an inode lies where the agent of the session of an index replaces a file of its own; 0: no. Global linkage: see
/// [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn is_rewritten(inode: u64, slot: u64) -> u64 {
    let Some(dentry) = first_name(Address(inode)) else { return 0 };
    let dev = dentry.follow(offsets::dentry_sb()).and_then(|sb| sb.word(offsets::sb_dev()));
    let Some(dev) = dev else { return 0 };
    let key = RewriteKey { place: dentry::place(dentry.0), dev, session: slot as u32 };
    // SAFETY: read only.
    u64::from(unsafe { REWRITES.get(key) }.is_some())
}

/// Tells an inode by each of its names, where it has any. Global linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn tell_names(inode: u64, call: u64, after: u64) -> u64 {
    let mut node = Address(inode).follow(offsets::inode_aliases());
    for _ in 0..NAMES {
        let Some(alias) = node else { break };
        tell_name(alias.0.wrapping_sub(offsets::dentry_alias() as u64), inode, call, after);
        node = alias.follow(0);
    }
    0
}

/// Tells one name, unless it is gone. Global linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn tell_name(dentry: u64, inode: u64, call: u64, after: u64) -> u64 {
    let dentry = Address(dentry);
    if dentry::inode(dentry) != Some(Address(inode)) || dentry.follow(offsets::dentry_hashed()).is_none() {
        return 0;
    }
    let Some(inside) = task::current() else { return 0 };
    let Some(buffer) = Buffer::claim() else { return 0 };
    let record: *mut Touched = buffer.record();
    // SAFETY: the buffer is larger than a record, and this program's own until it is submitted.
    unsafe {
        (*record).call = call;
        (*record).after = after as u32;
        (*record).pad = 0;
    }
    let Some(len) = buffer.append_file(offset_of!(Touched, file), size_of::<Touched>(), dentry) else {
        buffer.discard();
        return 0;
    };
    buffer.submit(kind::TOUCHED, &inside, u32::MAX, len, Urgency::Sequence);
    1
}
