//! Uses a user's keys for a session, and never shows them: what an ssh-agent and a gpg-agent do, for one session, with a
//! reason for each signature.
//!
//! The other side of every connection is the session, so that each message is bounded and nothing in one is believed but
//! what a host has signed. Which process this runs in, and who may connect to it, is the supervisor's matter.
#![forbid(unsafe_code)]

mod agent;
mod config;
mod connection;
pub mod gpg;
mod hosts;
mod key;
mod message;
mod signing;
mod wire;

pub use agent::{Agent, Keys};
pub use config::{Config, read_file};
pub use connection::Connection;
pub use hosts::Hosts;
pub use key::{Loaded, is_private};
pub use message::{MAX_MESSAGE, is_failure, read_message, write_message};

use serde::{Deserialize, Serialize};

/// One use of a key that the session asked for, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Use {
    /// What for: `ssh`, `git` (a signature of a commit or tag), `gpg`, or `agent` for a request that changes an agent.
    pub purpose: String,
    /// The key: its fingerprint, and its name where that is known. Empty where the request names none.
    pub key: String,
    /// The host that it was used for, as `known_hosts` calls it; empty where there is none.
    pub host: String,
    /// Why it was refused, and what to do; `None`: it was used.
    pub refused: Option<String>,
}

impl Use {
    /// Nothing uses keys any more, though the session goes on.
    pub fn lost() -> Self {
        let why = "the process that uses your keys for the session has ended: begin the session anew";
        Self { purpose: "agent".into(), key: String::new(), host: String::new(), refused: Some(why.into()) }
    }

    /// The key, and the host, in words.
    pub fn about(&self) -> String {
        let key = if self.key.is_empty() { "a key" } else { &self.key };
        match self.host.as_str() {
            "" => key.to_owned(),
            host => format!("{key} for {host}"),
        }
    }
}
