//! Blocks of operations in the store: number of the first, how many, blob. What is none is refused, and what is one comes
//! back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((id, rest)) = bytes.split_first_chunk::<8>() else { return };
    let Some((count, body)) = rest.split_first_chunk::<2>() else { return };
    store::fuzz::block(i64::from_le_bytes(*id), i64::from(i16::from_le_bytes(*count)), body);
});
