//! The server name of a TLS connection (RFC 8446, 4.1.2; RFC 6066, 3), from the first bytes that its client sent. Bounded:
//! every length is the client's, and names more than there is ends the reading.

use crate::dns::host_name;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (piece, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(piece)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn word(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().copied().map(u16::from_be_bytes)
    }

    /// A vector behind a length of one byte.
    fn short(&mut self) -> Option<&'a [u8]> {
        let len = self.byte()?;
        self.take(usize::from(len))
    }

    /// A vector behind a length of two bytes.
    fn long(&mut self) -> Option<&'a [u8]> {
        let len = self.word()?;
        self.take(usize::from(len))
    }
}

/// The host that a ClientHello asks for, in lower case. The hello may be cut: what stands before the cut is read.
pub fn server_name(bytes: &[u8]) -> Option<String> {
    let mut record = Bytes(bytes);
    if record.byte()? != HANDSHAKE || record.byte()? != 3 {
        return None;
    }
    record.take(1)?;
    let len = usize::from(record.word()?);
    let mut hello = Bytes(record.0.get(..len).unwrap_or(record.0));
    if hello.byte()? != CLIENT_HELLO {
        return None;
    }
    hello.take(3 + 2 + 32)?;
    hello.short()?;
    hello.long()?;
    hello.short()?;
    hello.take(2)?;
    // Each turn takes four bytes at least.
    loop {
        let kind = hello.word()?;
        let extension = hello.long()?;
        if kind == SERVER_NAME {
            let mut list = Bytes(Bytes(extension).long()?);
            return if list.byte()? == HOST_NAME { host_name(list.long()?) } else { None };
        }
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hello(name: &[u8]) -> Vec<u8> {
        let vector = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
        let entry = vector(&[&[HOST_NAME][..], &vector(name)].concat());
        let extensions = [&b"\0\x17\0\0"[..], b"\0\0", &vector(&entry), b"\0\x2b\0\x03\x02\x03\x04"].concat();
        let body =
            [&[3, 3][..], &[7; 32], &[2, 9, 9], b"\0\x02\x13\x01", b"\x01\0", &vector(&extensions)].concat();
        let message = [&[CLIENT_HELLO, 0][..], &vector(&body)].concat();
        [&[HANDSHAKE, 3, 1][..], &vector(&message)].concat()
    }

    #[test]
    fn the_name_is_read_behind_other_extensions() {
        assert_eq!(server_name(&hello(b"API.example.org")), Some("api.example.org".into()));
    }

    #[test]
    fn a_hello_that_is_cut_behind_the_name_still_has_it() {
        let whole = hello(b"a.example");
        assert_eq!(server_name(&whole[..whole.len() - 7]), Some("a.example".into()));
        assert_eq!(server_name(&whole[..whole.len() - 8]), None);
    }

    #[test]
    fn what_is_no_host_name_is_none() {
        assert_eq!(server_name(&hello(b"a\x1b[2J")), None);
        assert_eq!(server_name(&hello(b"")), None);
        assert_eq!(server_name(b"GET / HTTP/1.1\r\n"), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..2100)) {
            prop_assert!(server_name(&bytes).is_none_or(|name| name.len() <= 253));
        }

        #[test]
        fn a_hello_with_changed_bytes_is_refused_or_read(at in 0usize..110, byte: u8, cut in 0usize..110) {
            let mut bytes = hello(b"api.example.org");
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            bytes.truncate(cut.max(at));
            prop_assert!(server_name(&bytes).is_none_or(|name| name.len() <= 253));
        }
    }
}
