//! What the commands of both programs share: exit codes, colours and tables, where the state lies and whose it is, and
//! whether root may run and load what lies there.
//!
//! Must never start anything, and never talk to the supervisor.
#![cfg_attr(
    not(test),
    // What root runs does not stop over what others wrote, cuts no number, and drops no error unsaid.
    deny(clippy::cast_possible_truncation, clippy::indexing_slicing, clippy::let_underscore_must_use)
)]

pub mod completions;
pub mod exit;
pub mod log;
pub mod out;
mod program;
pub mod state;
pub mod style;
pub mod table;
pub mod trust;
pub mod user;

pub use exit::Exit;
pub use program::{Commands, Common, Line, main};
pub use state::State;
