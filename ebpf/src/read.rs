//! Reading kernel memory: the idioms that the verifier wants, in one place.
//!
//! Since Linux 6.2 the kernel function `bpf_rdonly_cast` makes a pointer to a structure of any number, and a read through
//! it is one load instruction, which the kernel lets survive a bad address: it reads as zero. Before that a read is a call
//! of `bpf_probe_read_kernel`, which takes some ten times as long. Which of both is a constant of the loader's, so that
//! the verifier drops the other.

use crate::offsets;
use aya_ebpf::helpers::generated::{bpf_loop, bpf_probe_read_kernel};
use core::arch::asm;
use core::mem::{MaybeUninit, align_of, size_of, transmute};

/// A kernel address. Never dereferenced, only read in ways that survive a bad one.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Address(pub u64);

impl Address {
    /// Whether it points nowhere.
    #[inline(always)]
    pub fn is_null(self) -> bool {
        self.0 == 0
    }

    /// The value at an offset. Where the memory cannot be read: `None`, or zero where a read is a load.
    #[inline(always)]
    pub fn get<T: Copy>(self, offset: usize) -> Option<T> {
        if size_of::<T>() <= 8 && size_of::<T>() == align_of::<T>() && offsets::can_cast() {
            // SAFETY: see `cast`; `T` is a plain integer, which every value is one of.
            return Some(unsafe { cast(self.0.wrapping_add(offset as u64)).cast::<T>().read_volatile() });
        }
        self.probe(offset)
    }

    #[inline(always)]
    fn probe<T: Copy>(self, offset: usize) -> Option<T> {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the destination is `size_of::<T>()` bytes of this stack; the source may be any address.
        let failed = unsafe {
            bpf_probe_read_kernel(
                value.as_mut_ptr().cast(),
                size_of::<T>() as u32,
                (self.0 as usize).wrapping_add(offset) as *const _,
            )
        };
        // SAFETY: the helper filled it, or zeroed it when it failed; `T` is a plain integer or an array of bytes.
        (failed == 0).then(|| unsafe { value.assume_init() })
    }

    /// The pointer at an offset; `None` where it cannot be read or is null.
    #[inline(always)]
    pub fn follow(self, offset: usize) -> Option<Address> {
        let at = self.0.wrapping_add(offset as u64);
        // SAFETY: see `cast`.
        let address =
            Address(if offsets::can_cast() { unsafe { cast(at).read_volatile() } } else { pointer_at(at) });
        (!address.is_null()).then_some(address)
    }

    /// The 32-bit value at an offset; see [`Address::get`].
    #[inline(always)]
    pub fn word(self, offset: usize) -> Option<u32> {
        if offsets::can_cast() {
            return self.get(offset);
        }
        let answer = word_at(self.0.wrapping_add(offset as u64));
        (answer <= u64::from(u32::MAX)).then_some(answer as u32)
    }
}

/// The words at an address, as the verifier lets them be read: the first 128 bytes, each word or part of a word by a load
/// that gives zero for what cannot be read. Only where [`offsets::can_cast`].
#[inline(always)]
pub fn cast(address: u64) -> *const u64 {
    // SAFETY: the loader puts the kernel function in the place of this number; it takes a number and a type, and the
    // verifier makes a plain move of it.
    let rdonly_cast: unsafe extern "C" fn(u64, u32) -> *const u64 = unsafe { transmute(abi::RDONLY_CAST) };
    // SAFETY: the function has no preconditions.
    unsafe { rdonly_cast(address, offsets::words_type() as u32) }
}

/// Writes a word to any place, aligned or not: the compiler would write its bytes one by one.
///
/// # Safety
/// `place` has room for eight bytes.
#[inline(always)]
pub unsafe fn store(place: *mut u8, word: u64) {
    // SAFETY: the caller's promise; every processor that this runs on takes any address.
    unsafe { asm!("*(u64 *)({place} + 0) = {word}", place = in(reg) place, word = in(reg) word) };
}

