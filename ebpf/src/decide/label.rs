//! Labels of inodes, as the walk and those who look at one object alone find them.

use crate::maps::{LABELLED, OWN};
use crate::offsets;
use crate::read::Address;
use abi::{Bit, Label, OwnKey, T1Key};
use core::mem::size_of;

/// What T0 says of an object to one session alone. The key has the session's index in place of a policy: there is no room for a
/// second one on the stack.
#[inline(always)]
pub(super) fn own(key: &T1Key) -> Option<&'static Label> {
    const { assert!(size_of::<T1Key>() == size_of::<OwnKey>()) };
    // SAFETY: both are a file and two words. Read only; a freed entry stays readable for a grace period.
    unsafe { OWN.get(&*(&raw const *key).cast::<OwnKey>()) }
}

/// Whether an inode can have a label.
#[inline(always)]
pub(super) fn may_be_labelled(inode: Address) -> bool {
    let Some(number) = inode.get(offsets::inode_number()) else { return true };
    let bit = Bit::of_inode(number);
    LABELLED.get(bit.word).is_none_or(|word| word & bit.mask != 0)
}
