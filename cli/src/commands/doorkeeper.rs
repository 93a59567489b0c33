//! `wardline doorkeeper`: answers permission events, whatever the supervisor does. Hidden: only the supervisor starts it.

use anyhow::Result;
use collector::JudgeIds;
use std::ffi::OsString;
use std::process::ExitCode;

/// Arguments of `doorkeeper`: numbers of what the supervisor has loaded.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The program that decides
    #[arg(long)]
    pub program: u32,
    /// The map that it answers in
    #[arg(long)]
    pub verdict: u32,
    /// The map of members
    #[arg(long)]
    pub members: u32,
}

/// The command that the supervisor starts as its doorkeeper.
pub fn command() -> Vec<OsString> {
    ["/proc/self/exe", "doorkeeper"].map(OsString::from).to_vec()
}

/// Answers until the supervisor has ended and nobody is inside any more.
pub fn run(args: &Args) -> Result<ExitCode> {
    let Args { program, verdict, members } = *args;
    guard::fanotify::doorkeeper(JudgeIds { program, verdict, members })?;
    Ok(ExitCode::SUCCESS)
}
