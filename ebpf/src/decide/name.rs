//! What a baseline knows by name: in a directory where names matter, and in the agent's own state.

use super::label::may_be_labelled;
use crate::dentry;
use crate::maps::{T1, T1_NAMES};
use crate::read::{Address, clear, each, some_zero, zeroed};
use abi::pattern::{Digest, PATTERN_LEN, Pattern};
use abi::{MAX_DEPTH, NAME_EXACT, NAME_LEN, NAME_PATTERN, T1Key, T1NameKey};
use core::mem::MaybeUninit;

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

/// What looks for a name that is obeyed: plain integers, as in the walk.
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

/// What reads a name's pattern: plain integers, as in the walk.
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
    reading.pattern.begin(Digest::EMPTY, some_zero(u64::from(len)) as u32);
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