/// The pointer at an address, 0 where it cannot be read. A function of its own with global linkage: it is verified once,
/// and its place on the stack is used again and again.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn pointer_at(address: u64) -> u64 {
    Address(address).probe(0).unwrap_or(0)
}

/// The 32-bit value at an address, `u64::MAX` where it cannot be read. See [`pointer_at`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn word_at(address: u64) -> u64 {
    Address(address).probe::<u32>(0).map_or(u64::MAX, u64::from)
}

/// Calls `step` up to `times` times, until it returns 1. A loop that the verifier follows once, where one in the
/// program's own code is followed in every turn and in every combination of its branches.
#[inline(always)]
pub fn each<C>(times: u32, step: unsafe extern "C" fn(u64, *mut C) -> i64, context: &mut C) {
    // SAFETY: the callback has the signature that the helper calls, and the context outlives the call.
    unsafe { bpf_loop(times, step as *mut _, (&raw mut *context).cast(), 0) };
}

/// A value that the compiler knows nothing about, so that a mask behind it stays. It would drop a mask that a test
/// before it made needless; the verifier follows the mask, and not the test.
#[inline(always)]
pub fn opaque(value: u32) -> u32 {
    core::hint::black_box(value)
}

/// Zeros words one by one. The compiler would make a call of `memset` of 16 bytes and more, whose loop the verifier
/// follows in every program that has one.
///
/// # Safety
/// `place` points to `WORDS` words, aligned to 8 bytes.
#[inline(always)]
pub unsafe fn clear<const WORDS: usize>(place: *mut u64) {
    let mut i = 0;
    while i < WORDS {
        // SAFETY: the caller's promise.
        unsafe { place.add(i).write_volatile(0) };
        i += 1;
    }
}

/// Zero, of which the verifier does not know that it is: before Linux 6.7 it follows a step of [`each`] only as the first one
/// goes, and takes out what only later ones reach.
#[inline(always)]
pub fn some_zero(number: u64) -> u64 {
    let mut zero = number;
    // SAFETY: a number less itself.
    unsafe { asm!("{zero} -= {number}", zero = inout(reg) zero, number = in(reg) number) };
    zero
}

/// A structure of words, every one zero, in its own place: returned by value it would be zeroed byte by byte once more. See
/// [`clear`].
#[inline(always)]
pub fn zeroed<T>(place: &mut MaybeUninit<T>) -> &mut T {
    const { assert!(size_of::<T>() % 8 == 0 && align_of::<T>() == 8) };
    let mut words: *mut u64 = place.as_mut_ptr().cast();
    // The compiler forgets whose place it is, and so does not write it once more.
    // SAFETY: a move to itself. With no instruction at all two lines would have one, which the kernel refuses.
    unsafe { asm!("{words} = {words}", words = inout(reg) words) };
    let mut i = 0;
    while i < size_of::<T>() / 8 {
        // SAFETY: a word of the place.
        unsafe { words.add(i).write_volatile(0) };
        i += 1;
    }
    // SAFETY: every word is written; the callers' structures are integers.
    unsafe { &mut *words.cast() }
}

/// Words of zero; see [`clear`].
#[inline(always)]
pub fn zeros<const WORDS: usize>() -> [u64; WORDS] {
    let mut words = MaybeUninit::<[u64; WORDS]>::uninit();
    // SAFETY: the place of the words themselves, whose every word is written.
    unsafe {
        clear::<WORDS>(words.as_mut_ptr().cast());
        words.assume_init()
    }
}

/// An argument of a program as a plain number. Read directly it would be a pointer with a type, which functions of
/// integers do not take.
#[inline(always)]
pub fn argument(context: *mut core::ffi::c_void, index: usize) -> u64 {
    Address(context as u64).probe(index * 8).unwrap_or(0)
}
