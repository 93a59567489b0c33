//! `wardline export SESSION`

use super::reading;
use crate::state::State;
use crate::user;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sudo wardline export last -o session.jsonl\n  sudo wardline export 17 | jq 'select(.op == \"connect\")'"
)]
pub struct Args {
    /// Number of the session, or `last`
    pub session: String,
    /// The format
    #[arg(long, default_value = "jsonl")]
    pub format: Format,
    /// Write to this file; standard output otherwise
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Whose session
    #[arg(long)]
    pub user: Option<String>,
}

/// Formats of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One JSON object a line
    Jsonl,
}

/// Writes it.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    let file = args.output.as_deref().map(create).transpose()?;
    let line = ["export", args.session.as_str(), "--format", "jsonl"];
    if let Some(code) =
        reading::through_supervisor(state, args.user.as_deref(), &line, file.as_ref().map(AsFd::as_fd))?
    {
        return Ok(code);
    }
    let uid = user::owner(args.user.as_deref(), state)?;
    let reader = reading::existing_store(state, uid)?;
    let session = reading::session(&reader, &args.session)?;
    let mut out: Box<dyn Write> = match file {
        Some(file) => Box::new(BufWriter::new(file)),
        None => Box::new(BufWriter::new(std::io::stdout().lock())),
    };
    match args.format {
        Format::Jsonl => store::export_jsonl(&reader, session.id, &mut out)?,
    };
    out.flush().context("the export cannot be written")?;
    Ok(ExitCode::SUCCESS)
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("`{}` cannot be written", path.display()))
}
