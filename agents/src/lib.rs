//! The coding agents that are known, as data: a file each in `known/`, named by its tag.
//!
//! By it a command is named, a process is recognised as an agent's, an agent's own state is found, the policy knows where its
//! settings and tokens lie, and the laboratory drives it. A file is added, and nothing else, for one agent more.
//!
//! Names and paths are claims: they explain and close, and open nothing by themselves. Must never do I/O.
#![forbid(unsafe_code)]

mod agent;
mod program;

pub use agent::{Agent, First, Places};
pub use program::{Program, file_name, is_shell, without_ending};
