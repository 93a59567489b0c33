//! Requests for signatures: RFC 4252, section 7; `publickey-hostbound-v00@openssh.com` of OpenSSH's PROTOCOL; and OpenSSH's
//! PROTOCOL.sshsig. Anything else is signed for nobody.

use crate::wire::{Malformed, Reader};
use ssh_key::Certificate;

/// SSH_MSG_USERAUTH_REQUEST
const USERAUTH_REQUEST: u8 = 50;
const SSHSIG: &[u8] = b"SSHSIG";

/// The meaning of data to be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning<'a> {
    /// To log in over the connection with this session identifier.
    Login {
        session: &'a [u8],
        /// The key, or a certificate of it.
        key: &'a [u8],
        /// The host's key, where the method names it.
        host_key: Option<&'a [u8]>,
    },
    /// A message, signed for one kind of use.
    Message { namespace: &'a [u8] },
}

impl<'a> Meaning<'a> {
    pub(crate) fn of(data: &'a [u8]) -> Result<Self, Malformed> {
        match data.strip_prefix(SSHSIG) {
            Some(rest) => message(rest),
            None => login(data),
        }
    }
}

fn message(rest: &[u8]) -> Result<Meaning<'_>, Malformed> {
    let mut reader = Reader(rest);
    let namespace = reader.string()?;
    let (_reserved, _hash_algorithm, _hash) = (reader.string()?, reader.string()?, reader.string()?);
    reader.end()?;
    Ok(Meaning::Message { namespace })
}

fn login(data: &[u8]) -> Result<Meaning<'_>, Malformed> {
    let mut reader = Reader(data);
    let session = reader.string()?;
    let number = reader.byte()?;
    let (_user, service, method) = (reader.string()?, reader.string()?, reader.string()?);
    let signed = reader.boolean()?;
    let (_algorithm, key) = (reader.string()?, reader.string()?);
    let host_key = match method {
        b"publickey" => None,
        b"publickey-hostbound-v00@openssh.com" => Some(reader.string()?),
        _ => return Err(Malformed),
    };
    reader.end()?;
    if session.is_empty() || number != USERAUTH_REQUEST || service != b"ssh-connection" || !signed {
        return Err(Malformed);
    }
    Ok(Meaning::Login { session, key, host_key })
}

/// Whether `named`, as the data names it, is `key`: the key itself, or a certificate of it.
pub(crate) fn is_key(named: &[u8], key: &[u8]) -> bool {
    if named == key {
        return true;
    }
    let Ok(certificate) = Certificate::from_bytes(named) else { return false };
    ssh_key::PublicKey::from(certificate.public_key().clone()).to_bytes().is_ok_and(|plain| plain == key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::put;

    fn login_data(service: &[u8], method: &[u8], signed: u8, more: &[&[u8]]) -> Vec<u8> {
        let mut data = Vec::new();
        put(&mut data, b"session");
        data.push(USERAUTH_REQUEST);
        put(&mut data, b"git");
        put(&mut data, service);
        put(&mut data, method);
        data.push(signed);
        put(&mut data, b"ssh-ed25519");
        put(&mut data, b"key");
        more.iter().for_each(|more| put(&mut data, more));
        data
    }

    #[test]
    fn a_login_is_one_to_the_last_byte() {
        let plain = login_data(b"ssh-connection", b"publickey", 1, &[]);
        let meaning = Meaning::Login { session: b"session", key: b"key", host_key: None };
        assert_eq!(Meaning::of(&plain), Ok(meaning));
        let bound = login_data(b"ssh-connection", b"publickey-hostbound-v00@openssh.com", 1, &[b"host"]);
        let meaning = Meaning::Login { session: b"session", key: b"key", host_key: Some(b"host") };
        assert_eq!(Meaning::of(&bound), Ok(meaning));
        for wrong in [
            login_data(b"ssh-other", b"publickey", 1, &[]),
            login_data(b"ssh-connection", b"password", 1, &[]),
            login_data(b"ssh-connection", b"publickey", 0, &[]),
            login_data(b"ssh-connection", b"publickey", 1, &[b"more"]),
            plain[..plain.len() - 1].to_vec(),
            b"anything".to_vec(),
            Vec::new(),
        ] {
            assert_eq!(Meaning::of(&wrong), Err(Malformed));
        }
    }

    #[test]
    fn a_message_says_what_it_is_for() {
        let mut data = SSHSIG.to_vec();
        for part in [&b"git"[..], b"", b"sha512", b"hash"] {
            put(&mut data, part);
        }
        assert_eq!(Meaning::of(&data), Ok(Meaning::Message { namespace: b"git" }));
        assert_eq!(Meaning::of(&data[..data.len() - 1]), Err(Malformed));
    }
}
