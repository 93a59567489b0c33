//! The hosts that the user knows: `known_hosts`, sshd(8).

use base64ct::{Base64, Encoding};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use ssh_key::certificate::CertType;
use ssh_key::{Certificate, HashAlg, PublicKey};
use std::time::{SystemTime, UNIX_EPOCH};

/// Lines that are taken in of all files together.
const MAX_LINES: usize = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    Plain,
    Authority,
    Revoked,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    marker: Marker,
    patterns: String,
    key: Vec<u8>,
}

/// Every host in some `known_hosts` files.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    entries: Vec<Entry>,
    /// Names that may be hidden behind a hash.
    names: Vec<String>,
    /// Keys of this machine's own server.
    here: Vec<Vec<u8>>,
}

impl Hosts {
    /// None yet. `names` are hosts that the user's configuration names: a hashed entry is shown by its name when it is one
    /// of these.
    pub fn new(names: Vec<String>) -> Self {
        Self { entries: Vec::new(), names, here: Vec::new() }
    }

    /// Takes in a public key of this machine's own server: what is done there is done outside every session.
    pub fn here(&mut self, public: &str) {
        let key = public.split_ascii_whitespace().nth(1).and_then(|key| Base64::decode_vec(key).ok());
        self.here.extend(key);
    }

    /// Whether the host with this key (a plain key, or a certificate) is this machine.
    pub fn is_here(&self, host_key: &[u8]) -> bool {
        let certified = Certificate::from_bytes(host_key)
            .ok()
            .and_then(|certificate| PublicKey::from(certificate.public_key().clone()).to_bytes().ok());
        self.here.iter().any(|key| key == host_key || Some(key) == certified.as_ref())
    }

    /// Takes in a file. A line that is no entry is passed over.
    pub fn read(&mut self, text: &str) {
        let room = MAX_LINES.saturating_sub(self.entries.len());
        self.entries.extend(text.lines().take(room).filter_map(entry));
    }

    /// What the user calls the host with this key (a plain key, or a certificate); or why it is not known.
    pub fn name(&self, host_key: &[u8]) -> Result<String, &'static str> {
        match Certificate::from_bytes(host_key) {
            Ok(certificate) => self.certified(&certificate),
            Err(_) => self.plain(host_key),
        }
    }

    fn plain(&self, host_key: &[u8]) -> Result<String, &'static str> {
        let mut found = self.entries.iter().filter(|entry| entry.key == host_key);
        if found.clone().any(|entry| entry.marker == Marker::Revoked) {
            return Err("its key is marked as revoked in `known_hosts`");
        }
        let entry = found.find(|entry| entry.marker == Marker::Plain);
        entry.map(|entry| self.shown(&entry.patterns)).ok_or("no `known_hosts` of yours has its key")
    }

    fn certified(&self, certificate: &Certificate) -> Result<String, &'static str> {
        let blob =
            |key: &ssh_key::public::KeyData| PublicKey::from(key.clone()).to_bytes().unwrap_or_default();
        let (own, authority) = (blob(certificate.public_key()), blob(certificate.signature_key()));
        let is_revoked =
            |key: &[u8]| self.entries.iter().any(|entry| entry.marker == Marker::Revoked && entry.key == key);
        if is_revoked(&own) || is_revoked(&authority) {
            return Err("its key is marked as revoked in `known_hosts`");
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let signer = certificate.signature_key().fingerprint(HashAlg::Sha256);
        if certificate.cert_type() != CertType::Host || certificate.validate_at(now, [&signer]).is_err() {
            return Err("its certificate is not valid");
        }
        let vouches = |entry: &&Entry| {
            entry.marker == Marker::Authority
                && entry.key == authority
                && certificate.valid_principals().iter().any(|name| matches(&entry.patterns, name))
        };
        let found = self.entries.iter().find(vouches);
        found
            .map(|_| certificate.valid_principals().first().cloned().unwrap_or_default())
            .ok_or("no `known_hosts` of yours names who signed its certificate")
    }

    /// The first name of an entry.
    fn shown(&self, patterns: &str) -> String {
        let first = patterns.split(',').next().unwrap_or_default();
        if !first.starts_with("|1|") {
            return first.to_owned();
        }
        let name = self.names.iter().find(|name| is_hash_of(first, name));
        name.cloned().unwrap_or_else(|| "a host whose name `known_hosts` hides".to_owned())
    }
}

fn entry(line: &str) -> Option<Entry> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let mut fields = line.split_ascii_whitespace().peekable();
    let marker = match fields.next_if(|field| field.starts_with('@')) {
        None => Marker::Plain,
        Some("@cert-authority") => Marker::Authority,
        Some("@revoked") => Marker::Revoked,
        Some(_) => return None,
    };
    let (patterns, _kind, key) = (fields.next()?, fields.next()?, fields.next()?);
    Some(Entry { marker, patterns: patterns.to_owned(), key: Base64::decode_vec(key).ok()? })
}

/// `|1|SALT|HASH`: HMAC-SHA1 of the name under the salt.
fn is_hash_of(pattern: &str, name: &str) -> bool {
    let Some((salt, hash)) = pattern.strip_prefix("|1|").and_then(|rest| rest.split_once('|')) else {
        return false;
    };
    let (Ok(salt), Ok(hash)) = (Base64::decode_vec(salt), Base64::decode_vec(hash)) else { return false };
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(&salt) else { return false };
    mac.update(name.as_bytes());
    mac.verify_slice(&hash).is_ok()
}

