//! The deny-list: one walk from an object to the root of its superblock decides for every hook and both tiers.
//!
//! T0 is looked up on the object and on every ancestor. T1: the nearest labelled ancestor. No string is compared but
//! the exact names of T0, so links, `..`, mounts and long paths change nothing. `d_parent` is read without a lock: a
//! rename in another process can lead the walk astray, so the bound is hard, and what it does not reach counts as
//! unlabelled.

use crate::maps::{LABELLED, NAMED, NETS, OWN, T0, T0_NAMES, T0_PLACES, T1, T1_NAMES};
use crate::read::{Address, clear, each, opaque, zeroed};
use crate::task::Inside;
use crate::{dentry, hold, loan, mount, offsets, ring};
use abi::pattern::{Digest, PATTERN_LEN, Pattern};
use abi::{
    ANY_DEV, Bit, EVERY_SESSION, FileKey, LABEL_ABOVE, LABEL_LOANS, LABEL_NAMES, LABEL_OF_ONE,
    LABEL_READABLE, LABEL_STATE, LABEL_WORKSPACE, Label, MAX_DEPTH, NAME_DIR, NAME_EXACT, NAME_LEN,
    NAME_PATTERN, NameKey, NetKey, NetLabel, OwnKey, PlaceKey, REASON_ABOVE, REASON_LENT, SESSION_T1,
    STAGE_NONE, STAGE_T0, STAGE_T1, STAGE_T2, T1Key, T1NameKey, Verdict, access, component_hash, place_above,
};
use aya_ebpf::maps::lpm_trie::Key;
use core::mem::{MaybeUninit, size_of};

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

/// The place of an object whose name T0 knows; 0 of any other. Global linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn known_place(object: u64) -> u64 {
    match dentry::first_hash(Address(object)) {
        Some((first, _)) if is_known(Bit::of_name(first)) => dentry::place(object),
        _ => 0,
    }
}

/// Reason of the T0 name or place that an object has; in the upper half, of a name that holds outside the workspaces only.
/// 0: none.
#[inline(always)]
fn known(object: u64, access: u64, place: u64, slot: u32) -> u64 {
    let named = named(object, access);
    if named as u32 != 0 || place == 0 {
        named
    } else {
        named | placed(object, access, place, u64::from(slot))
    }
}

/// Reason of the T0 place that an object has for the session of an index; 0: none. Global linkage: see
/// [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn placed(object: u64, access: u64, place: u64, slot: u64) -> u64 {
    let Some(mut key) = place_key(place, Address(object)) else { return 0 };
    let reason = place_reason(&key, access as u32);
    if reason != 0 {
        return u64::from(reason);
    }
    key.session = slot as u32;
    u64::from(place_reason(&key, access as u32))
}

#[inline(always)]
fn place_reason(key: &PlaceKey, access: u32) -> u32 {
    match labelled(key) {
        Some(label) if label.deny & access != 0 => label.reason,
        _ => 0,
    }
}

/// Reason of the T0 name that an object has; in the upper half, of one that holds outside the workspaces only. 0: none.
/// Global linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn named(object: u64, access: u64) -> u64 {
    let object = Address(object);
    let access = access as u32;
    // One key for all three look-ups: the stack is small.
    let mut room = MaybeUninit::<NameKey>::uninit();
    let key = zeroed(&mut room);
    if !dentry::short_name(object, (&raw mut key.name).cast()) || !may_be_named(&key.name) {
        return 0;
    }
    let Some(parent) = dentry::parent(object) else { return 0 };
    if let Some(dir) = dentry::inode(parent).and_then(dentry::key) {
        key.dir = dir;
        let reason = name_reason(key, access);
        if reason != 0 {
            return u64::from(reason);
        }
    }
    let hash = name_hash(parent.0);
    if hash != 0 {
        key.dir = FileKey { ino: hash, ..NAME_DIR };
        let reason = name_reason(key, access);
        if reason != 0 {
            return u64::from(reason);
        }
    }
    // SAFETY: the directory is the first two words; none is any.
    unsafe { clear::<2>((&raw mut key.dir).cast()) };
    u64::from(name_reason(key, access)) << 32
}

/// [`abi::name_hash`] of a dentry's name; 0 where it is too long to matter. Global linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn name_hash(dentry: u64) -> u64 {
    dentry::name_hash(Address(dentry)).unwrap_or(0)
}

