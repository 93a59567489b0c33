//! `wardline-lab eval`: what Wardline detects and prevents, measured.

mod channels;
mod code;
mod compare;
mod public;
mod replay;
mod report;
mod run;

use anyhow::Result;
use command::State;
use std::process::ExitCode;

/// Arguments of `eval`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The operation
    #[command(subcommand)]
    pub command: Command,
}

/// What can be evaluated.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Evaluate Wardline on a corpus of real agents and attacks; makes the corpus if it is missing
    Run(run::Args),
    /// Compute the score from channels that `run --channels` kept
    Channels(channels::Args),
    /// Compare two results
    Compare(compare::Args),
    /// Write table and page of a result
    Report(report::Args),
    /// Replay your own recorded sessions through the score
    Replay(replay::Args),
    /// Score published traces, beside other methods
    Public(public::Args),
    /// Run hostile programs in guarded sessions, in a throw-away machine
    #[command(hide = true)]
    Code(code::Args),
    /// Write the result of `code` from its output
    #[command(hide = true)]
    CodeReport(code::ReportArgs),
}

/// Does it.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    match &args.command {
        Command::Run(args) => run::run(args),
        Command::Channels(args) => channels::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Report(args) => report::run(args),
        Command::Replay(args) => replay::run(state, args),
        Command::Public(args) => public::run(args),
        Command::Code(args) => code::run(args),
        Command::CodeReport(args) => code::write_report(args),
    }
}
