//! `cargo xtask fuzz`: runs the fuzz targets in `fuzz/`, each from its committed seeds.

use crate::bench::Machine;
use crate::host;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version of the driver. Installed beside what else the automation keeps.
const CARGO_FUZZ: &str = "0.13.2";

/// Arguments of `fuzz`.
#[derive(clap::Args)]
pub struct Fuzz {
    /// Seconds for each target
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// Keep what came of it in `fuzz/results.md`
    #[arg(long)]
    keep: bool,
    /// One target only
    target: Option<String>,
}

/// What a run of one target came to.
#[derive(Default)]
struct Outcome {
    target: String,
    executions: u64,
    /// Executions a second.
    rate: u64,
    /// Edges of the code that were reached.
    edges: u64,
    /// Where the input lies that ended it.
    finding: Option<String>,
}

/// Runs them all, and says what each came to. A finding is an error; its input lies in `fuzz/artifacts`.
pub fn run(arguments: &Fuzz) -> Result<()> {
    let root = &host::workspace()?;
    let directory = root.join("fuzz");
    let mut targets = Vec::new();
    for entry in fs::read_dir(directory.join("targets"))? {
        let path = entry?.path();
        targets.extend(path.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
    }
    targets.sort();
    if let Some(wanted) = &arguments.target {
        ensure!(targets.contains(wanted), "there is no target `{wanted}`: there are {}", targets.join(", "));
        targets.retain(|target| target == wanted);
    }
    let driver = install()?;
    let mut build = cargo_fuzz(&driver, root, "build");
    build.args(targets.first().filter(|_| targets.len() == 1));
    host::run(&mut build)?;
    let mut outcomes = Vec::new();
    for target in targets {
        outcomes.push(fuzz(&driver, root, target, arguments.seconds)?);
    }
    if arguments.keep {
        keep(&directory.join("results.md"), arguments.seconds, &outcomes)?;
    }
    println!("\n{:<10} {:>12} {:>9} {:>7}  finding", "target", "executions", "a second", "edges");
    for outcome in &outcomes {
        let Outcome { target, executions, rate, edges, finding } = outcome;
        println!(
            "{target:<10} {executions:>12} {rate:>9} {edges:>7}  {}",
            finding.as_deref().unwrap_or("none")
        );
    }
    let found = outcomes.iter().filter(|outcome| outcome.finding.is_some()).count();
    ensure!(found == 0, "{found} of {} targets ended by an input of their own", outcomes.len());
    Ok(())
}

/// What `results.md` begins with.
const HEAD: &str = "# Fuzz runs\n\n\
The last run of each target from its committed seeds, as `cargo xtask fuzz --keep` has written it.\n\n\
| target | date | commit | seconds | executions | a second | edges | finding |\n\
| --- | --- | --- | --- | --- | --- | --- | --- |\n";

/// Replaces the lines of these targets.
fn keep(path: &Path, seconds: u64, outcomes: &[Outcome]) -> Result<()> {
    let known = fs::read_to_string(path).unwrap_or_default();
    let mut lines: BTreeMap<String, String> = known
        .lines()
        .filter_map(|line| Some((line.strip_prefix("| ")?.split(' ').next()?.to_owned(), line.to_owned())))
        .filter(|(target, _)| target != "target" && target != "---")
        .collect();
    let date = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d").to_string();
    let commit = Machine::look()?.commit;
    for Outcome { target, executions, rate, edges, finding } in outcomes {
        let finding = finding.as_deref().unwrap_or("none");
        let line = format!(
            "| {target} | {date} | {commit} | {seconds} | {executions} | {rate} | {edges} | {finding} |"
        );
        lines.insert(target.clone(), line);
    }
    let lines: String = lines.into_values().map(|line| line + "\n").collect();
    host::write(path, format!("{HEAD}{lines}"))
}

/// Runs one target. Its output goes where ours goes.
fn fuzz(driver: &Path, root: &Path, target: String, seconds: u64) -> Result<Outcome> {
    // New inputs go to the first directory, which is not committed; the seeds stay as they are.
    let corpus = root.join("fuzz/corpus").join(&target);
    fs::create_dir_all(&corpus).with_context(|| format!("cannot create {}", corpus.display()))?;
    let mut command = cargo_fuzz(driver, root, "run");
    command.arg(&target).arg(&corpus).arg(root.join("fuzz/seeds").join(&target));
    command.args(["--", "-print_final_stats=1", "-rss_limit_mb=2048", "-timeout=10"]);
    command.arg(format!("-max_total_time={seconds}"));
    let mut outcome = Outcome { target, ..Outcome::default() };
    let status = host::stream(&mut command, |line| outcome.take(line))?;
    if !status.success() && outcome.finding.is_none() {
        bail!("target `{}` failed without a finding: {status}", outcome.target);
    }
    Ok(outcome)
}

impl Outcome {
    /// Takes in what libFuzzer says (<https://llvm.org/docs/LibFuzzer.html#output>).
    fn take(&mut self, line: &str) {
        let number = |text: &str| text.split_whitespace().next().and_then(|word| word.parse().ok());
        if let Some((_, path)) = line.split_once("Test unit written to ") {
            self.finding = Some(path.trim().to_owned());
        } else if let Some(count) = line.strip_prefix("stat::number_of_executed_units:").and_then(number) {
            self.executions = count;
        } else if let Some(rate) = line.strip_prefix("stat::average_exec_per_sec:").and_then(number) {
            self.rate = rate;
        } else if let Some(edges) = line.split_once(" cov: ").and_then(|(_, rest)| number(rest)) {
            self.edges = edges;
        }
    }
}

/// The driver's command for our targets.
fn cargo_fuzz(driver: &Path, root: &Path, what: &str) -> Command {
    let mut command = Command::new(driver);
    // The flags that the driver wants are unstable ones of any compiler; a sanitizer would want another library.
    command.env("RUSTC_BOOTSTRAP", "1").current_dir(root);
    command.args([what, "--fuzz-dir", "fuzz", "--sanitizer", "none"]);
    command
}

/// The driver and what libFuzzer is built by, installed if they are not there.
fn install() -> Result<PathBuf> {
    if host::find("c++").is_none() {
        host::apt_install(&["g++"])?;
    }
    let root = host::cache()?.join("cargo-fuzz");
    let program = root.join("bin/cargo-fuzz");
    if !program.exists() {
        let mut cargo = Command::new("cargo");
        cargo.args(["install", "cargo-fuzz", "--version", CARGO_FUZZ, "--locked", "--root"]).arg(&root);
        host::run(&mut cargo)?;
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_fuzzer_says_is_counted() {
        let mut outcome = Outcome::default();
        for line in [
            "#2\tINITED cov: 11 ft: 12 corp: 1/1b exec/s: 0 rss: 27Mb",
            "#4096\tpulse  cov: 321 ft: 700 corp: 30/2Kb lim: 43 exec/s: 2048 rss: 30Mb",
            "stat::number_of_executed_units: 123456",
            "stat::average_exec_per_sec:     2057",
        ] {
            outcome.take(line);
        }
        assert_eq!((outcome.executions, outcome.rate, outcome.edges), (123_456, 2057, 321));
        assert_eq!(outcome.finding, None);
        outcome.take("artifact_prefix='/f/'; Test unit written to /f/crash-1");
        assert_eq!(outcome.finding.as_deref(), Some("/f/crash-1"));
    }

    #[test]
    fn the_last_run_of_each_target_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("results.md");
        let outcome = |target: &str, executions| Outcome {
            target: target.to_owned(),
            executions,
            ..Outcome::default()
        };
        keep(&path, 300, &[outcome("dns", 1), outcome("tls", 2)]).unwrap();
        keep(&path, 300, &[outcome("dns", 3)]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let executions = |line: &str| line.split(" | ").nth(4).map(str::to_owned);
        let rows: Vec<_> = text.lines().skip(6).filter_map(executions).collect();
        assert_eq!((text.starts_with(HEAD), rows), (true, vec!["3".to_owned(), "2".to_owned()]));
    }
}
