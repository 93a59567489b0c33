//! A name as the keys of the kernel's maps hold it.

use abi::NAME_LEN;

/// A name padded with zeros. `None` for a name that is too long to match: the kernel programs read one byte less than
/// [`NAME_LEN`].
pub(crate) fn padded(name: &[u8]) -> Option<[u8; NAME_LEN]> {
    (name.len() < NAME_LEN).then(|| beginning(name))
}

/// The hash of the beginning of a name, and the number of the whole name in the hash of a place.
pub(crate) fn component(name: &[u8]) -> (u64, u64) {
    let first = abi::name_hash(&beginning(name));
    (first, abi::component_hash(first, u32::try_from(name.len()).unwrap_or(u32::MAX)))
}

fn beginning(name: &[u8]) -> [u8; NAME_LEN] {
    let mut padded = [0; NAME_LEN];
    padded.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
    padded
}
