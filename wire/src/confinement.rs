//! What a command loses before its first instruction.

use serde::{Deserialize, Serialize};

/// What a session's command, and everything that it starts, can never do. The client offers what it is able to give, since it
/// is the command's parent; the supervisor says what of that the session gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Make requests through io_uring.
    pub rings: bool,
    /// Reach into processes outside the session.
    pub others: bool,
    /// The same by a Landlock domain, which also keeps its files in `/proc` closed, and leaves the session's own processes alone.
    pub domain: bool,
}
