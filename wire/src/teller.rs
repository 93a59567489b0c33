//! The supervisor's messages to a teller, and its replies.

use crate::Notice;
use event::{Alert, Captured, Event, Object, Segment, SessionMeta, Summary};
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
    /// A session begins: answered by [`Said::Begun`] with the same number of the order.
    Begin(u64, Box<SessionMeta>),
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
            Order::Begin(..) | Order::Notice(_) | Order::Flush => false,
        }
    }

    /// About how many bytes of memory it takes: what a session claims, as its arguments, may be long.
    pub fn bytes(&self) -> usize {
        let held = match self {
            Order::Captured(_, records) => {
                records.iter().map(|record| size_of_val(record) + claimed(record)).sum()
            }
            Order::Reason(_, _, text) => text.len(),
            Order::Notice(notice) => notice.bytes(),
            Order::Begin(..) | Order::Segment(..) | Order::Alert(..) | Order::End(..) | Order::Flush => 0,
        };
        size_of::<Self>() + held
    }
}

fn claimed(record: &Captured) -> usize {
    let Captured::Event(event) = record else { return 0 };
    let of = |object: &Object| {
        let args = if let Object::Exe(exe) = object { exe.args.as_slice() } else { &[] };
        let args: usize = args.iter().map(|arg| size_of_val(arg) + arg.len()).sum();
        args + object.file().map_or(0, |file| file.path.len())
    };
    size_of::<Event>() + of(&event.object) + event.second.as_ref().map_or(0, of)
}

/// What a teller says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Said {
    /// The store is open.
    Ready,
    /// What was ordered by this number began, and the number of the session.
    Begun(u64, i64),
    /// So much of what it was to store is in the store, and outlasts its end.
    Written(u64),
    /// A session has met the limit of the store: what nothing was decided of is only counted from now on.
    Past(i64),
    /// Nothing is written any more, and why.
    Failed(String),
}
