//! The user's private keys in files.

use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::sha2::{Sha256, Sha512};
use rsa::signature::{RandomizedSigner, SignatureEncoding, Signer};
use ssh_key::private::{KeypairData, RsaKeypair};
use ssh_key::public::{KeyData, RsaPublicKey};
use ssh_key::rand_core::OsRng;
use ssh_key::{HashAlg, Mpint, PrivateKey, PublicKey, Signature};

/// `SSH_AGENT_RSA_SHA2_256`, draft-ietf-sshm-ssh-agent
const SHA2_256: u32 = 2;
/// `SSH_AGENT_RSA_SHA2_512`
const SHA2_512: u32 = 4;

/// A key that can be used.
pub(crate) struct Key {
    /// Its public part, as the protocol has it.
    pub(crate) blob: Vec<u8>,
    /// Where it comes from.
    pub(crate) comment: String,
    secret: Secret,
}

enum Secret {
    Rsa(Box<RsaPrivateKey>),
    Other(Box<PrivateKey>),
}

/// What became of a file.
pub enum Loaded {
    /// A key that can be used.
    Key(Box<Usable>),
    /// A private key that cannot: why, what to do, and its public part where that can be read.
    Unusable(String, Option<Vec<u8>>),
    /// No private key.
    None,
}

/// A key that can be used, for who collects them.
pub struct Usable(pub(crate) Key);

/// Whether a file holds a private key, in whatever form. Looks for what every form begins with.
pub fn is_private(content: &[u8]) -> bool {
    const WORDS: [&[u8]; 2] = [b"PRIVATE KEY", b"PuTTY-User-Key-File"];
    WORDS.iter().any(|word| content.windows(word.len()).any(|window| window == *word))
}

/// The key in a file; `name` is what it is called.
pub fn load(content: &[u8], name: &str) -> Loaded {
    if !is_private(content) {
        return Loaded::None;
    }
    let unusable = |why: &str| Loaded::Unusable(format!("`{name}` {why}"), None);
    let Ok(text) = std::str::from_utf8(content) else { return unusable("is no key that is known here") };
    if text.contains("ENCRYPTED") {
        return unusable("has a passphrase: `ssh-add` it to your own agent before the session");
    }
    let text = text.trim_start();
    let rsa = RsaPrivateKey::from_pkcs1_pem(text).ok().or_else(|| RsaPrivateKey::from_pkcs8_pem(text).ok());
    if let Some(rsa) = rsa {
        return of_rsa(rsa, name);
    }
    let key = match PrivateKey::from_openssh(text) {
        Ok(key) => key,
        Err(_) => {
            return unusable("is in an old form: `ssh-keygen -p -f` on it writes it in the present one");
        }
    };
    let Ok(blob) = key.public_key().to_bytes() else { return unusable("has no public part") };
    if key.is_encrypted() {
        let why = format!("`{name}` has a passphrase: `ssh-add` it to your own agent before the session");
        return Loaded::Unusable(why, Some(blob));
    }
    match key.key_data() {
        KeypairData::Rsa(pair) => match components(pair) {
            Some(rsa) => of_rsa(rsa, name),
            None => unusable("is a damaged RSA key"),
        },
        KeypairData::Ed25519(_) | KeypairData::Ecdsa(_) => {
            let secret = Secret::Other(Box::new(key));
            Loaded::Key(Box::new(Usable(Key { blob, comment: name.to_owned(), secret })))
        }
        _ => unusable("needs a device or is of a kind that ssh no longer takes: use your own agent for it"),
    }
}

/// An RSA key by its numbers. (`ssh-key` 0.6 takes one prime twice.)
fn components(pair: &RsaKeypair) -> Option<RsaPrivateKey> {
    let number = |mpint: &Mpint| mpint.as_positive_bytes().map(rsa::BigUint::from_bytes_be);
    let primes = vec![number(&pair.private.p)?, number(&pair.private.q)?];
    RsaPrivateKey::from_components(
        number(&pair.public.n)?,
        number(&pair.public.e)?,
        number(&pair.private.d)?,
        primes,
    )
    .ok()
}

fn of_rsa(rsa: RsaPrivateKey, name: &str) -> Loaded {
    use rsa::traits::PublicKeyParts;
    let part = |number: &rsa::BigUint| Mpint::from_positive_bytes(&number.to_bytes_be());
    let public = part(rsa.e()).and_then(|e| Ok(RsaPublicKey { e, n: part(rsa.n())? }));
    match public.and_then(|public| PublicKey::from(KeyData::Rsa(public)).to_bytes()) {
        Ok(blob) => {
            let secret = Secret::Rsa(Box::new(rsa));
            Loaded::Key(Box::new(Usable(Key { blob, comment: name.to_owned(), secret })))
        }
        Err(_) => Loaded::Unusable(format!("`{name}` is a damaged RSA key"), None),
    }
}

