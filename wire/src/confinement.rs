//! The confinement of a command, before its first instruction.

use serde::{Deserialize, Serialize};

/// What a session's command, and everything that it starts, can never do. The client offers what it is able to give, since it
/// is the command's parent; the supervisor says what of that the session gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Make requests through io_uring.
    pub rings: bool,
    /// Load programs into the kernel, or take those of others off their hooks: bpf(2).
    pub programs: bool,
    /// Reach into processes outside of its Landlock domain.
    pub domain: bool,
}