/// Whether a T0 name can have this name.
#[inline(always)]
fn may_be_named(name: &[u8; NAME_LEN]) -> bool {
    is_known(Bit::of_name(abi::name_hash(name)))
}

#[inline(always)]
fn is_known(bit: Bit) -> bool {
    NAMED.get(bit.word).is_none_or(|word| word & bit.mask != 0)
}

#[inline(always)]
fn name_reason(key: &NameKey, access: u32) -> u32 {
    // SAFETY: read only.
    match unsafe { T0_NAMES.get(key) } {
        Some(label) if label.deny & access != 0 => label.reason,
        _ => 0,
    }
}

/// A place in the superblock of a dentry, for all sessions.
#[inline(always)]
fn place_key(hash: u64, dentry: Address) -> Option<PlaceKey> {
    let sb = dentry.get::<Address>(offsets::dentry_sb())?;
    Some(PlaceKey { hash, dev: sb.get(offsets::sb_dev())?, session: EVERY_SESSION })
}

#[inline(always)]
fn labelled(key: &PlaceKey) -> Option<&'static Label> {
    // SAFETY: read only; a freed entry stays readable for a grace period.
    unsafe { T0_PLACES.get(key) }
}

/// [`above`]: a directory at this very place has places of jewels below it.
pub const ABOVE_HERE: u64 = 1;
/// [`above`]: one of this name has, wherever it is.
pub const ABOVE_BY_NAME: u64 = 2;

/// Whether a dentry lies where a directory has places below it that are jewels to the session of an index; 0: no. Global
/// linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn above(object: u64, slot: u64) -> u64 {
    let object = Address(object);
    let Some((first, len)) = dentry::first_hash(object) else { return 0 };
    if !is_known(Bit::of_name_above(first)) {
        return 0;
    }
    let Some(mut key) = place_key(dentry::place(object.0), object) else { return 0 };
    if is_above(&key) {
        return ABOVE_HERE;
    }
    key.session = slot as u32;
    if is_above(&key) {
        return ABOVE_HERE;
    }
    key = PlaceKey { hash: component_hash(first, len), dev: ANY_DEV, session: EVERY_SESSION };
    if is_above(&key) { ABOVE_BY_NAME } else { 0 }
}

#[inline(always)]
fn is_above(key: &PlaceKey) -> bool {
    labelled(key).is_some_and(|label| label.flags & LABEL_ABOVE != 0)
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
        ABOVE_HERE => !covers || mount::is_seen(),
        ABOVE_BY_NAME => !covers && access & TAKES != 0,
        _ => false,
    }
}

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

/// Steps of the walk in one call: calls and returns are what costs.
const STEPS: u32 = 2;

/// Some steps of the walk, a callback of `bpf_loop`. 1 ends it.
unsafe extern "C" fn steps(_: u64, walk: *mut Walk) -> i64 {
    // SAFETY: `bpf_loop` hands on the pointer that `walk` gave it.
    let walk = unsafe { &mut *walk };
    // One key for all look-ups: the stack is small.
    let mut place = MaybeUninit::<T1Key>::uninit();
    let key = zeroed(&mut place);
    key.policy = walk.asking as u32;
    let mut i = 0;
    while i < STEPS {
        if step(walk, key) {
            return 1;
        }
        i += 1;
    }
    0
}

