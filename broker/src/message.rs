//! Messages of the ssh-agent protocol (draft-ietf-sshm-ssh-agent, and OpenSSH's PROTOCOL.agent).

use crate::wire::{Malformed, Reader, put, put_count};
use std::io::{self, Read, Write};

/// Bytes of the longest message: OpenSSH's own agent takes as many.
pub const MAX_MESSAGE: usize = 256 << 10;
/// Keys of another agent that are taken in.
const MAX_KEYS: u32 = 2048;

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const EXTENSION: u8 = 27;
const SUCCESS: u8 = 6;
const SESSION_BIND: &[u8] = b"session-bind@openssh.com";

/// A request, as far as any is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    /// Which keys there are.
    List,
    /// A signature.
    Sign { key: &'a [u8], data: &'a [u8], flags: u32 },
    /// Which connection to which host the next signatures are for, proven by the host.
    Bind { host_key: &'a [u8], session: &'a [u8], signature: &'a [u8], forwarding: bool },
    /// Anything else: adding, removing, locking, extensions.
    Other(u8),
}

impl<'a> Request<'a> {
    pub(crate) fn parse(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(message);
        let request = match reader.byte()? {
            REQUEST_IDENTITIES => Request::List,
            SIGN_REQUEST => {
                Request::Sign { key: reader.string()?, data: reader.string()?, flags: reader.uint32()? }
            }
            EXTENSION if reader.string()? == SESSION_BIND => Request::Bind {
                host_key: reader.string()?,
                session: reader.string()?,
                signature: reader.string()?,
                forwarding: reader.boolean()?,
            },
            number => return Ok(Request::Other(number)),
        };
        reader.end()?;
        Ok(request)
    }

    /// What a request that is not served would have done, for people.
    pub(crate) fn deed(number: u8) -> Option<&'static str> {
        match number {
            17 | 25 | 20 | 26 => Some("add a key"),
            18 | 19 | 21 => Some("remove keys"),
            22 | 23 => Some("lock or unlock it"),
            _ => None,
        }
    }
}

pub(crate) fn failure() -> Vec<u8> {
    vec![FAILURE]
}

/// Whether an answer refuses.
pub fn is_failure(answer: &[u8]) -> bool {
    answer.first() == Some(&FAILURE)
}

pub(crate) fn success() -> Vec<u8> {
    vec![SUCCESS]
}

pub(crate) fn list() -> Vec<u8> {
    vec![REQUEST_IDENTITIES]
}

pub(crate) fn sign(key: &[u8], data: &[u8], flags: u32) -> Vec<u8> {
    let mut out = vec![SIGN_REQUEST];
    put(&mut out, key);
    put(&mut out, data);
    out.extend_from_slice(&flags.to_be_bytes());
    out
}

pub(crate) fn identities<'k>(keys: impl ExactSizeIterator<Item = (&'k [u8], &'k str)>) -> Vec<u8> {
    let mut out = vec![IDENTITIES_ANSWER];
    put_count(&mut out, keys.len());
    for (blob, comment) in keys {
        put(&mut out, blob);
        put(&mut out, comment.as_bytes());
    }
    out
}

pub(crate) fn signature(signature: &[u8]) -> Vec<u8> {
    let mut out = vec![SIGN_RESPONSE];
    put(&mut out, signature);
    out
}

/// The keys in another agent's answer, each with its comment.
pub(crate) fn parse_identities(message: &[u8]) -> Result<Vec<(Vec<u8>, String)>, Malformed> {
    let mut reader = Reader(message);
    if reader.byte()? != IDENTITIES_ANSWER {
        return Err(Malformed);
    }
    let count = reader.uint32()?;
    if count > MAX_KEYS {
        return Err(Malformed);
    }
    (0..count)
        .map(|_| Ok((reader.string()?.to_vec(), String::from_utf8_lossy(reader.string()?).into_owned())))
        .collect()
}

/// Whether another agent's answer is a signature.
pub(crate) fn is_signature(message: &[u8]) -> bool {
    message.first() == Some(&SIGN_RESPONSE)
}

/// Reads one message; `None`: the other side hung up between two.
pub fn read_message(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    if stream.read(&mut length[..1])? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[1..])?;
    let length = u32::from_be_bytes(length) as usize;
    if length == 0 || length > MAX_MESSAGE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message)?;
    Ok(Some(message))
}

/// Writes one message.
pub fn write_message(stream: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let mut framed = Vec::with_capacity(4 + message.len());
    put(&mut framed, message);
    stream.write_all(&framed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_served_is_told_apart_from_what_is_malformed() {
        assert_eq!(Request::parse(&list()), Ok(Request::List));
        let sign = sign(b"key", b"data", 4);
        assert_eq!(Request::parse(&sign), Ok(Request::Sign { key: b"key", data: b"data", flags: 4 }));
        for cut in 1..sign.len() {
            assert_eq!(Request::parse(&sign[..cut]), Err(Malformed));
        }
        assert_eq!(Request::parse(&[17, 1, 2]), Ok(Request::Other(17)));
        assert_eq!(Request::parse(&[]), Err(Malformed));
        let mut trailing = list();
        trailing.push(0);
        assert_eq!(Request::parse(&trailing), Err(Malformed));
    }

    #[test]
    fn a_message_arrives_as_it_was_sent_and_one_that_is_too_long_does_not() {
        let mut stream = Vec::new();
        write_message(&mut stream, b"x").unwrap();
        assert_eq!(read_message(&mut stream.as_slice()).unwrap().unwrap(), b"x");
        assert!(read_message(&mut &[0xff; 16][..]).is_err());
        assert!(read_message(&mut &[][..]).unwrap().is_none());
    }

    #[test]
    fn as_many_keys_as_are_said_must_be_there() {
        let answer = identities([(&b"blob"[..], "me")].into_iter());
        assert_eq!(parse_identities(&answer).unwrap(), [(b"blob".to_vec(), "me".to_owned())]);
        assert!(parse_identities(&[IDENTITIES_ANSWER, 0xff, 0xff, 0xff, 0xff]).is_err());
        assert!(parse_identities(&failure()).is_err());
    }
}
