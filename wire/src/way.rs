//! How a command leads to an agent that it is not itself, as the client has found out.

use bstr::BString;
use serde::{Deserialize, Serialize};

/// The way from a command to the agent that it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The known agent's tag; `None`: nobody knows, and nobody is the agent.
    pub agent: Option<String>,
    /// What is the agent: who runs one of them. None: nobody is.
    pub ends: Vec<End>,
    /// What the repository decides.
    pub grounds: Vec<Ground>,
}

/// A program of an agent's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The executable, links followed; of a script its interpreter.
    pub program: BString,
    /// The script, as its interpreter is given it and links followed; `None` for an executable.
    pub script: Option<[BString; 2]>,
}

/// A file or directory, and everything below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// Device of the superblock, as the kernel has it in its memory.
    pub device: u32,
    /// Path in the superblock; empty for its root.
    pub path: BString,
}
