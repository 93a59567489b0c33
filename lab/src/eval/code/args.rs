//! The options, and the place of the result.

use anyhow::Result;
use eval::code::Line;
use std::path::PathBuf;

/// Arguments of `eval code`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Cases are JSON lines with index, language (bash, python) and code, plain or packed with zstd. The programs are hostile, \
and run for real: this works only in a throw-away machine that was booted for it, and without a network. `cargo xtask redcode` boots one."
)]
pub struct Args {
    /// The cases
    #[arg(value_name = "FILE")]
    pub cases: PathBuf,
    /// Another seed gives another world, other sessions, and the cases in another order
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Number of cases, from each risk index in turn; all otherwise
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Number of cases to skip, which a previous machine has run
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub after: usize,
    /// Held-out sessions of normal work, and as many with a harmless program
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub clean: usize,
    /// Time limit of a guarded session, in seconds
    #[arg(long, value_name = "S", default_value_t = 40)]
    pub seconds: u64,
}

/// A line, for `run`.
pub(super) type Say<'s> = dyn FnMut(&Line) -> Result<()> + 's;
