//! A session's messages to its ssh-agent and towards gpg's: framed messages, and lines. Nothing of either is signed without
//! a key.
#![no_main]

use broker::gpg::Filter;
use broker::{Agent, Connection, Hosts, Keys, read_message};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut hosts = Hosts::new(vec!["git.example.org".into()]);
    hosts.read(&String::from_utf8_lossy(bytes));
    let agent = Agent::new(Keys::default(), hosts, Box::new(|_| ()));
    let mut connection = Connection::new(&agent);
    let mut rest = bytes;
    while let Ok(Some(message)) = read_message(&mut rest) {
        const SIGN_RESPONSE: u8 = 14;
        assert_ne!(connection.answer(&message).first(), Some(&SIGN_RESPONSE));
    }
    let mut filter = Filter::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        filter.line(line);
    }
});
