//! `wardline-lab eval report`: table, page and figure of a result.

use anyhow::{Context, Result};
use eval::result::EvalResult;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `eval report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory of the result, or its `result.json`
    #[arg(value_name = "RESULT")]
    pub result: PathBuf,
}

/// Writes them beside the result.
pub fn run(args: &Args) -> Result<ExitCode> {
    let file = eval::result_file(&args.result);
    let result = eval::read(&file)?;
    write_views(file.parent().unwrap_or(Path::new(".")), &result)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes `result.json`.
pub fn write_json(out: &Path, result: &EvalResult) -> Result<()> {
    let mut json = serde_json::to_string_pretty(result)?;
    json.push('\n');
    write(&out.join("result.json"), &json)
}

/// Writes `table.md`, `report.html`, and `figure.svg` where attacks were live.
pub fn write_views(out: &Path, result: &EvalResult) -> Result<()> {
    write(&out.join("table.md"), &eval::table::markdown(result))?;
    if let Some(figure) = eval::report::figure(result) {
        write(&out.join("figure.svg"), &figure)?;
    }
    write(&out.join("report.html"), &eval::report::html(result)?)
}

/// Writes a file of a result.
pub fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("`{}` cannot be written", path.display()))
}
