//! Reading kernel memory: the idioms that the verifier wants, in one place.

use aya_ebpf::helpers::generated::{bpf_loop, bpf_probe_read_kernel};
use core::mem::{MaybeUninit, size_of};

/// A kernel address. Never dereferenced, only given to `bpf_probe_read_kernel`, which survives a bad one.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Address(pub u64);

impl Address {
    /// Whether it points nowhere.
    #[inline(always)]
    pub fn is_null(self) -> bool {
        self.0 == 0
    }

    /// The value at an offset; `None` where the memory cannot be read.
    #[inline(always)]
    pub fn get<T: Copy>(self, offset: usize) -> Option<T> {
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
        let address = Address(self.get::<u64>(offset)?);
        (!address.is_null()).then_some(address)
    }
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
