//! The agent of a session: the keys behind it, and who decides about each signature.

use crate::hosts::Hosts;
use crate::key::{self, Key, Loaded, Usable};
use crate::{Use, message};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long another agent may take: it may ask its user.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long it may take to say which keys it has.
const LISTING: Duration = Duration::from_secs(5);

/// The keys that a session may use.
#[derive(Default)]
pub struct Keys {
    own: Vec<Key>,
    agents: Vec<PathBuf>,
}

/// A key, and who has it.
pub(crate) struct Found<'k> {
    pub(crate) blob: Vec<u8>,
    pub(crate) comment: String,
    holder: Holder<'k>,
}

enum Holder<'k> {
    Own(&'k Key),
    Agent(&'k Path),
}

impl Keys {
    /// Takes in a private key that was read from a file.
    pub fn add(&mut self, content: &[u8], name: &str) -> Loaded {
        match key::load(content, name) {
            Loaded::Key(key) => {
                let Usable(key) = *key;
                if !self.own.iter().any(|own| own.blob == key.blob) {
                    self.own.push(key);
                }
                Loaded::None
            }
            other => other,
        }
    }

    /// Stands before another agent of the user.
    pub fn stand_before(&mut self, socket: PathBuf) {
        self.agents.push(socket);
    }

    /// Whether there is neither a key nor another agent that is there.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && !self.agents.iter().any(|socket| socket.exists())
    }

    /// Whether one of the keys has this public part.
    pub fn has(&self, blob: &[u8]) -> bool {
        self.list().iter().any(|key| key.blob == blob)
    }

    /// Every key, each once. Another agent's come first: it may ask its user before each use.
    pub(crate) fn list(&self) -> Vec<Found<'_>> {
        let mut found: Vec<Found<'_>> = Vec::new();
        for socket in &self.agents {
            let listed = ask(socket, None, &message::list(), LISTING)
                .ok()
                .and_then(|answer| message::parse_identities(&answer).ok());
            for (blob, comment) in listed.unwrap_or_default() {
                if !found.iter().any(|found| found.blob == blob) {
                    found.push(Found { blob, comment, holder: Holder::Agent(socket) });
                }
            }
        }
        for key in &self.own {
            if !found.iter().any(|found| found.blob == key.blob) {
                let (blob, comment) = (key.blob.clone(), key.comment.clone());
                found.push(Found { blob, comment, holder: Holder::Own(key) });
            }
        }
        found
    }
}

impl Found<'_> {
    /// Signs. `bind` is the request that bound the connection, which another agent may want to know.
    pub(crate) fn sign(&self, data: &[u8], flags: u32, bind: Option<&[u8]>) -> Option<Vec<u8>> {
        match self.holder {
            Holder::Own(key) => key.sign(data, flags).map(|signature| message::signature(&signature)),
            Holder::Agent(socket) => {
                let request = message::sign(&self.blob, data, flags);
                ask(socket, bind, &request, PATIENCE).ok().filter(|answer| message::is_signature(answer))
            }
        }
    }
}

/// Asks another agent, on a connection of its own. What is said first is answered first, and need not be understood.
fn ask(socket: &Path, first: Option<&[u8]>, request: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let mut answer = Vec::new();
    for message in first.into_iter().chain([request]) {
        message::write_message(&mut stream, message)?;
        answer = message::read_message(&mut stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    }
    Ok(answer)
}

/// One session's agent.
pub struct Agent {
    pub(crate) keys: Keys,
    pub(crate) hosts: Hosts,
    tell: Box<dyn Fn(Use) + Send + Sync>,
}

impl Agent {
    /// With these keys, for these hosts; each use is told.
    pub fn new(keys: Keys, hosts: Hosts, tell: Box<dyn Fn(Use) + Send + Sync>) -> Self {
        Self { keys, hosts, tell }
    }

    pub(crate) fn tell(&self, used: Use) {
        (self.tell)(used);
    }
}
