//! The corpus of a command.

use std::path::PathBuf;

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
