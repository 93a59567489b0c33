//! `wardline teller`: the process that writes down what the sessions of one user do. Started by the supervisor alone.

use anyhow::Result;
use std::ffi::OsString;
use std::process::ExitCode;

/// The command by which a supervisor starts it: this very binary, which may be replaced on disk meanwhile.
pub fn command() -> Vec<OsString> {
    ["/proc/self/exe", "teller"].map(OsString::from).to_vec()
}

/// Writes until the supervisor ends it.
pub fn run() -> Result<ExitCode> {
    service::teller::process::run()?;
    Ok(ExitCode::SUCCESS)
}
