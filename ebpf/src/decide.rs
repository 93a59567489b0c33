//! The deny-list: one walk from an object to the root of its superblock decides for every hook and both tiers.
//!
//! T0 is looked up on the object and on every ancestor. T1: the nearest labelled ancestor. No string is compared but
//! the exact names of T0, so links, `..`, mounts and long paths change nothing. `d_parent` is read without a lock: a
//! rename in another process can lead the walk astray, so the bound is hard, and what it does not reach counts as
//! unlabelled.

mod address;
mod label;
mod name;
mod place;
mod walk;

pub use address::address;
pub use place::{ABOVE_HERE, above};

use crate::maps::T0;
use crate::read::Address;
use crate::task::Inside;
use crate::{dentry, hold, loan, offsets, ring, task};
use abi::{
    LABEL_LOANS, LABEL_READABLE, LABEL_WORKSPACE, REASON_ABOVE, REASON_OPEN, SESSION_T1, STAGE_NONE,
    STAGE_T0, STAGE_T1, STAGE_T2, T1Key, Verdict, access,
};
use label::{may_be_labelled, own};
use name::refuses_obeyed;
use place::{ABOVE_BY_NAME, known, known_place};
use walk::{BY_T0, BY_T1, IN_STATE, UNLABELLED, walk};

/// A decision before its means are known.
#[derive(Clone, Copy)]
pub struct Decision {
    /// `STAGE_*`
    pub stage: u8,
    /// Reason of the label.
    pub reason: u32,
}

const ALLOW: Decision = Decision { stage: STAGE_NONE, reason: 0 };

/// Decides an operation on a file. `parent` says where a name that does not exist yet will be.
#[inline(always)]
pub fn file(inside: &Inside, object: Address, access: u32, means: u8) -> Verdict {
    let decision =
        self::object(inside, object, access & (access::ALL | access::MOVED | access::LINKED | access::OWN));
    ring::verdict(inside, decision.stage, decision.reason, means)
}

/// Whether an operation where a directory has places of jewels below it would free them: it is moved away or removed, or
/// what was made elsewhere, or lies elsewhere, takes its place. A mount that nobody else sees frees nothing.
#[inline(always)]
fn frees(inside: &Inside, object: Address, access: u32) -> bool {
    const TAKES: u32 = access::MOVED | access::LINKED;
    if access & (TAKES | access::REMOVE) == 0 {
        return false;
    }
    let covers = access & access::MOUNT != 0;
    match above(object.0, u64::from(inside.slot)) {
        ABOVE_HERE => !covers || task::shows_mounts(),
        ABOVE_BY_NAME => !covers && access & TAKES != 0,
        _ => false,
    }
}

/// The reason for which T0 does not let the session of an index change an object so; 0: none.
#[inline(always)]
pub fn forbids_change(object: u64, slot: u32, access: u64) -> u64 {
    let named = known(object, access, known_place(object), slot);
    if named as u32 != 0 {
        return named & 0xffff_ffff;
    }
    let answer = walk(object, access, access, u64::from(slot) << 32, 0);
    if answer & BY_T0 != 0 {
        return answer & 0xffff_ffff;
    }
    let in_workspace = (answer >> 40) as u32 & LABEL_WORKSPACE != 0;
    if in_workspace { 0 } else { named >> 32 }
}

