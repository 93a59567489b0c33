//! Frames of the control socket, as anybody may send them, with and without a right head.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::io::Write;
use std::os::unix::net::UnixStream;
use wire::{MAX_REQUEST_BYTES, PROTOCOL, Reply, Request, receive};

/// What a socket's buffer takes without a reader.
const BODY_MAX: usize = 64 << 10;

fuzz_target!(|bytes: &[u8]| {
    let body = &bytes[..bytes.len().min(BODY_MAX)];
    let mut framed = b"WL".to_vec();
    framed.extend_from_slice(&PROTOCOL.to_le_bytes());
    framed.extend_from_slice(&u32::try_from(body.len()).unwrap_or(0).to_le_bytes());
    framed.extend_from_slice(body);
    for sent in [body, framed.as_slice()] {
        for as_request in [true, false] {
            let (mut other, own) = UnixStream::pair().expect("a pair of sockets");
            other.write_all(sent).expect("room in the socket");
            drop(other);
            if as_request {
                let _ = receive::<Request>(&own, MAX_REQUEST_BYTES);
            } else {
                let _ = receive::<Reply>(&own, MAX_REQUEST_BYTES);
            }
        }
    }
});
