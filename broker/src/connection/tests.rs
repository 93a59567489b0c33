use super::*;
use crate::agent::Keys;
use crate::hosts::Hosts;
use crate::message::{failure, is_signature, success};
use crate::wire::put;
use rsa::signature::Signer;
use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, LineEnding, PrivateKey};
use std::sync::{Arc, Mutex};

struct Scene {
    agent: Agent,
    user: PrivateKey,
    host: PrivateKey,
    told: Arc<Mutex<Vec<Use>>>,
}

fn key() -> PrivateKey {
    PrivateKey::random(&mut OsRng, Algorithm::Ed25519).unwrap()
}

fn blob(key: &PrivateKey) -> Vec<u8> {
    key.public_key().to_bytes().unwrap()
}

fn scene() -> Scene {
    let (user, host) = (key(), key());
    let mut keys = Keys::default();
    keys.add(user.to_openssh(LineEnding::LF).unwrap().as_bytes(), "id_ed25519");
    let mut hosts = Hosts::new(Vec::new());
    hosts.read(&format!("git.example.org {}\n", host.public_key().to_openssh().unwrap()));
    let told: Arc<Mutex<Vec<Use>>> = Arc::default();
    let telling = told.clone();
    let agent = Agent::new(keys, hosts, Box::new(move |used| telling.lock().unwrap().push(used)));
    Scene { agent, user, host, told }
}

fn bind(host: &PrivateKey, session: &[u8], signed: &[u8], forwarding: bool) -> Vec<u8> {
    let mut out = vec![27];
    put(&mut out, b"session-bind@openssh.com");
    put(&mut out, &blob(host));
    put(&mut out, session);
    put(&mut out, &Vec::try_from(host.key_data().try_sign(signed).unwrap()).unwrap());
    out.push(u8::from(forwarding));
    out
}

fn login(session: &[u8], key: &[u8], host_key: Option<&[u8]>) -> Vec<u8> {
    let mut data = Vec::new();
    put(&mut data, session);
    data.push(50);
    put(&mut data, b"git");
    put(&mut data, b"ssh-connection");
    put(&mut data, if host_key.is_some() { b"publickey-hostbound-v00@openssh.com" } else { b"publickey" });
    data.push(1);
    put(&mut data, b"ssh-ed25519");
    put(&mut data, key);
    if let Some(host_key) = host_key {
        put(&mut data, host_key);
    }
    data
}

fn message(namespace: &[u8]) -> Vec<u8> {
    let mut data = b"SSHSIG".to_vec();
    for part in [namespace, b"", b"sha512", &[7; 64]] {
        put(&mut data, part);
    }
    data
}

impl Scene {
    /// Sends messages on one connection; the last one's answer.
    fn ask(&self, messages: &[Vec<u8>]) -> Vec<u8> {
        let mut connection = Connection::new(&self.agent);
        messages.iter().fold(Vec::new(), |_, message| connection.answer(message))
    }

    fn sign(&self, data: &[u8]) -> Vec<u8> {
        message::sign(&blob(&self.user), data, 0)
    }

    /// Why the last request was refused, if it was.
    fn refused(&self) -> Option<String> {
        self.told.lock().unwrap().last().and_then(|used| used.refused.clone())
    }
}

#[test]
fn a_login_to_a_known_host_is_signed_and_told() {
    let scene = scene();
    let bound = bind(&scene.host, b"session", b"session", false);
    assert_eq!(scene.ask(std::slice::from_ref(&bound)), success());
    let host_key = blob(&scene.host);
    for host_key in [None, Some(host_key.as_slice())] {
        let data = login(b"session", &blob(&scene.user), host_key);
        let answer = scene.ask(&[bound.clone(), scene.sign(&data)]);
        assert!(is_signature(&answer));
        let mut reader = crate::wire::Reader(&answer[1..]);
        let signature = Signature::try_from(reader.string().unwrap()).unwrap();
        scene.user.public_key().key_data().verify(&data, &signature).unwrap();
    }
    let told = scene.told.lock().unwrap();
    assert_eq!((told[0].purpose.as_str(), told[0].host.as_str()), ("ssh", "git.example.org"));
    assert!(told.len() == 2 && told.iter().all(|used| used.refused.is_none()), "{told:?}");
    assert!(told[0].key.starts_with("SHA256:") && told[0].key.contains("id_ed25519"));
}

/// A word of the reason, what is said before, and what is to be signed.
type Case<'a> = (&'a str, Vec<Vec<u8>>, &'a [u8]);

#[test]
fn a_login_that_no_known_host_vouches_for_is_not_signed() {
    let scene = scene();
    let user = blob(&scene.user);
    let stranger = key();
    let data = login(b"session", &user, None);
    let good = bind(&scene.host, b"session", b"session", false);
    let other_key = login(b"session", &blob(&stranger), None);
    let other_host = blob(&stranger);
    let other_host = login(b"session", &user, Some(&other_host));
    let cases: [Case; 8] = [
        ("unbound", vec![], &data),
        ("stranger", vec![bind(&stranger, b"session", b"session", false)], &data),
        ("unsigned", vec![bind(&scene.host, b"session", b"another", false)], &data),
        ("forwarded", vec![bind(&scene.host, b"session", b"session", true)], &data),
        ("twice", vec![good.clone(), bind(&scene.host, b"more", b"more", false)], &data),
        ("other session", vec![good.clone()], &login(b"another", &user, None)),
        ("other key", vec![good.clone()], &other_key),
        ("other host", vec![good], &other_host),
    ];
    for (name, mut messages, data) in cases {
        messages.push(scene.sign(data));
        assert_eq!(scene.ask(&messages), failure(), "{name}");
        assert!(scene.refused().is_some(), "{name}");
    }
}

#[test]
fn commits_are_signed_and_nothing_else() {
    let scene = scene();
    assert!(is_signature(&scene.ask(&[scene.sign(&message(b"git"))])));
    for data in [message(b"file"), message(b""), b"anything".to_vec(), Vec::new()] {
        assert_eq!(scene.ask(&[scene.sign(&data)]), failure());
        assert!(scene.refused().is_some());
    }
    // Whoever has it forwarded gets no signature of any kind.
    let forwarded = bind(&scene.host, b"session", b"session", true);
    assert_eq!(scene.ask(&[forwarded, scene.sign(&message(b"git"))]), failure());
}

#[test]
fn nothing_is_taken_from_the_session() {
    let scene = scene();
    for number in [17, 18, 19, 20, 21, 22, 23, 25, 26] {
        assert_eq!(scene.ask(&[vec![number, 0, 0, 0, 0]]), failure(), "{number}");
    }
    assert_eq!(scene.told.lock().unwrap().len(), 9);
    let keys = message::parse_identities(&scene.ask(&[message::list()])).unwrap();
    assert_eq!(keys, [(blob(&scene.user), "id_ed25519".to_owned())]);
    let unknown = message::sign(&blob(&key()), &message(b"git"), 0);
    assert_eq!(scene.ask(&[unknown]), failure());
}
