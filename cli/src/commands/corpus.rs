//! `wardline corpus`: recorded sessions of real agents, made, listed, exported and imported.

mod list;
mod make;

use anyhow::Result;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `corpus`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done with a corpus.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Run real agents against a scripted model, and record them
    Make(make::Args),
    /// List the runs of a corpus
    List(Directory),
}

/// Which corpus.
#[derive(Debug, clap::Args)]
pub struct Directory {
    /// Directory of the corpus
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Does it.
pub fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Command::Make(args) => make::run(&args),
        Command::List(args) => list::run(&args),
    }
    .map(|()| ExitCode::SUCCESS)
}
