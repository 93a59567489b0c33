//! DNS messages (RFC 1035, RFC 3596): the question, and the addresses that answer it. Bounded: every byte and every pointer
//! is the network's.

use crate::address;
use std::net::{IpAddr, Ipv4Addr};

/// Bytes of a name in presentation form, its longest (RFC 1035, 2.3.4).
const NAME_MAX: usize = 253;
/// Pointers that one name may follow. Each leads backwards, so that this bounds work and not loops.
const POINTERS_MAX: usize = 32;
/// Answer records that are read; more than fit into the largest message over UDP that is taken in.
const RECORDS_MAX: usize = 128;
/// Aliases from the question to the addresses.
const ALIASES_MAX: usize = 16;
/// Addresses that are taken from one message.
const ADDRESSES_MAX: usize = 32;

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const INTERNET: u16 = 1;
const RESPONSE: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const CODE: u16 = 0x000f;

/// A question, or the answer to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What matches an answer to its question.
    pub id: u16,
    /// It is an answer.
    pub response: bool,
    /// The name that was asked for, in lower case, without the dot of the root.
    pub question: String,
    /// Type that was asked for.
    pub kind: u16,
    /// Addresses of that name, aliases followed. None where the answer is an error, or is no address.
    pub addresses: Vec<IpAddr>,
}

/// Reads a message; `None` for what is none, asks for no host name, or does not add up. Records behind a cut are left out.
pub fn parse(bytes: &[u8]) -> Option<Message> {
    let word = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let (id, flags, questions, answers) = (word(0)?, word(2)?, word(4)?, word(6)?);
    if flags & OPCODE != 0 || questions != 1 {
        return None;
    }
    let response = flags & RESPONSE != 0;
    let (question, at) = name(bytes, 12)?;
    let (kind, class) = (word(at)?, word(at + 2)?);
    if class != INTERNET || question.is_empty() {
        return None;
    }
    let mut message = Message { id, response, question, kind, addresses: Vec::new() };
    if response && flags & CODE == 0 {
        message.addresses = addresses(bytes, at + 4, usize::from(answers), &message.question);
    }
    Some(message)
}

/// The addresses of `question` among the answer records that begin at `at`.
fn addresses(bytes: &[u8], mut at: usize, count: usize, question: &str) -> Vec<IpAddr> {
    let mut aliases: Vec<(String, String)> = Vec::new();
    let mut found: Vec<(String, IpAddr)> = Vec::new();
    for _ in 0..count.min(RECORDS_MAX) {
        let Some((record, next)) = record(bytes, at) else { break };
        at = next;
        match record {
            Record::Address(owner, ip) => found.push((owner, ip)),
            Record::Alias(owner, target) => aliases.push((owner, target)),
            Record::Other => {}
        }
    }
    let mut names = vec![question.to_owned()];
    while names.len() <= ALIASES_MAX {
        let of = |name: &String| aliases.iter().find(|(owner, _)| owner == name);
        match names.last().and_then(of) {
            Some((_, target)) if !names.contains(target) => names.push(target.clone()),
            _ => break,
        }
    }
    let mut addresses = Vec::new();
    for (owner, ip) in found {
        if names.contains(&owner) && !addresses.contains(&ip) && addresses.len() < ADDRESSES_MAX {
            addresses.push(ip);
        }
    }
    addresses
}

enum Record {
    Address(String, IpAddr),
    Alias(String, String),
    Other,
}

/// The record at `at`, and where the next one begins.
fn record(bytes: &[u8], at: usize) -> Option<(Record, usize)> {
    let (owner, at) = raw_name(bytes, at)?;
    let [kind_high, kind_low, class_high, class_low, _, _, _, _, len_high, len_low] =
        *bytes.get(at..)?.first_chunk::<10>()?;
    let (kind, class) =
        (u16::from_be_bytes([kind_high, kind_low]), u16::from_be_bytes([class_high, class_low]));
    let start = at + 10;
    let end = start + usize::from(u16::from_be_bytes([len_high, len_low]));
    let data = bytes.get(start..end)?;
    let record = match (owner, kind, class) {
        (Some(owner), A, INTERNET) => {
            let octets: [u8; 4] = data.try_into().ok()?;
            Record::Address(owner, IpAddr::V4(Ipv4Addr::from(octets)))
        }
        (Some(owner), AAAA, INTERNET) => {
            let octets: [u8; 16] = data.try_into().ok()?;
            Record::Address(owner, address::of_bytes(octets))
        }
        (Some(owner), CNAME, INTERNET) => match raw_name(bytes, start)? {
            (Some(target), after) if after <= end => Record::Alias(owner, target),
            _ => Record::Other,
        },
        _ => Record::Other,
    };
    Some((record, end))
}

/// A name that can be a host's, and where the bytes behind it begin.
fn name(bytes: &[u8], at: usize) -> Option<(String, usize)> {
    let (name, after) = raw_name(bytes, at)?;
    Some((name?, after))
}

/// A name: `None` inside where it is none that a host can have.
fn raw_name(bytes: &[u8], mut at: usize) -> Option<(Option<String>, usize)> {
    let mut text = String::new();
    let mut is_host = true;
    let mut after = None;
    let mut pointers = 0;
    loop {
        let len = usize::from(*bytes.get(at)?);
        match len {
            0 => break,
            1..=63 => {
                let label = bytes.get(at + 1..at + 1 + len)?;
                if text.len() + len + 1 > NAME_MAX + 1 {
                    return None;
                }
                if !text.is_empty() {
                    text.push('.');
                }
                is_host &= push_label(&mut text, label);
                at += 1 + len;
            }
            192..=255 => {
                let target = (len & 63) << 8 | usize::from(*bytes.get(at + 1)?);
                pointers += 1;
                if target >= at || pointers > POINTERS_MAX {
                    return None;
                }
                after.get_or_insert(at + 2);
                at = target;
            }
            _ => return None,
        }
    }
    Some((is_host.then_some(text), after.unwrap_or(at + 1)))
}