/// Decides an operation on a file; see [`file`].
#[inline(always)]
pub fn object(inside: &Inside, object: Address, access: u32) -> Decision {
    let session = inside.session();
    let named = known(object.0, u64::from(access), known_place(object.0), inside.slot);
    let open = if access & access::OWN != 0 {
        u64::from(access & access::MODIFY)
    } else {
        readable(object.0, u64::from(access), u64::from(inside.slot))
    };
    if named as u32 != 0 && open == 0 {
        return Decision { stage: STAGE_T0, reason: named as u32 };
    }
    let armed = u64::from(session.flags & SESSION_T1);
    let asking = u64::from(inside.slot) << 32 | u64::from(session.policy);
    let answer = walk(object.0, u64::from(access), u64::from(access) & !open, asking, armed);
    let labels = (answer >> 40) as u32;
    if answer & BY_T0 != 0 {
        return Decision { stage: STAGE_T0, reason: answer as u32 };
    }
    let anywhere = (named >> 32) as u32;
    if anywhere != 0 && labels & LABEL_WORKSPACE == 0 {
        return Decision { stage: STAGE_T0, reason: anywhere };
    }
    if frees(inside, object, access) {
        return Decision { stage: STAGE_T0, reason: REASON_ABOVE };
    }
    if access & access::ACT != 0 {
        let held = hold::reason(inside);
        if held != 0 {
            return Decision { stage: STAGE_T0, reason: held };
        }
    }
    if session.restrict & access != 0 {
        return Decision { stage: STAGE_T2, reason: session.restrict_reason };
    }
    if answer & BY_T1 != 0 {
        return Decision { stage: STAGE_T1, reason: answer as u32 };
    }
    if answer & IN_STATE != 0 {
        let reason = refuses_obeyed(object.0, u64::from(session.policy)) as u32;
        if reason != 0 {
            return Decision { stage: STAGE_T1, reason };
        }
    }
    let is_unknown = answer & UNLABELLED != 0 && session.unlabelled & access != 0;
    if is_unknown && (access & access::EXEC != 0 || is_private(object.0) == 0) {
        return Decision { stage: STAGE_T1, reason: session.unlabelled_reason };
    }
    if access & access::READ != 0 && !loan::take(inside, labels & LABEL_LOANS) {
        return Decision { stage: STAGE_T0, reason: REASON_OPEN };
    }
    ALLOW
}

/// Whether an object lies in a file system that holds nothing but what whoever made it put there, as the sandboxes of
/// agents do: files in memory, or a view of their own processes and terminals, mounted in a user namespace of their own;
/// 0: no. Such a mount cannot bring in anything that was there before. Global linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn is_private(object: u64) -> u64 {
    /// include/uapi/linux/magic.h: tmpfs, proc, devpts; fs/mqueue has its own in ipc/mqueue.c.
    const KINDS: [u64; 4] = [0x0102_1994, 0x9fa0, 0x1cd1, 0x1980_0202];
    let Some(sb) = Address(object).follow(offsets::dentry_sb()) else { return 0 };
    let Some(magic) = sb.get::<u64>(offsets::sb_magic()) else { return 0 };
    // The first namespace is at level 0: what is mounted there is the machine's.
    let level =
        sb.follow(offsets::sb_user_ns()).and_then(|namespace| namespace.word(offsets::user_ns_level()));
    let is_own = matches!(level, Some(1..));
    let is_kind = magic == KINDS[0] || magic == KINDS[1] || magic == KINDS[2] || magic == KINDS[3];
    u64::from(is_own && is_kind)
}

/// `access::READ` where an object may be read whatever its name and what lies above refuse, and nothing else is asked that
/// its own label refuses; 0: no. For the session of an index alone. Global linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn readable(object: u64, access: u64, slot: u64) -> u64 {
    let inode = dentry::inode(Address(object)).filter(|inode| may_be_labelled(*inode));
    let Some(key) = inode.and_then(dentry::key) else { return 0 };
    // SAFETY: read only.
    let Some(label) = (unsafe { T0.get(key) }) else { return 0 };
    if label.flags & LABEL_READABLE == 0 {
        return 0;
    }
    match own(&T1Key { file: key, policy: slot as u32, pad: 0 }) {
        Some(own)
            if own.flags & LABEL_READABLE != 0
                && (label.deny | own.deny) & access as u32 & !access::READ == 0 =>
        {
            u64::from(access::READ)
        }
        _ => 0,
    }
}
