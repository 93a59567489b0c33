//! The pattern of a name: what a session numbers, dates or draws at random counts as one mark, the rest as it stands.
//!
//! `.agent.json.tmp.4711.1700000000` and `.agent.json.tmp.93.1700000012` have one pattern, `.agent.json.tmp.#`. User space
//! writes patterns down, the kernel side takes their numbers: one way of reading names for both, byte by byte.

use crate::NAME_LEN;

/// Stands for what varies.
pub const MARK: u8 = b'#';

/// Bytes of the longest name that has a pattern.
pub const PATTERN_LEN: usize = 64;

/// What takes a pattern in, byte by byte.
pub trait Sink: Copy {
    /// One more byte.
    fn add(&mut self, byte: u8);
}

/// Two numbers for a pattern: nobody finds a name that has the pattern of another by trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Digest {
    /// The one.
    pub one: u64,
    /// The other.
    pub other: u64,
}

impl Digest {
    /// Of no bytes.
    pub const EMPTY: Self = Self { one: 0x243f_6a88_85a3_08d3, other: 0x1319_8a2e_0370_7344 };
}

impl Digest {
    /// As a key of `T1_NAMES` has it.
    pub fn as_name(self) -> [u8; NAME_LEN] {
        let mut name = [0; NAME_LEN];
        name[..8].copy_from_slice(&self.one.to_ne_bytes());
        name[8..16].copy_from_slice(&self.other.to_ne_bytes());
        name
    }
}

impl Sink for Digest {
    #[inline(always)]
    fn add(&mut self, byte: u8) {
        // Odd numbers from the golden ratio and from the square root of two, and rotations that are prime to the width.
        self.one = (self.one.rotate_left(23) ^ byte as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.other = (self.other.rotate_left(37) ^ byte as u64).wrapping_mul(0xb504_f333_f9de_6485);
    }
}

/// Reads a name. A part of it, letters and digits without a break, varies if there is a digit in it, if it can be one of a
/// number's hexadecimal parts (four of them, or eight and more), or if it follows `tmp` or `temp`. What stands between
/// two parts that vary is lost with them.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Pattern<S> {
    /// Up to the part that has begun, or, behind one that varies, up to that: what stands between is lost if the next one
    /// varies, too.
    base: S,
    /// Everything.
    all: S,
    /// The last four bytes of the part that has begun.
    word: u32,
    /// Its length.
    len: u32,
    /// [`DIGITS`], [`LETTERS`], [`TEMPORARY`], [`MARKED`]
    flags: u32,
}

/// The part has a digit.
const DIGITS: u32 = 1 << 0;
/// It has what no hexadecimal number has.
const LETTERS: u32 = 1 << 1;
/// The last part was `tmp` or `temp`.
const TEMPORARY: u32 = 1 << 2;
/// The last part varied.
const MARKED: u32 = 1 << 3;

impl<S: Sink> Pattern<S> {
    /// Of no name yet.
    #[inline(always)]
    pub fn new(empty: S) -> Self {
        Self { base: empty, all: empty, word: 0, len: 0, flags: 0 }
    }

    /// Begins in a place that the caller has zeroed, with a zero that nobody else knows for one.
    #[inline(always)]
    pub fn begin(&mut self, empty: S, zero: u32) {
        (self.base, self.all) = (empty, empty);
        (self.word, self.len, self.flags) = (zero, zero, zero);
    }

    /// One more byte of the name. The mark itself counts as a digit, so that the pattern of a pattern is itself.
    #[inline(always)]
    pub fn add(&mut self, byte: u8) {
        let digit = byte.is_ascii_digit() || byte == MARK;
        if !digit && !byte.is_ascii_alphabetic() && byte < 0x80 {
            self.end_part();
            self.all.add(byte);
            if self.flags & MARKED == 0 {
                self.base = self.all;
            }
            return;
        }
        self.all.add(byte);
        self.word = self.word << 8 | byte as u32;
        self.len += 1;
        if digit {
            self.flags |= DIGITS;
        } else if !matches!(byte, b'a'..=b'f' | b'A'..=b'F') {
            self.flags |= LETTERS;
        }
    }

    /// The pattern.
    #[inline(always)]
    pub fn finish(&mut self) -> S {
        self.end_part();
        self.all
    }

    #[inline(always)]
    fn end_part(&mut self) {
        const TMP: u32 = u32::from_be_bytes(*b"\0tmp");
        const TEMP: u32 = u32::from_be_bytes(*b"temp");
        if self.len == 0 {
            return;
        }
        let hexadecimal = self.flags & LETTERS == 0 && (self.len == 4 || self.len >= 8);
        if self.flags & (DIGITS | TEMPORARY) != 0 || hexadecimal {
            if self.flags & MARKED == 0 {
                self.base.add(MARK);
            }
            self.all = self.base;
            self.flags = MARKED;
        } else {
            self.base = self.all;
            let temporary = (self.len == 3 && self.word == TMP) || (self.len == 4 && self.word == TEMP);
            self.flags = if temporary { TEMPORARY } else { 0 };
        }
        (self.word, self.len) = (0, 0);
    }
}
