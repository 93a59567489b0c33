//! `wardline-lab eval public`: sets of traces that others recorded, through the same score.

use anyhow::Result;
use command::print_line;
use eval::public::{self, Set};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `eval public`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The data is not Wardline's, and is read where it lies: unpack it there first.\n\nExamples:\n  wardline-lab eval public adfa-ld --data DIR\n  wardline-lab eval public unm --data DIR --json"
)]
pub struct Args {
    /// The set
    #[arg(value_enum)]
    pub set: Which,
    /// Directory of the unpacked set
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Seed of random choices
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// The sets.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Which {
    /// ADFA-LD: a server under attack, by trace
    AdfaLd,
    /// University of New Mexico: sendmail, lpr, login, ps and xlock, by process
    Unm,
}

/// Evaluates it.
pub fn run(args: &Args) -> Result<ExitCode> {
    let set = match args.set {
        Which::AdfaLd => Set::AdfaLd,
        Which::Unm => Set::Unm,
    };
    let result = public::public(set, &args.data, args.seed)?;
    if args.json {
        print_line!("{}", serde_json::to_string_pretty(&result)?);
    } else {
        print_line!("{}", public::markdown(&result).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}
