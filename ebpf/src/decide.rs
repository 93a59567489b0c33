//! The deny-list: one walk from an object to the root of its superblock decides for every hook and both tiers.
//!
//! T0 is looked up on the object and on every ancestor. T1: the nearest labelled ancestor. No string is compared but
//! the exact names of T0, so links, `..`, mounts and long paths change nothing. `d_parent` is read without a lock: a
//! rename in another process can lead the walk astray, so the bound is hard, and what it does not reach counts as
//! unlabelled.

use crate::maps::{INTERESTING, NETS, T0, T0_NAMES, T1};
use crate::read::{Address, each};
use crate::task::Inside;
use crate::{atomic, dentry, ring};
use abi::{
    ANY_DIR, FileKey, LABEL_SENSITIVE, LABEL_WORKSPACE, MAX_DEPTH, NameKey, NetKey, NetLabel, SESSION_T1, STAGE_NONE,
    STAGE_T0, STAGE_T1, STAGE_T2, STATE_READ_SECRET, T1Key, Verdict, access, name_dir,
};
use aya_ebpf::maps::lpm_trie::Key;

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
    let decision = walk(inside, object, access & access::ALL);
    ring::verdict(inside, decision.stage, decision.reason, means)
}

/// Reason of the T0 name that the leaf has, and whether it holds in workspaces too; 0: none.
#[inline(always)]
fn named(inside: &Inside, object: Address, access: u32) -> (u32, u32) {
    let Some(name) = dentry::short_name(object) else { return (0, 0) };
    // SAFETY: read only, and a stale value is as good as none.
    if unsafe { INTERESTING.get(name) }.is_none() {
        return (0, 0);
    }
    let Some(parent) = dentry::parent(object) else { return (0, 0) };
    let subjects = inside.subjects();
    let mut reason = 0;
    if let Some(dir) = dentry::inode(parent).and_then(dentry::key) {
        reason = name_reason(&NameKey { dir, name }, access, subjects);
    }
    if reason == 0
        && let Some(parent_name) = dentry::short_name(parent)
    {
        reason = name_reason(&NameKey { dir: name_dir(&parent_name), name }, access, subjects);
    }
    let anywhere = name_reason(&NameKey { dir: ANY_DIR, name }, access, subjects);
    (reason, anywhere)
}

#[inline(always)]
fn name_reason(key: &NameKey, access: u32, subjects: u32) -> u32 {
    // SAFETY: read only.
    match unsafe { T0_NAMES.get(key) } {
        Some(label) if label.deny & access != 0 && label.subjects & subjects == 0 => label.reason,
        _ => 0,
    }
}

/// What the walk looks for, and what it has found. Plain integers: the verifier forgets their values between the steps,
/// and so follows one step for all.
#[repr(C)]
struct Walk {
    dentry: u64,
    access: u32,
    subjects: u32,
    policy: u32,
    /// Reason of the T0 label that refuses; 0: none.
    t0_reason: u32,
    /// Non-zero once the nearest labelled ancestor is known, or where no baseline is armed.
    t1_found: u32,
    t1_reason: u32,
    /// `LABEL_*` bits of all T0 labels that were met.
    flags: u32,
    pad: u32,
}

/// One step of the walk, a callback of `bpf_loop`. 1 ends it.
unsafe extern "C" fn step(_: u64, walk: *mut Walk) -> i64 {
    // SAFETY: `bpf_loop` hands on the pointer that `walk` gave it.
    let walk = unsafe { &mut *walk };
    let dentry = Address(walk.dentry);
    if let Some(key) = dentry::inode(dentry).and_then(dentry::key) {
        // SAFETY: read only.
        if let Some(label) = unsafe { T0.get(key) } {
            if label.deny & walk.access != 0 && label.subjects & walk.subjects == 0 {
                walk.t0_reason = label.reason;
                return 1;
            }
            walk.flags |= label.flags;
        }
        if walk.t1_found == 0 {
            // SAFETY: read only.
            if let Some(label) = unsafe { T1.get(T1Key { file: key, policy: walk.policy, pad: 0 }) } {
                walk.t1_found = 1;
                walk.t1_reason = if label.deny & walk.access != 0 { label.reason } else { 0 };
            }
        }
    }
    let Some(parent) = dentry::parent(dentry) else { return 1 };
    walk.dentry = parent.0;
    i64::from(parent == dentry)
}