/// One step; whether it was the last.
#[inline(always)]
fn step(walk: &mut Walk, key: &mut T1Key) -> bool {
    let dentry = Address(walk.dentry);
    // A directory of that name which was made since has no label. Looked for only where something is to be changed:
    // there is one for everything that is opened, and nothing in it yet to be read.
    if walk.below != 0 && walk.access & access::MODIFY != 0 {
        let slot = (walk.asking >> 32) as u32;
        let reason = known(walk.dentry, u64::from(walk.access), walk.place, slot) as u32;
        if reason != 0 {
            walk.refuse(reason);
            return true;
        }
    }
    if let Some(file) = dentry::inode(dentry).filter(|inode| may_be_labelled(*inode)).and_then(dentry::key) {
        key.file = file;
        // SAFETY: read only.
        if let Some(label) = unsafe { T0.get(&key.file) } {
            if label.deny & walk.t0_access != 0 {
                walk.refuse(label.reason);
                return true;
            }
            walk.flags |= label.flags & !LABEL_OF_ONE;
            if label.flags & LABEL_OF_ONE != 0 {
                key.policy = (walk.asking >> 32) as u32;
                let own = own(key);
                key.policy = walk.asking as u32;
                if let Some(own) = own {
                    if own.deny & walk.t0_access != 0 {
                        walk.refuse(own.reason);
                        return true;
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
    let Some(parent) = dentry::parent(dentry) else { return true };
    if walk.place != 0 {
        walk.place = place_above(walk.place, dentry::component(dentry.0));
    }
    (walk.dentry, walk.below) = (parent.0, dentry.0);
    parent == dentry
}

/// What T0 says of an object to one session alone. The key has the session's index in place of a policy: there is no room for a
/// second one on the stack.
#[inline(always)]
fn own(key: &T1Key) -> Option<&'static Label> {
    const { assert!(size_of::<T1Key>() == size_of::<OwnKey>()) };
    // SAFETY: both are a file and two words. Read only; a freed entry stays readable for a grace period.
    unsafe { OWN.get(&*(&raw const *key).cast::<OwnKey>()) }
}

/// Whether an inode can have a label.
#[inline(always)]
fn may_be_labelled(inode: Address) -> bool {
    let Some(number) = inode.get(offsets::inode_number()) else { return true };
    let bit = Bit::of_inode(number);
    LABELLED.get(bit.word).is_none_or(|word| word & bit.mask != 0)
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
    if armed == 0 {
        walk.flags = T1_FOUND;
    }
    if walk.access & access::MODIFY != 0 {
        walk.place = dentry::place(object);
    }
    each(MAX_DEPTH / STEPS, steps, walk);
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

/// The reason for which a name may not be made in a directory; 0: it may. `below` is the name's dentry; 0 is the directory
/// itself, which stands for no name. Global linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn refuses_name(dir: u64, below: u64, policy: u64) -> u64 {
    let mut place = MaybeUninit::<T1NameKey>::uninit();
    let key = zeroed(&mut place);
    let Some(dir) = dentry::inode(Address(dir)).and_then(dentry::key) else { return 0 };
    (key.dir, key.policy) = (dir, policy as u32);
    let name = (&raw mut key.name).cast();
    if below != 0 && dentry::short_name(Address(below), name) {
        // SAFETY: read only.
        if let Some(reason) = unsafe { T1_NAMES.get(&*key) } {
            return u64::from(*reason);
        }
    }
    // SAFETY: the name is as many words of the key.
    unsafe { clear::<{ NAME_LEN / 8 }>(name) };
    if below != 0 && pattern(below, key) {
        // SAFETY: read only.
        if let Some(reason) = unsafe { T1_NAMES.get(&*key) } {
            return u64::from(*reason);
        }
        key.kind = NAME_EXACT;
        // SAFETY: as above.
        unsafe { clear::<{ NAME_LEN / 8 }>(name) };
    }
    // SAFETY: read only.
    unsafe { T1_NAMES.get(&*key) }.map_or(0, |reason| u64::from(*reason))
}

/// What looks for a name that is obeyed: plain integers, see [`Walk`].
#[repr(C)]
struct Names {
    /// The name that is looked for, in any directory.
    key: T1NameKey,
    dentry: u64,
    reason: u64,
}

/// One name, a callback of `bpf_loop`. 1 ends it.
unsafe extern "C" fn next_name(_: u64, names: *mut Names) -> i64 {
    // SAFETY: `bpf_loop` hands on the pointer that `refuses_obeyed` gave it.
    let names = unsafe { &mut *names };
    let dentry = Address(names.dentry);
    if let Some(file) = dentry::inode(dentry).filter(|inode| may_be_labelled(*inode)).and_then(dentry::key) {
        // SAFETY: read only.
        if unsafe { T1.get(&T1Key { file, policy: names.key.policy, pad: 0 }) }.is_some() {
            return 1;
        }
    }
    if dentry::short_name(dentry, (&raw mut names.key.name).cast()) {
        // SAFETY: read only.
        if let Some(reason) = unsafe { T1_NAMES.get(&names.key) } {
            names.reason = u64::from(*reason);
            return 1;
        }
    }
    let Some(parent) = dentry::parent(dentry) else { return 1 };
    names.dentry = parent.0;
    0
}

/// The reason for which nothing is changed in the agent's own state under one of the names that lead from the nearest label
/// to an object; 0: it may be. Global linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn refuses_obeyed(object: u64, policy: u64) -> u64 {
    let mut place = MaybeUninit::<Names>::uninit();
    let names = zeroed(&mut place);
    (names.dentry, names.key.policy) = (object, policy as u32);
    each(MAX_DEPTH, next_name, names);
    names.reason
}

/// What reads a name's pattern: plain integers, see [`Walk`].
#[repr(C)]
struct Reading {
    pattern: Pattern<Digest>,
    len: u32,
    name: u64,
}

/// One byte of a name, a callback of `bpf_loop`. 1 ends it.
unsafe extern "C" fn read_byte(at: u64, reading: *mut Reading) -> i64 {
    // SAFETY: `bpf_loop` hands on the pointer that `pattern` gave it.
    let reading = unsafe { &mut *reading };
    if at >= u64::from(reading.len) {
        return 1;
    }
    let Some(byte) = Address(reading.name.wrapping_add(at)).get::<u8>(0) else { return 1 };
    reading.pattern.add(byte);
    0
}

/// Turns a key of names into that of the pattern which a dentry's name has; whether it has one.
#[inline(always)]
fn pattern(below: u64, key: &mut T1NameKey) -> bool {
    let Some((name, len)) = dentry::whole_name(Address(below)) else { return false };
    if len == 0 || len > PATTERN_LEN as u32 {
        return false;
    }
    let mut place = MaybeUninit::<Reading>::uninit();
    let reading = zeroed(&mut place);
    // Not a zero that the verifier of Linux 6.1 knows: it follows a callback once, and takes what it finds for what is
    // always so.
    let zero = opaque(len).wrapping_sub(opaque(len));
    reading.pattern.begin(Digest::EMPTY, zero);
    (reading.name, reading.len) = (name.0, len);
    each(PATTERN_LEN as u32, read_byte, reading);
    let digest = reading.pattern.finish();
    key.kind = NAME_PATTERN;
    let words: *mut u64 = (&raw mut key.name).cast();
    // SAFETY: the first two words of the name.
    unsafe {
        words.write_volatile(digest.one);
        words.add(1).write_volatile(digest.other);
    }
    true
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

/// A T0 label refuses.
const BY_T0: u64 = 1 << 32;
/// The nearest label of the baseline refuses.
const BY_T1: u64 = 1 << 33;
/// No label of the baseline was met.
const UNLABELLED: u64 = 1 << 34;
/// The nearest label of the baseline lets it be changed, but for what is obeyed: [`refuses_obeyed`] is to be asked.
const IN_STATE: u64 = 1 << 35;

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
    if access & access::READ != 0 {
        loan::take(inside.slot, labels & LABEL_LOANS);
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

/// Decides an operation on an address (IPv4 is v4-mapped). `own`: what was learned has no say in it.
#[inline(always)]
pub fn address(inside: &Inside, addr: [u64; 2], port: u16, access: u32, means: u8, own: bool) -> Verdict {
    let decision = net(inside, addr, port, access, own);
    ring::verdict(inside, decision.stage, decision.reason, means)
}

#[inline(always)]
fn net(inside: &Inside, addr: [u64; 2], port: u16, access: u32, own: bool) -> Decision {
    let session = inside.session();
    if let Some(label) = network(0, addr)
        && label.deny & access != 0
        && covers(label, port)
    {
        return Decision { stage: STAGE_T0, reason: label.reason };
    }
    let held = hold::reason(inside);
    if held != 0 {
        return Decision { stage: STAGE_T0, reason: held };
    }
    if session.restrict & access != 0 {
        return Decision { stage: STAGE_T2, reason: session.restrict_reason };
    }
    if !own && access & access::CONNECT != 0 && loan::closes(inside, addr, port) {
        return Decision { stage: STAGE_T0, reason: REASON_LENT };
    }
    if own || session.flags & SESSION_T1 == 0 {
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
pub fn network(policy: u32, addr: [u64; 2]) -> Option<&'static NetLabel> {
    // SAFETY: the same sixteen bytes.
    let addr = unsafe { core::mem::transmute::<[u64; 2], [u8; 16]>(addr) };
    NETS.get(Key::new(160, NetKey { policy: policy.to_be_bytes(), addr }))
}

#[inline(always)]
pub fn covers(label: &NetLabel, port: u16) -> bool {
    if label.from != 0 && label.from <= port && port <= label.to {
        return true;
    }
    if label.ports[0] == 0 {
        return label.from == 0;
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
