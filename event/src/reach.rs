//! How an operation reaches for a place.

use serde::{Deserialize, Serialize};

/// How an operation reaches for a place. Each has its own novelty: a home that takes new files all day may still
/// never have been read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Content of something that was there before the session was read, or a directory listed.
    Read,
    /// Something that was there before the session was changed.
    Write,
    /// A new name was made.
    Create,
    /// Something that was there before the session was removed or renamed away.
    Remove,
    /// A program was started, or mapped executable.
    Exec,
    /// An address was connected or sent to.
    Connect,
    /// A unix socket was connected to.
    Unix,
    /// An address was listened on.
    Listen,
    /// A server was asked for by its name, at whatever address, or a resolver for the name. Claimed: it raises surprise,
    /// and no rule is made of it.
    Name,
}

impl Reach {
    /// Every reach.
    pub const ALL: [Reach; 9] = [
        Reach::Read,
        Reach::Write,
        Reach::Create,
        Reach::Remove,
        Reach::Exec,
        Reach::Connect,
        Reach::Unix,
        Reach::Listen,
        Reach::Name,
    ];

    /// Whether a compiled baseline refuses what it does not know of this.
    pub fn is_compiled(self) -> bool {
        !matches!(self, Reach::Listen | Reach::Name)
    }
}
