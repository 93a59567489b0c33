//! `wardline-lab corpus`: recorded sessions of real agents, made, listed, exported and imported.

mod directory;
mod list;
mod make;
pub mod profile;
mod progress;
mod share;
mod stats;

use anyhow::Result;
use directory::Directory;
use std::process::ExitCode;

/// Arguments of `corpus`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The operation
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
    /// Count the sessions of a corpus, and new objects in each
    Stats(Directory),
    /// Write a corpus into one compressed file
    Export(share::ExportArgs),
    /// Unpack a corpus from such a file
    Import(share::ImportArgs),
}

/// Does it.
pub fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Command::Make(args) => make::run(&args),
        Command::List(args) => list::run(&args),
        Command::Stats(args) => stats::run(&args),
        Command::Export(args) => share::export(&args),
        Command::Import(args) => share::import(&args),
    }
    .map(|()| ExitCode::SUCCESS)
}
