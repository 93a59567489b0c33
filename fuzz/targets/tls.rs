//! Any first bytes of a connection.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(name) = collector::tls::server_name(bytes) {
        let host = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        assert!((1..=253).contains(&name.len()) && name.bytes().all(host), "{name}");
    }
});
