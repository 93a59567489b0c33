//! What the supervisor has a teller write down, and what that answers.

use crate::Notice;
use event::{Alert, Captured, Segment, SessionMeta, Summary};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Bytes of the longest order: a batch of operations with long arguments.
pub const MAX_ORDER_BYTES: usize = 64 << 20;

/// The first thing that it hears.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Start {
    /// The one directory that it reaches, with the store of one user.
    pub directory: PathBuf,
    /// Bytes that a session may take of the store.
    pub session_bytes: u64,
    /// Bytes that the sessions of a day may take.
    pub day_bytes: u64,
}

/// What is to be written down. Sessions have the number that the store gave them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Order {
    /// A session begins: answered by [`Said::Begun`].
    Begin(Box<SessionMeta>),
    /// What the kernel said of a session.
    Captured(i64, Vec<Captured>),
    /// A segment began.
    Segment(i64, Segment),
    /// Something that the user should see.
    Alert(i64, Alert),
    /// What the number of a reason means.
    Reason(i64, u32, String),
    /// The session ended.
    End(i64, Summary),
    /// What `tail` shows, kept for later.
    Notice(Notice),
    /// All that was ordered before is to be in the store.
    Flush,
}

impl Order {
    /// Whether it goes into the store; such orders are counted by [`Said::Written`].
    pub fn is_stored(&self) -> bool {
        match self {
            Order::Captured(..)
            | Order::Segment(..)
            | Order::Alert(..)
            | Order::Reason(..)
            | Order::End(..) => true,
            Order::Begin(_) | Order::Notice(_) | Order::Flush => false,
        }
    }
}

/// What a teller says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Said {
    /// The store is open.
    Ready,
    /// The number of the session that began.
    Begun(i64),
    /// So much of what it was to store is in the store, and outlasts its end.
    Written(u64),
    /// A session has met the limit of the store: what nothing was decided of is only counted from now on.
    Past(i64),
    /// Nothing is written any more, and why.
    Failed(String),
}
