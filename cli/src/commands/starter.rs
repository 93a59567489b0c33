//! `wardline starter`: starts the other processes of a supervisor. Started by the supervisor alone.

use anyhow::Result;
use command::State;
use service::starter::process::{self, Commands};
use std::ffi::OsString;
use std::process::ExitCode;

/// The command by which a supervisor starts it: this very binary, which may be replaced on disk meanwhile.
pub fn command(state: &State) -> Vec<OsString> {
    [super::reading::command(state), vec!["starter".into()]].concat()
}

/// Starts what it is told until the supervisor ends.
pub fn run(state: &State) -> Result<ExitCode> {
    process::run(&Commands {
        keeper: super::keeper::command(),
        doorkeeper: super::doorkeeper::command(),
        broker: super::broker::command(),
        teller: super::teller::command(),
        train: super::train::command(state),
        read: super::reading::command(state),
    })?;
    Ok(ExitCode::SUCCESS)
}