/// Appends a label in lower case; `false` where a byte is none that names of hosts and services have.
fn push_label(text: &mut String, label: &[u8]) -> bool {
    let fits = label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    text.extend(
        label.iter().map(|byte| if byte.is_ascii() { byte.to_ascii_lowercase() as char } else { '?' }),
    );
    fits
}

/// A host's name as it is compared: lower case, without the dot of the root; `None` for what can be none.
pub(crate) fn host_name(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.strip_suffix(b".").unwrap_or(bytes);
    let mut text = String::new();
    for label in bytes.split(|&byte| byte == b'.') {
        if !text.is_empty() {
            text.push('.');
        }
        if !(1..=63).contains(&label.len()) || !push_label(&mut text, label) {
            return None;
        }
    }
    (text.len() <= NAME_MAX).then_some(text)
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A message of `id`, with a question for `a.example` and answers that are written as they are.
    fn message(flags: u16, answers: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0x12, 0x34];
        bytes.extend(flags.to_be_bytes());
        bytes.extend([0, 1, 0, answers.len() as u8, 0, 0, 0, 0]);
        bytes.extend(b"\x01A\x07exaMPLE\0\0\x01\0\x01");
        answers.iter().for_each(|answer| bytes.extend(*answer));
        bytes
    }

    /// An address record whose owner is a pointer to `owner`.
    fn address(owner: u8, ip: [u8; 4]) -> Vec<u8> {
        [&[0xc0, owner, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4][..], &ip].concat()
    }

    #[test]
    fn a_question_is_read() {
        let read = parse(&message(0x0100, &[])).unwrap();
        let expected = Message {
            id: 0x1234,
            response: false,
            question: "a.example".into(),
            kind: 1,
            addresses: Vec::new(),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn aliases_lead_to_addresses_and_other_names_do_not() {
        // At byte 27: the alias, whose target `b` + pointer to `example` is at 39.
        let alias = b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01b\xc0\x0e";
        let other = b"\x01x\0\0\x01\0\x01\0\0\0\x3c\0\x04\xc6\x33\x64\x63";
        let bytes = message(
            0x8180,
            &[alias, &address(39, [198, 51, 100, 7]), other, &address(39, [198, 51, 100, 8])],
        );
        let read = parse(&bytes).unwrap();
        assert!(read.response);
        assert_eq!(read.question, "a.example");
        let expected: Vec<IpAddr> = ["198.51.100.7", "198.51.100.8"].map(|ip| ip.parse().unwrap()).into();
        assert_eq!(read.addresses, expected);
    }

    #[test]
    fn an_address_of_the_sixth_version_is_read() {
        let ip: std::net::Ipv6Addr = "2001:db8::7".parse().unwrap();
        let record = [&b"\xc0\x0c\0\x1c\0\x01\0\0\0\x3c\0\x10"[..], &ip.octets()].concat();
        assert_eq!(parse(&message(0x8180, &[&record])).unwrap().addresses, [IpAddr::V6(ip)]);
    }

    #[test]
    fn an_error_answers_nothing_and_a_lie_about_length_ends_the_reading() {
        let address = address(12, [198, 51, 100, 7]);
        assert!(parse(&message(0x8183, &[&address])).unwrap().addresses.is_empty());
        let mut cut = message(0x8180, &[&address, &address]);
        cut.truncate(cut.len() - 1);
        assert_eq!(parse(&cut).unwrap().addresses.len(), 1);
    }

    #[test]
    fn pointers_lead_backwards_only() {
        let mut bytes = message(0x0100, &[]);
        bytes.splice(12..14, [0xc0, 0x0c]);
        assert_eq!(parse(&bytes), None, "to itself");
        let forwards = b"\xc0\x30\0\x01\0\x01\0\0\0\x3c\0\x04\xc6\x33\x64\x07";
        assert!(parse(&message(0x8180, &[forwards])).unwrap().addresses.is_empty());
    }

    #[test]
    fn what_is_no_host_name_is_no_question() {
        let mut bytes = message(0x0100, &[]);
        bytes[13] = 0x1b;
        assert_eq!(parse(&bytes), None);
        assert_eq!(host_name(b"API.Example."), Some("api.example".into()));
        assert_eq!(host_name(b"a..b"), None);
        assert_eq!(host_name(b"a b"), None);
        assert_eq!(host_name(b""), None);
        assert_eq!(host_name([b'a'; 64].as_slice()), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused_or_read_within_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..1400)) {
            if let Some(message) = parse(&bytes) {
                prop_assert!(message.question.len() <= NAME_MAX);
                prop_assert!(message.addresses.len() <= ADDRESSES_MAX);
            }
        }

        #[test]
        fn a_message_with_a_changed_byte_is_refused_or_read_within_bounds(at in 0usize..90, byte: u8, pointer: u8) {
            let alias = b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01b\xc0\x0e";
            let mut bytes = message(0x8180, &[alias, &address(pointer, [198, 51, 100, 7])]);
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            if let Some(message) = parse(&bytes) {
                prop_assert!(message.addresses.len() <= 1);
            }
        }
    }
}