#[inline(always)]
fn walk(inside: &Inside, object: Address, access: u32) -> Decision {
    let session = inside.session();
    let (named, anywhere) = named(inside, object, access);
    if named != 0 {
        return Decision { stage: STAGE_T0, reason: named };
    }
    let mut walk = Walk {
        dentry: object.0,
        access,
        subjects: inside.subjects(),
        policy: session.policy,
        t0_reason: 0,
        t1_found: u32::from(session.flags & SESSION_T1 == 0),
        t1_reason: 0,
        flags: 0,
        pad: 0,
    };
    each(MAX_DEPTH, step, &mut walk);
    if walk.t0_reason != 0 {
        return Decision { stage: STAGE_T0, reason: walk.t0_reason };
    }
    if anywhere != 0 && walk.flags & LABEL_WORKSPACE == 0 {
        return Decision { stage: STAGE_T0, reason: anywhere };
    }
    if session.restrict & access != 0 {
        return Decision { stage: STAGE_T2, reason: session.restrict_reason };
    }
    if walk.t1_reason != 0 {
        return Decision { stage: STAGE_T1, reason: walk.t1_reason };
    }
    if walk.t1_found == 0 && session.unlabelled & access != 0 {
        return Decision { stage: STAGE_T1, reason: session.unlabelled_reason };
    }
    if walk.flags & LABEL_SENSITIVE != 0 && access & access::READ != 0 {
        set_state(inside, STATE_READ_SECRET);
    }
    ALLOW
}

/// Sets bits of the session's state.
#[inline(always)]
pub fn set_state(inside: &Inside, bits: u32) {
    // SAFETY: points into an array that outlives the program.
    atomic::or32(unsafe { &raw mut (*inside.session).state }, bits);
}

/// Decides an operation on an address (IPv4 is v4-mapped).
#[inline(always)]
pub fn address(inside: &Inside, addr: [u8; 16], port: u16, access: u32, means: u8) -> Verdict {
    let decision = net(inside, addr, port, access);
    ring::verdict(inside, decision.stage, decision.reason, means)
}

#[inline(always)]
fn net(inside: &Inside, addr: [u8; 16], port: u16, access: u32) -> Decision {
    let session = inside.session();
    if let Some(label) = network(0, addr)
        && label.deny & access != 0
        && covers(label, port)
    {
        return Decision { stage: STAGE_T0, reason: label.reason };
    }
    if session.restrict & access != 0 {
        return Decision { stage: STAGE_T2, reason: session.restrict_reason };
    }
    if session.flags & SESSION_T1 == 0 {
        return ALLOW;
    }
    match network(session.policy, addr) {
        Some(label) if covers(label, port) => {
            if label.deny & access != 0 {
                return Decision { stage: STAGE_T1, reason: label.reason };
            }
            ALLOW
        }
        _ if session.unknown_net & access != 0 => {
            Decision { stage: STAGE_T1, reason: session.unknown_net_reason }
        }
        _ => ALLOW,
    }
}

#[inline(always)]
fn network(policy: u32, addr: [u8; 16]) -> Option<&'static NetLabel> {
    NETS.get(Key::new(160, NetKey { policy: policy.to_be_bytes(), addr }))
}

#[inline(always)]
fn covers(label: &NetLabel, port: u16) -> bool {
    if label.ports[0] == 0 {
        return true;
    }
    let mut i = 0;
    while i < label.ports.len() {
        if label.ports[i] == port {
            return true;
        }
        i += 1;
    }
    false
}

/// Identity of the file behind a dentry, for look-ups outside the walk.
#[inline(always)]
pub fn key_of(dentry: Address) -> Option<FileKey> {
    dentry::inode(dentry).and_then(dentry::key)
}
