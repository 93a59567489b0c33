//! A small Internet of its own: a network namespace whose loopback carries its addresses, a resolver that answers from a
//! list, and hosts that take every connection.

use anyhow::{Context, Result};
use datasets::network::isolate_with;
use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
use std::collections::HashMap;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The resolver that is configured.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 53);
/// One that is not.
pub const OTHER_RESOLVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 99);
/// Hosts.
pub const HOSTS: [Ipv4Addr; 6] = [
    Ipv4Addr::new(203, 0, 113, 7),
    Ipv4Addr::new(203, 0, 113, 8),
    Ipv4Addr::new(203, 0, 113, 9),
    Ipv4Addr::new(203, 0, 113, 10),
    Ipv4Addr::new(203, 0, 113, 11),
    Ipv4Addr::new(203, 0, 113, 66),
];
/// The port at which every host listens.
pub const PORT: u16 = 8443;
/// Before the answer for a name below this one comes a forged one, with [`FORGED`].
pub const FORGED_ZONE: &str = "forged.example";
/// What forged answers say.
pub const FORGED: Ipv4Addr = HOSTS[5];

type Zone = Arc<Mutex<HashMap<String, Vec<Ipv4Addr>>>>;

/// The names that resolvers know. Its threads live as long as the test's process; nothing waits for them.
pub struct Internet {
    zone: Zone,
    /// Holds the file that stands for `/etc/resolv.conf`.
    _directory: tempfile::TempDir,
}

impl Internet {
    /// Moves the calling thread and everything that it starts into a new one. Needs root.
    pub fn enter() -> Result<Self> {
        Self::enter_with(&[])
    }

    /// The same, with hosts beside its own.
    pub fn enter_with(more: &[Ipv4Addr]) -> Result<Self> {
        let mut addresses = vec![RESOLVER, OTHER_RESOLVER];
        addresses.extend(HOSTS);
        addresses.extend(more);
        isolate_with(&addresses)?;
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?;
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        let directory = tempfile::Builder::new().prefix("wardline-test-internet-").tempdir()?;
        let configuration = directory.path().join("resolv.conf");
        std::fs::write(&configuration, format!("nameserver {RESOLVER}\noptions timeout:1 attempts:2\n"))?;
        let etc = std::path::Path::new("/etc/resolv.conf");
        if !etc.exists() {
            std::fs::write(etc, "")?;
        }
        mount_bind(&configuration, etc).context("/etc/resolv.conf cannot be covered")?;
        let zone = Zone::default();
        for resolver in [RESOLVER, OTHER_RESOLVER] {
            let socket = UdpSocket::bind((resolver, 53))?;
            let zone = Arc::clone(&zone);
            thread::spawn(move || resolve(&socket, &zone));
        }
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
        thread::spawn(move || take(&listener));
        Ok(Self { zone, _directory: directory })
    }

    /// From now on a name has these addresses.
    pub fn set(&self, name: &str, addresses: &[Ipv4Addr]) {
        let mut zone = self.zone.lock().unwrap_or_else(PoisonError::into_inner);
        zone.insert(name.to_owned(), addresses.to_vec());
    }
}

/// Takes connections, reads what comes first, and hangs up.
fn take(listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        thread::spawn(move || {
            let mut stream = stream;
            let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
            let _ = stream.read(&mut [0; 4096]);
        });
    }
}

fn resolve(socket: &UdpSocket, zone: &Zone) {
    let mut bytes = [0; 1500];
    while let Ok((len, from)) = socket.recv_from(&mut bytes) {
        let _ = answer(socket, zone, bytes.get(..len).unwrap_or_default(), from);
    }
}

/// Answers one question; `None` for what is none.
fn answer(socket: &UdpSocket, zone: &Zone, query: &[u8], from: SocketAddr) -> Option<()> {
    let (name, kind, question) = question(query)?;
    let known = zone.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
    let id: [u8; 2] = query.get(..2)?.try_into().ok()?;
    if name.ends_with(FORGED_ZONE) && kind == 1 {
        // With another number, from the right resolver; and with the right number, from a host that was not asked.
        let wrong = u16::from_be_bytes(id).wrapping_add(1).to_be_bytes();
        socket.send_to(&message(wrong, question, Some(&[FORGED])), from).ok()?;
        let forger = UdpSocket::bind((FORGED, 53)).ok()?;
        forger.send_to(&message(id, question, Some(&[FORGED])), from).ok()?;
    }
    let addresses = known.as_deref().map(|all| if kind == 1 { all } else { &[] });
    socket.send_to(&message(id, question, addresses), from).ok()?;
    Some(())
}

/// The name, the type, and the bytes of the question.
fn question(query: &[u8]) -> Option<(String, u16, &[u8])> {
    let mut at = 12;
    let mut labels = Vec::new();
    loop {
        let len = usize::from(*query.get(at)?);
        if len == 0 {
            break;
        }
        labels.push(String::from_utf8(query.get(at + 1..at + 1 + len)?.to_ascii_lowercase()).ok()?);
        at += 1 + len;
    }
    let kind = u16::from_be_bytes(query.get(at + 1..at + 3)?.try_into().ok()?);
    Some((labels.join("."), kind, query.get(12..at + 5)?))
}

/// An answer with these addresses; `None`: there is no such name.
fn message(id: [u8; 2], question: &[u8], addresses: Option<&[Ipv4Addr]>) -> Vec<u8> {
    let found = addresses.unwrap_or_default();
    let code = if addresses.is_some() { 0 } else { 3 };
    let mut message = id.to_vec();
    message.extend([0x81, 0x80 | code, 0, 1, 0, found.len() as u8, 0, 0, 0, 0]);
    message.extend(question);
    for address in found {
        message.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04");
        message.extend(address.octets());
    }
    message
}
