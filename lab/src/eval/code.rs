//! `wardline-lab eval code`: hostile programs, each run once by a guarded agent. Only ever in a machine that was made for it.
//!
//! What it prints are the lines of [`eval::code::Line`], behind a mark, one as soon as each session has ended: a machine that
//! dies keeps what came before. `cargo xtask redcode` boots the machine, collects them, and has `eval code-report` write
//! the result.

mod args;
mod ground;
mod machine;
mod program;
mod run;

use super::report;
use crate::live::Interrupts;
use anyhow::{Context, Result};
pub use args::Args;
use command::Exit;
use eval::code::{MARK, Report};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs them.
pub fn run(args: &Args) -> Result<ExitCode> {
    machine::require()?;
    let cases = eval::code::read(&args.cases)?;
    let digest = blake3::hash(
        &fs::read(&args.cases).with_context(|| format!("`{}` cannot be read", args.cases.display()))?,
    );
    let interrupts = Interrupts::take()?;
    run::run(args, cases, &digest.to_hex(), &interrupts, &mut |line| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{MARK}{}", serde_json::to_string(line)?)?;
        Ok(out.flush()?)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Arguments of `eval code-report`.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// The output of a machine
    #[arg(value_name = "LINES")]
    pub lines: PathBuf,
    /// Directory of the result
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The machine's host
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub host: String,
    /// The source that the program was built from
    #[arg(long, value_name = "ID", default_value = "")]
    pub commit: String,
}

/// Writes `result.json` and `README.md` of what a machine printed.
pub fn write_report(args: &ReportArgs) -> Result<ExitCode> {
    let text = fs::read_to_string(&args.lines)
        .with_context(|| format!("`{}` cannot be read", args.lines.display()))?;
    let mut report =
        Report::collect(&text).map_err(|error| anyhow::anyhow!("`{}`, {error}", args.lines.display()))?;
    report.machine.host.clone_from(&args.host);
    report.machine.commit.clone_from(&args.commit);
    if report.outcomes.is_empty() {
        return Err(Exit::Failed.error(format!("`{}` tells of no session", args.lines.display())));
    }
    let json = serde_json::to_string_pretty(&report)? + "\n";
    report::write(&args.out.join("result.json"), &json)?;
    report::write(&args.out.join("README.md"), &eval::code::markdown(&report))?;
    Ok(ExitCode::SUCCESS)
}
