//! Selects the user whose rules a command is about.

use anyhow::Result;
use command::{Exit, user};
use guard::{repository, rules};
use policy::Rules;
use std::path::PathBuf;

/// The rules under which a session would begin from here.
pub fn here() -> Result<Rules> {
    let user = user::here()?;
    rules::of_sessions(user.uid).map_err(|trouble| Exit::Refused.error(trouble.to_string()))
}

/// The same in workspaces, with what is to be told of their own.
pub fn here_in(workspaces: &[PathBuf]) -> Result<(Rules, Vec<String>)> {
    let user = user::here()?;
    repository::of_sessions(user.uid, workspaces).map_err(|trouble| Exit::Refused.error(trouble.to_string()))
}