impl Key {
    /// Signs; `None` where the key cannot sign as the flags ask.
    pub(crate) fn sign(&self, data: &[u8], flags: u32) -> Option<Vec<u8>> {
        let signature = match &self.secret {
            // Blinded: how long it takes says nothing of the key to a session that asks often.
            Secret::Rsa(rsa) => {
                let key = (**rsa).clone();
                let (hash, bytes) = if flags & SHA2_512 != 0 {
                    (HashAlg::Sha512, SigningKey::<Sha512>::new(key).sign_with_rng(&mut OsRng, data).to_vec())
                } else if flags & SHA2_256 != 0 {
                    (HashAlg::Sha256, SigningKey::<Sha256>::new(key).sign_with_rng(&mut OsRng, data).to_vec())
                } else {
                    // SHA-1, which no server takes by itself any more.
                    return None;
                };
                Signature::new(ssh_key::Algorithm::Rsa { hash: Some(hash) }, bytes).ok()?
            }
            Secret::Other(key) => key.key_data().try_sign(data).ok()?,
        };
        Vec::try_from(signature).ok()
    }
}

/// Fingerprint of a key or certificate, as `ssh-keygen -l` prints it.
pub(crate) fn fingerprint(blob: &[u8]) -> String {
    PublicKey::from_bytes(blob).map_or_else(
        |_| "a key of an unknown kind".to_owned(),
        |key| key.fingerprint(HashAlg::Sha256).to_string(),
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rsa::signature::Verifier;
    use ssh_key::{Algorithm, EcdsaCurve, LineEnding};

    pub(crate) fn usable(key: &PrivateKey) -> Usable {
        let text = key.to_openssh(LineEnding::LF).unwrap();
        match load(text.as_bytes(), "key") {
            Loaded::Key(key) => *key,
            _ => panic!("no key"),
        }
    }

    fn assert_signs(key: &Key, flags: u32) {
        let signature = key.sign(b"data", flags).unwrap();
        let public = PublicKey::from_bytes(&key.blob).unwrap();
        let signature = Signature::try_from(signature.as_slice()).unwrap();
        public.key_data().verify(b"data", &signature).unwrap();
        assert!(public.key_data().verify(b"other", &signature).is_err());
    }

    #[test]
    fn keys_of_each_kind_sign() {
        for curve in [EcdsaCurve::NistP256, EcdsaCurve::NistP384, EcdsaCurve::NistP521] {
            assert_signs(&usable(&PrivateKey::random(&mut OsRng, Algorithm::Ecdsa { curve }).unwrap()).0, 0);
        }
        assert_signs(&usable(&PrivateKey::random(&mut OsRng, Algorithm::Ed25519).unwrap()).0, 0);
    }

    #[test]
    fn an_rsa_key_signs_in_every_form_that_it_is_kept_in() {
        use rsa::pkcs1::EncodeRsaPrivateKey;
        use rsa::pkcs8::EncodePrivateKey;
        let rsa = RsaPrivateKey::new(&mut OsRng, 2048).unwrap();
        let old = rsa.to_pkcs1_pem(rsa::pkcs8::LineEnding::LF).unwrap();
        let pkcs8 = rsa.to_pkcs8_pem(rsa::pkcs8::LineEnding::LF).unwrap();
        let pair = ssh_key::private::RsaKeypair::try_from(rsa).unwrap();
        let new = PrivateKey::from(pair).to_openssh(LineEnding::LF).unwrap();
        let mut blobs = Vec::new();
        for text in [old.as_str(), pkcs8.as_str(), new.as_str()] {
            let Loaded::Key(key) = load(text.as_bytes(), "rsa") else { panic!("{text}") };
            assert_signs(&key.0, SHA2_256);
            assert_signs(&key.0, SHA2_512);
            assert_eq!(key.0.sign(b"data", 0), None);
            blobs.push(key.0.blob);
        }
        assert!(blobs.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn what_is_no_key_that_can_be_used_says_so() {
        assert!(matches!(load(b"Host x\n", "config"), Loaded::None));
        let why = |text: &str| match load(text.as_bytes(), "key") {
            Loaded::Unusable(why, _) => why,
            _ => panic!("{text}"),
        };
        assert!(why("-----BEGIN ENCRYPTED PRIVATE KEY-----\n").contains("passphrase"));
        assert!(why("-----BEGIN EC PRIVATE KEY-----\nx\n").contains("ssh-keygen -p"));
        assert!(is_private(b"PuTTY-User-Key-File-3: ssh-ed25519"));
    }
}
