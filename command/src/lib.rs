//! Shared by the commands of both programs: exit codes, colours and tables, where the state lies and whose it is, and
//! whether root may run and load what lies there.
//!
//! Must never start anything, and never talk to the supervisor.

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
pub use program::{Commands, Common, Line, main, told};
pub use state::State;
