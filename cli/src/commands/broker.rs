//! `wardline broker`: the process that uses a user's keys for one session. Started by the supervisor alone.

use anyhow::Result;
use std::ffi::OsString;
use std::process::ExitCode;

/// The command by which a supervisor starts it: this very binary, which may be replaced on disk meanwhile.
pub fn command() -> Vec<OsString> {
    ["/proc/self/exe", "broker"].map(OsString::from).to_vec()
}

/// Serves until the supervisor ends it.
pub fn run() -> Result<ExitCode> {
    service::broker::process::run()?;
    Ok(ExitCode::SUCCESS)
}
