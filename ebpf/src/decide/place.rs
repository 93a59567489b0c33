//! What T0 knows by name and by place: whatever lies there, also what is made later.

use crate::maps::{NAMED, T0_NAMES, T0_PLACES};
use crate::read::{Address, clear, zeroed};
use crate::{dentry, offsets};
use abi::{
    ANY_DEV, Bit, EVERY_SESSION, FileKey, LABEL_ABOVE, LABEL_EMPTY, Label, NAME_DIR, NAME_LEN, NameKey,
    PlaceKey, access, component_hash,
};
use core::mem::MaybeUninit;

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
pub(super) fn known(object: u64, access: u64, place: u64, slot: u32) -> u64 {
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
        Some(label) if refuses(label, access) => label.reason,
        _ => 0,
    }
}

/// Whether the label of a name or place refuses.
#[inline(always)]
fn refuses(label: &Label, access: u32) -> bool {
    let is_empty = access & access::DIR != 0 && label.flags & LABEL_EMPTY != 0;
    label.deny & access != 0 && !is_empty
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
        Some(label) if refuses(label, access) => label.reason,
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
