//! Whose rules are asked for.

use anyhow::Result;
use command::{Exit, user};
use guard::rules;
use policy::Rules;

/// The rules under which a session would begin from here.
pub fn here() -> Result<Rules> {
    let user = user::here()?;
    rules::of_sessions(user.uid).map_err(|trouble| Exit::Refused.error(trouble.to_string()))
}
