//! Chunks of system calls in the store: first time, last time, number of calls, blob. What is none is refused, and what is
//! one comes back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first_chunk::<8>() else { return };
    let Some((last, rest)) = rest.split_first_chunk::<8>() else { return };
    let Some((count, body)) = rest.split_first_chunk::<2>() else { return };
    let count = usize::from(u16::from_le_bytes(*count));
    store::fuzz::chunk(u64::from_le_bytes(*first), u64::from_le_bytes(*last), count, body);
});
