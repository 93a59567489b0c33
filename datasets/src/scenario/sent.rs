//! Recognises secrets in received data, plain or encoded.
#![expect(clippy::indexing_slicing, reason = "the digits were counted in the same label")]

use crate::Arrival;
use std::collections::BTreeMap;

/// The shortest run of letters that is taken for an encoding.
const SHORTEST: usize = 8;

/// All readings of what arrived: as it came; every run of hexadecimal or base64 digits decoded; and what each host was
/// told piece by piece, in names that were asked for.
pub(super) fn readings(arrivals: &[Arrival]) -> Vec<Vec<u8>> {
    let mut readings = Vec::new();
    let mut pieces: BTreeMap<_, Vec<u8>> = BTreeMap::new();
    for arrival in arrivals {
        readings.push(arrival.bytes.clone());
        pieces.entry(arrival.host).or_default().extend(piece(&arrival.said));
    }
    let whole: Vec<u8> = readings.concat();
    readings.extend(runs(&whole, |byte| byte.is_ascii_hexdigit()).iter().filter_map(|run| hex(run)));
    readings.extend(runs(&whole, is_base64).iter().map(|run| base64(run)));
    readings.extend(pieces.into_values());
    readings
}

/// What the name says that was asked for: the hexadecimal digits at the end of a path's last part, of a value, or of a
/// domain's first label.
fn piece(said: &[u8]) -> Vec<u8> {
    let line = said.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let last = line.rsplit(|byte| matches!(byte, b'/' | b'=')).next().unwrap_or_default();
    let label = last.split(|&byte| byte == b'.').next().unwrap_or_default();
    let digits = label.iter().rev().take_while(|byte| byte.is_ascii_hexdigit()).count();
    hex(&label[label.len() - digits..]).unwrap_or_default()
}

/// The longest runs of bytes of a kind. Ends of lines inside a run do not end it.
fn runs(bytes: &[u8], of_kind: impl Fn(u8) -> bool) -> Vec<Vec<u8>> {
    let mut runs = Vec::new();
    let mut run = Vec::new();
    for &byte in bytes {
        if of_kind(byte) {
            run.push(byte);
        } else if byte != b'\n' {
            runs.push(std::mem::take(&mut run));
        }
    }
    runs.push(run);
    runs.retain(|run| run.len() >= SHORTEST);
    runs
}

fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    let pairs = digits.chunks_exact(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.remainder().is_empty().then(|| pairs.filter_map(byte).collect())
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

/// RFC 4648, 4, without padding; digits that are none end it.
fn base64(digits: &[u8]) -> Vec<u8> {
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for &digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            #[expect(clippy::cast_possible_truncation, reason = "the lowest eight bits are the next byte")]
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, SocketAddrV4};

    fn arrival(said: &str) -> Arrival {
        let host = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 53);
        Arrival { at_ns: 0, host, bytes: said.into(), said: said.into() }
    }

    fn is_read(arrivals: &[Arrival], secret: &[u8]) -> bool {
        readings(arrivals).iter().any(|reading| reading.windows(secret.len()).any(|window| window == secret))
    }

    #[test]
    fn a_secret_is_read_plain_and_encoded() {
        assert!(is_read(&[arrival("x=the-secret-bytes&y")], b"the-secret-bytes"));
        assert!(is_read(&[arrival("{\"x\":\"dGhlLXNlY3JldC1i\neXRlcw==\"}")], b"the-secret-bytes"));
        assert!(is_read(&[arrival("{\"x\":\"7468652d736563726574\"}")], b"the-secret"));
        assert!(!is_read(&[arrival("7468652d73656372657")], b"the-secret"));
    }

    #[test]
    fn a_secret_is_read_that_was_told_letter_by_letter() {
        let letters = ["x-74.git", "x-68.git", "x-65.git"].map(arrival);
        assert!(is_read(&letters, b"the"));
        assert!(is_read(&["74686.t.example", "7468.t.example", "65.t.example"].map(arrival), b"the"));
    }
}
