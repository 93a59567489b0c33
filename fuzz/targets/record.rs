//! Ring records: any bytes are refused or read, and joined to operations.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    collector::fuzz::records(bytes);
});
