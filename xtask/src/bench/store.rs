//! `cargo xtask bench store`: how fast the store takes what a session sends, beside bare loops over the same rows, and how
//! many bytes of disk that is. What is stored is one turn of an agent, recorded for it.

use super::condition::{Bench, Condition, Own};
use super::output::{Head, Output};
use super::statistics::{Estimate, estimate, median};
use super::workload::{Profile, Workload};
use crate::host;
use anyhow::{Context as _, Result};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::process::{Command, Stdio};

/// The arguments of `store`.
#[derive(Args)]
pub struct Store {
    /// Rounds in which each way of storing is gone once
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Rows of each
    #[arg(long, default_value_t = 400_000)]
    rows: usize,
    #[command(flatten)]
    output: Output,
}

#[derive(Serialize)]
struct Outcome {
    #[serde(flatten)]
    head: Head,
    /// The recording, by itself in its store.
    recording: Recording,
    ways: Vec<Way>,
}

/// What `wardline db stats` says of the recording's store.
#[derive(Serialize, Deserialize)]
struct Recording {
    events: u64,
    syscalls: u64,
    operation_bytes: u64,
    syscall_bytes: u64,
    bytes: u64,
}

/// One way to store rows, or to read them, as `store/benches/rows/` measured it.
#[derive(Serialize, Deserialize)]
struct Way {
    what: String,
    /// The way that it is compared with.
    beside: String,
    /// Rows, ns by the clock, ns of processors.
    rounds: Vec<[u64; 3]>,
    /// Rows of the recording, and bytes of a store that holds nothing else.
    session_rows: u64,
    session_bytes: u64,
}

impl Way {
    /// Rows a second of processor time, of each round.
    fn rates(&self) -> Vec<f64> {
        self.rounds.iter().map(|[rows, _, processor]| *rows as f64 * 1e9 / *processor as f64).collect()
    }

    fn bytes_a_row(&self) -> f64 {
        self.session_bytes as f64 / self.session_rows.max(1) as f64
    }
}

/// Measures and writes.
pub fn run(arguments: &Store) -> Result<()> {
    let head = arguments.output.head()?;
    let bench = Bench::new(Profile::Full)?;
    eprintln!("one turn of an agent is recorded");
    bench.run(Condition::Own(Own::Record), Workload::AgentTurn, 1, false)?;
    let recording = serde_json::from_str(&bench.stats()?).context("`db stats` has no such figures")?;
    let store = bench.world.state().join(bench.world.user.to_string()).join("sessions.db");
    eprintln!("{} rounds", arguments.rounds);
    let mut command = Command::new("cargo");
    command.current_dir(host::workspace()?).stdin(Stdio::null());
    command.args(["bench", "--quiet", "-p", "store", "--bench", "rows", "--", "--json", "--recording"]);
    command.arg(store).args(["--rows", &arguments.rows.to_string()]);
    command.args(["--rounds", &arguments.rounds.to_string()]);
    let ways = serde_json::from_str(&host::output(&mut command)?).context("the bench printed no result")?;
    let outcome = Outcome { head, recording, ways };
    let directory = arguments.output.directory(&outcome.head.machine, "-store")?;
    host::write(&directory.join("store.json"), serde_json::to_string(&outcome)? + "\n")?;
    host::write(&directory.join("store.md"), text(&outcome))?;
    print!("{}", text(&outcome));
    println!("\nwrote {}", directory.display());
    Ok(())
}

fn text(outcome: &Outcome) -> String {
    let mut out = outcome.head.text("What storing costs");
    let recording = &outcome.recording;
    let calls = recording.syscall_bytes as f64 / recording.syscalls.max(1) as f64;
    let operations = recording.operation_bytes as f64 / recording.events.max(1) as f64;
    let _ = writeln!(
        out,
        "\nOne turn of an agent was recorded: {} operations and {} system calls in {} bytes, of which the pages of the \
operations, their objects and indexes have {} and those of the system calls {}.\n\n\
| target | measured | met |\n| --- | --- | --- |",
        recording.events,
        recording.syscalls,
        recording.bytes,
        recording.operation_bytes,
        recording.syscall_bytes,
    );
    let mut target = |what: &str, measured: String, met: bool| {
        let _ = writeln!(out, "| {what} | {measured} | {} |", if met { "yes" } else { "**no**" });
    };
    target("bytes of a system call, at most 8", format!("{calls:.1}"), calls <= 8.0);
    target("bytes of an operation, at most 64", format!("{operations:.1}"), operations <= 64.0);
    for way in
        outcome.ways.iter().filter(|way| way.what.ends_with("recorder") || way.what.ends_with("thread"))
    {
        if let Some(ratio) = ratio(outcome, way) {
            let what = format!("{}: at least 0.7 of a bare loop", way.what);
            target(&what, ratio.text(), ratio.median >= 0.7);
        }
    }
    let _ = writeln!(
        out,
        "\nThe rows of the recording again and again, and each way gone once in each of {} rounds. Rates are of processor time, all \
threads together; bytes are of a store that holds the recording once and nothing else.\n\n\
| way | rows a second | to a row each, in the same round | bytes a row |\n| --- | --- | --- | --- |",
        outcome.ways.first().map_or(0, |way| way.rounds.len()),
    );
    for way in &outcome.ways {
        let ratio = ratio(outcome, way).map(|ratio| ratio.text()).unwrap_or_default();
        let (rate, bytes) = (median(&way.rates()), way.bytes_a_row());
        let _ = writeln!(out, "| {} | {rate:.0} | {ratio} | {bytes:.1} |", way.what);
    }
    out
}

/// The rate of a way to that of the one it is compared with.
fn ratio(outcome: &Outcome, way: &Way) -> Option<Estimate> {
    let base = outcome.ways.iter().find(|other| other.what == way.beside)?;
    let ratios: Vec<f64> = way.rates().iter().zip(base.rates()).map(|(a, b)| a / b).collect();
    (!ratios.is_empty()).then(|| estimate(&ratios))
}
