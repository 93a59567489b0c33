//! Any packet from port 53.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(message) = collector::dns::parse(bytes) {
        let host = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        assert!(message.question.len() <= 253 && message.question.bytes().all(host), "{message:?}");
        assert!(message.addresses.len() <= 32 && (message.response || message.addresses.is_empty()));
    }
});
