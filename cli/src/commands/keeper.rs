//! `wardline keeper`: what the supervisor leaves behind when it is killed. Hidden: only the supervisor starts it.

use anyhow::Result;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `keeper`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Cgroup below which the sessions' own lie
    #[arg(long)]
    pub cgroups: PathBuf,
    /// How the names of the sessions' cgroups begin
    #[arg(long)]
    pub prefix: String,
    /// Number of the table of those for whom there was no room among the members
    #[arg(long)]
    pub strays: u32,
}

/// The command that the supervisor starts as its keeper.
pub fn command() -> Vec<OsString> {
    ["/proc/self/exe", "keeper"].map(OsString::from).to_vec()
}

/// Waits until the supervisor ends. When it did not say that all is well, kills every session.
pub fn run(args: &Args) -> Result<ExitCode> {
    service::keeper::run(&args.cgroups, &args.prefix, args.strays)?;
    Ok(ExitCode::SUCCESS)
}