/// Whether a name is one of comma-separated patterns, none of which excludes it: ssh_config(5), PATTERNS.
fn matches(patterns: &str, name: &str) -> bool {
    let mut found = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(excluded) if is_like(excluded.as_bytes(), name.as_bytes()) => return false,
            Some(_) => {}
            None => found |= is_hash_of(pattern, name) || is_like(pattern.as_bytes(), name.as_bytes()),
        }
    }
    found
}

/// `*` is any text, `?` any one character. Takes one pass, with one place to come back to.
pub(crate) fn is_like(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut back) = (0, 0, None);
    while let Some(character) = name.get(n) {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p + 1, n + 1));
                p += 1;
            }
            Some(&c) if c == b'?' || c.eq_ignore_ascii_case(character) => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((after, next)) = back else { return false };
                (p, n, back) = (after, next, Some((after, next + 1)));
            }
        }
    }
    pattern.iter().skip(p).all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use ssh_key::rand_core::OsRng;
    use ssh_key::{Algorithm, PrivateKey, certificate::Builder};

    fn key() -> PrivateKey {
        PrivateKey::random(&mut OsRng, Algorithm::Ed25519).unwrap()
    }

    fn blob(key: &PrivateKey) -> Vec<u8> {
        key.public_key().to_bytes().unwrap()
    }

    fn line(names: &str, key: &PrivateKey) -> String {
        format!("{names} {}\n", key.public_key().to_openssh().unwrap())
    }

    fn hosts(text: &str) -> Hosts {
        let mut hosts = Hosts::new(vec!["git.example.org".into()]);
        hosts.read(text);
        hosts
    }

    fn hashed(name: &str) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(b"twenty bytes of salt").unwrap();
        mac.update(name.as_bytes());
        let hash = Base64::encode_string(&mac.finalize().into_bytes());
        format!("|1|{}|{hash}", Base64::encode_string(b"twenty bytes of salt"))
    }

    #[test]
    fn a_host_is_known_by_its_key() {
        let (known, other) = (key(), key());
        let text = format!("# mine\n\nbroken\n{}", line("git.example.org,10.0.0.1", &known));
        assert_eq!(hosts(&text).name(&blob(&known)), Ok("git.example.org".into()));
        assert!(hosts(&text).name(&blob(&other)).is_err());
        let revoked = format!("{text}@revoked {}", line("*", &known));
        assert!(hosts(&revoked).name(&blob(&known)).unwrap_err().contains("revoked"));
        assert!(hosts(&format!("@cert-authority {}", line("*", &known))).name(&blob(&known)).is_err());
    }

    #[test]
    fn this_machine_is_known_by_its_own_keys() {
        let (own, other) = (key(), key());
        let mut hosts = hosts(&line("localhost", &own));
        assert!(!hosts.is_here(&blob(&own)));
        hosts.here(&own.public_key().to_openssh().unwrap());
        hosts.here("broken");
        assert!(hosts.is_here(&blob(&own)) && !hosts.is_here(&blob(&other)));
    }

    #[test]
    fn a_hashed_name_is_known_and_shown_where_the_configuration_names_it() {
        let known = key();
        let shown = |name: &str| hosts(&line(&hashed(name), &known)).name(&blob(&known)).unwrap();
        assert_eq!(shown("git.example.org"), "git.example.org");
        assert!(shown("other.example.org").contains("hides"));
    }

    #[test]
    fn a_certificate_is_as_good_as_who_signed_it() {
        let (authority, host) = (key(), key());
        let certificate = |kind, until, name: &str| {
            let public = host.public_key();
            let mut builder = Builder::new_with_random_nonce(&mut OsRng, public, 0, until).unwrap();
            builder.cert_type(kind).unwrap().valid_principal(name).unwrap();
            builder.sign(&authority).unwrap().to_bytes().unwrap()
        };
        let text = format!("@cert-authority {}", line("*.example.org,!bad.example.org", &authority));
        let of = |certificate: Vec<u8>| hosts(&text).name(&certificate);
        let far = 1 << 40;
        assert_eq!(of(certificate(CertType::Host, far, "a.example.org")), Ok("a.example.org".into()));
        assert!(of(certificate(CertType::User, far, "a.example.org")).is_err());
        assert!(of(certificate(CertType::Host, 1, "a.example.org")).is_err());
        assert!(of(certificate(CertType::Host, far, "bad.example.org")).is_err());
        assert!(of(certificate(CertType::Host, far, "a.example.com")).is_err());
        let fine = certificate(CertType::Host, far, "a.example.org");
        assert!(hosts(&line("*", &authority)).name(&fine).is_err());
    }

    #[test]
    fn patterns_are_those_of_ssh() {
        assert!(matches("*.example.org", "a.EXAMPLE.org") && matches("a?c,x", "abc"));
        assert!(
            !matches("*.example.org,!a.*", "a.example.org") && !matches("a", "ab") && !matches("ab", "a")
        );
        assert!(is_like(b"a*b*c", b"aXXbYYc") && !is_like(b"a*b*c", b"aXXbYY"));
    }
}
