//! One connection of a session to its agent: bound to a host first, by the host's own signature, and then only good for
//! logging in there.

use crate::agent::Agent;
use crate::message::{self, Request};
use crate::signing::{Meaning, is_key};
use crate::{Use, key};
use rsa::signature::Verifier;
use ssh_key::public::KeyData;
use ssh_key::{Certificate, PublicKey, Signature};

/// What messages are signed for, without a host: commits and tags of git.
const NAMESPACE: &[u8] = b"git";

/// A connection to a host: the key that the host proved, and the session identifier that it signed.
struct Bound {
    host_key: Vec<u8>,
    session: Vec<u8>,
    /// The request, for another agent that wants to know.
    request: Vec<u8>,
}

enum Binding {
    None,
    To(Bound),
    /// Somebody tried to forward the agent, or to bind it twice: nothing is signed any more.
    Spoiled,
}

/// A connection.
pub struct Connection<'a> {
    agent: &'a Agent,
    binding: Binding,
}

impl<'a> Connection<'a> {
    /// A new one.
    pub fn new(agent: &'a Agent) -> Self {
        Self { agent, binding: Binding::None }
    }

    /// The answer to a message.
    pub fn answer(&mut self, message: &[u8]) -> Vec<u8> {
        let Ok(request) = Request::parse(message) else { return message::failure() };
        match request {
            Request::List => {
                let keys = self.agent.keys.list();
                message::identities(keys.iter().map(|key| (key.blob.as_slice(), key.comment.as_str())))
            }
            Request::Sign { key, data, flags } => {
                self.sign(key, data, flags).unwrap_or_else(message::failure)
            }
            Request::Bind { host_key, session, signature, forwarding } => {
                if self.bind(host_key, session, signature, forwarding, message) {
                    message::success()
                } else {
                    message::failure()
                }
            }
            Request::Other(number) => {
                if let Some(deed) = Request::deed(number) {
                    let why = format!(
                        "a session cannot {deed}: do it with your own agent, outside the session, before it begins"
                    );
                    self.refuse("agent", String::new(), String::new(), why);
                }
                message::failure()
            }
        }
    }

    fn bind(
        &mut self,
        host_key: &[u8],
        session: &[u8],
        signature: &[u8],
        forwarding: bool,
        request: &[u8],
    ) -> bool {
        let is_first = matches!(self.binding, Binding::None);
        if forwarding || !is_first || session.is_empty() || !is_signed(host_key, session, signature) {
            self.binding = Binding::Spoiled;
            if forwarding {
                let why = "the agent is not forwarded to other hosts: leave `ForwardAgent` (`ssh -A`) off";
                self.refuse("agent", String::new(), String::new(), why.to_owned());
            }
            return false;
        }
        self.binding = Binding::To(Bound {
            host_key: host_key.to_vec(),
            session: session.to_vec(),
            request: request.to_vec(),
        });
        true
    }

    fn sign(&self, blob: &[u8], data: &[u8], flags: u32) -> Option<Vec<u8>> {
        let keys = self.agent.keys.list();
        let key = keys.iter().find(|key| key.blob == blob)?;
        let shown = format!("{} ({})", key::fingerprint(blob), key.comment);
        let (purpose, host) = match self.decide(blob, data) {
            Ok(allowed) => allowed,
            Err((purpose, host, why)) => {
                self.refuse(purpose, shown, host, why);
                return None;
            }
        };
        let bind = match &self.binding {
            Binding::To(bound) => Some(bound.request.as_slice()),
            _ => None,
        };
        let signed = key.sign(data, flags, bind);
        let refused = signed.is_none().then(|| {
            "the agent that has the key did not sign: it may be locked, or have asked in vain".to_owned()
        });
        self.agent.tell(Use { purpose: purpose.into(), key: shown, host, refused });
        signed
    }

    /// What for, and for which host; or why not.
    fn decide(
        &self,
        blob: &[u8],
        data: &[u8],
    ) -> Result<(&'static str, String), (&'static str, String, String)> {
        if matches!(self.binding, Binding::Spoiled) {
            let why = "the connection was forwarded to another host, or bound to two";
            return Err(("ssh", String::new(), why.to_owned()));
        }
        let unknown = "what is to be signed is neither a login nor a commit or tag of git";
        let meaning = Meaning::of(data).map_err(|_| ("agent", String::new(), unknown.to_owned()))?;
        let (session, key, host_key) = match meaning {
            Meaning::Message { namespace: NAMESPACE } => return Ok(("git", String::new())),
            Meaning::Message { namespace } => {
                let namespace = String::from_utf8_lossy(namespace).chars().take(64).collect::<String>();
                let why = format!(
                    "only commits and tags of git are signed, and not messages for `{namespace}`: sign them outside"
                );
                return Err(("agent", String::new(), why));
            }
            Meaning::Login { session, key, host_key } => (session, key, host_key),
        };
        let Binding::To(bound) = &self.binding else {
            let why = "ssh did not say for which host: OpenSSH 8.9 or later does";
            return Err(("ssh", String::new(), why.to_owned()));
        };
        if self.agent.hosts.is_here(&bound.host_key) {
            let why = "that host is this machine, where what is done is outside the session, and not guarded";
            return Err(("ssh", key::fingerprint(&bound.host_key), why.to_owned()));
        }
        let host = self.agent.hosts.name(&bound.host_key);
        let shown = host.clone().unwrap_or_else(|_| key::fingerprint(&bound.host_key));
        let is_its = session == bound.session
            && is_key(key, blob)
            && host_key.is_none_or(|host_key| host_key == bound.host_key);
        if !is_its {
            let why = "the login is for another connection than the one that the host signed";
            return Err(("ssh", shown, why.to_owned()));
        }
        host.map(|host| ("ssh", host)).map_err(|why| {
            let why = format!(
                "the host is not known: {why}. Connect to it once outside the session, and begin the session anew"
            );
            ("ssh", shown, why)
        })
    }

    fn refuse(&self, purpose: &str, key: String, host: String, why: String) {
        self.agent.tell(Use { purpose: purpose.to_owned(), key, host, refused: Some(why) });
    }
}

/// Whether the host signed the session identifier, by its plain key or by that of its certificate.
fn is_signed(host_key: &[u8], session: &[u8], signature: &[u8]) -> bool {
    let certified = || Certificate::from_bytes(host_key).ok().map(|cert| cert.public_key().clone());
    let key: Option<KeyData> =
        PublicKey::from_bytes(host_key).ok().map(|key| key.key_data().clone()).or_else(certified);
    let Some(key) = key else { return false };
    Signature::try_from(signature).is_ok_and(|signature| key.verify(session, &signature).is_ok())
}

#[cfg(test)]
mod tests;
