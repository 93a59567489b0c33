//! Numbers that stand for names and places, and the bits by which maps are asked first.

use crate::{FileKey, LABEL_BITS, NAME_BITS, NAME_LEN};

/// `NameKey::dir` of a name that matters in every directory.
pub const ANY_DIR: FileKey = FileKey { ino: 0, dev: 0, generation: 0 };

/// `NameKey::dir` of a name that matters in every directory of a certain name, but for the inode number: that is
/// [`name_hash`] of the directory's name. No real device has number `u32::MAX`.
pub const NAME_DIR: FileKey = FileKey { ino: 0, dev: u32::MAX, generation: 0 };

/// `PlaceKey::session` of a place that is closed to all.
pub const EVERY_SESSION: u32 = u32::MAX;
/// `PlaceKey::dev` of a name that matters in every file system. No real device has it.
pub const ANY_DEV: u32 = u32::MAX;

/// The place of the root of a superblock.
pub const PLACE_ROOT: u64 = SPREAD;

/// What a place is multiplied with for each name below it; odd, so that nothing of it is lost.
pub const PLACE_FACTOR: u64 = 0xd134_2543_de82_ef95;

/// A name of a place: of any length, though of long ones the first bytes and the length count alone.
#[inline(always)]
pub fn component_hash(first: u64, len: u32) -> u64 {
    add_to_name_hash(first, len as u64)
}

/// The place of a name in a directory: a polynomial of the names, which can be made from either end, and taken apart.
#[inline(always)]
pub fn place_below(place: u64, component: u64) -> u64 {
    place.wrapping_mul(PLACE_FACTOR).wrapping_add(component)
}

/// The place of the directory in which a place is that name's.
#[inline(always)]
pub fn place_above(place: u64, component: u64) -> u64 {
    place.wrapping_sub(component).wrapping_mul(PLACE_INVERSE)
}

/// What undoes [`PLACE_FACTOR`]: each step doubles the bits that are right (Newton's iteration), from three on.
const PLACE_INVERSE: u64 = {
    let (mut inverse, mut i) = (PLACE_FACTOR, 0);
    while i < 5 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(PLACE_FACTOR.wrapping_mul(inverse)));
        i += 1;
    }
    inverse
};
const _: () = assert!(PLACE_FACTOR.wrapping_mul(PLACE_INVERSE) == 1);

/// What spreads numbers over bits: 2^64 over the golden ratio (Knuth, The Art of Computer Programming 3, 6.4).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// [`name_hash`] of no words.
pub const NAME_HASH: u64 = SPREAD;

/// [`name_hash`] of one more word.
#[inline(always)]
pub fn add_to_name_hash(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(23) ^ word).wrapping_mul(SPREAD)
}

/// A number for a name padded with zeros, made word by word. Whoever names a directory so that it has another's number has its
/// rules, which only refuse.
#[inline(always)]
pub fn name_hash(name: &[u8; NAME_LEN]) -> u64 {
    let words: *const u64 = name.as_ptr().cast();
    let (mut hash, mut i) = (NAME_HASH, 0);
    while i < NAME_LEN / 8 {
        // SAFETY: a word of the name, which may begin anywhere.
        hash = add_to_name_hash(hash, unsafe { words.add(i).read_unaligned() });
        i += 1;
    }
    hash
}

/// `NameKey::dir` of a name that matters in every directory which is itself called `name` (padded with zeros).
#[inline(always)]
pub fn name_dir(name: &[u8; NAME_LEN]) -> FileKey {
    FileKey { ino: name_hash(name), ..NAME_DIR }
}

/// A bit of a map whose values are words of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bit {
    /// Index of the word.
    pub word: u32,
    /// The bit in it.
    pub mask: u64,
}

impl Bit {
    #[inline(always)]
    fn at(index: u32) -> Bit {
        Bit { word: index / 64, mask: 1 << (index % 64) }
    }

    /// That of a process.
    #[inline(always)]
    pub fn of_process(tgid: u32) -> Bit {
        Bit::at(tgid)
    }

    /// That of an inode, by its number: several share one.
    #[inline(always)]
    pub fn of_inode(number: u64) -> Bit {
        Bit::at((number.wrapping_mul(SPREAD) >> (64 - LABEL_BITS.trailing_zeros())) as u32)
    }

    /// That of a name, by its [`name_hash`]: several share one.
    #[inline(always)]
    pub fn of_name(hash: u64) -> Bit {
        Bit::at((hash >> (64 - NAME_BITS.trailing_zeros())) as u32)
    }

    /// That of a name of a place above those of jewels, by its [`component_hash`]: in the same array, elsewhere.
    #[inline(always)]
    pub fn of_name_above(component: u64) -> Bit {
        Bit::of_name(component.rotate_left(32))
    }
}
