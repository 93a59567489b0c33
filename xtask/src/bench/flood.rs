//! `cargo xtask bench flood`: how many events a second are taken, written down and accounted for; and whether the overhead
//! grows with the number of sessions, the age of a session, or the size of the database.
//!
//! An event is a record of a ring: an `open` is two (the operation and the system call), a `close` is one.

use super::capture::bar;
use super::condition::{Bench, Beside, Condition, Own, account};
use super::output::{Head, Output};
use super::statistics::{Estimate, estimate};
use super::workload::{Profile, Workload};
use crate::host;
use anyhow::{Context as _, Result};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Events of one open and one close.
const EVENTS: u64 = 3;

/// The arguments of `flood`.
#[derive(Args)]
pub struct Flood {
    /// Seconds of each flood
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Events a second; 0 is as many as go
    #[arg(long, value_delimiter = ',', default_values_t = [300_000, 0])]
    rates: Vec<u64>,
    /// Sessions that run at once while the overhead is measured
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100])]
    sessions: Vec<usize>,
    /// Seconds of flood after which a session counts as old
    #[arg(long, default_value_t = 10)]
    age: u64,
    /// Runs of each of those, each beside one of a new session alone and between bare ones
    #[arg(long, default_value_t = 9)]
    pairs: usize,
    #[command(flatten)]
    output: Output,
}

#[derive(Serialize)]
struct Outcome {
    #[serde(flatten)]
    head: Head,
    floods: Vec<Flooded>,
    overheads: Vec<Overhead>,
    database: Option<Database>,
}

/// One flood.
#[derive(Serialize)]
struct Flooded {
    /// Events a second that were asked for; 0: as many as go.
    asked: u64,
    seconds: f64,
    /// Events that the workload caused: those of the same session without a flood, three a round, and one a sleep between.
    sent: u64,
    received: u64,
    lost: u64,
    /// Most that the supervisor had resident, KiB.
    resident_kib: u64,
    /// Processors that the supervisor used.
    processors: f64,
}

/// The overhead of record on opening and closing.
#[derive(Serialize)]
struct Overhead {
    what: String,
    /// To bare.
    ratio: Estimate,
    /// To a new session alone, with an empty database, in the same round.
    growth: Estimate,
}

/// The database after the floods, as `wardline db stats` says.
#[derive(Serialize, Deserialize)]
struct Database {
    bytes: u64,
    events: u64,
    syscalls: u64,
}

/// Measures and writes.
pub fn run(arguments: &Flood) -> Result<()> {
    let head = arguments.output.head()?;
    let bench = Bench::new(Profile::Quick)?;
    let mut outcome = Outcome { head, floods: Vec::new(), overheads: Vec::new(), database: None };
    let directory = arguments.output.directory(&outcome.head.machine, "-flood")?;
    for &sessions in &arguments.sessions {
        let what = format!("{sessions} sessions at once");
        let beside = sessions.saturating_sub(1);
        outcome.overheads.push(overhead(&bench, &what, arguments.pairs, || among(&bench, beside))?);
        write(&directory, &outcome)?;
    }
    if arguments.age > 0 {
        let what = format!("a session after {} s of as many events as go", arguments.age);
        let aged = || bench.aged(WORKLOAD, rounds(), arguments.age).map(|run| run.round_ns());
        outcome.overheads.push(overhead(&bench, &what, arguments.pairs, aged)?);
        write(&directory, &outcome)?;
    }
    for &rate in &arguments.rates {
        eprintln!("a flood of {rate} events a second for {} s", arguments.seconds);
        outcome.floods.push(flood(&bench, arguments.seconds, rate)?);
        write(&directory, &outcome)?;
    }
    if !arguments.rates.is_empty() {
        let database: Database =
            serde_json::from_str(&bench.stats()?).context("`db stats` has no such figures")?;
        let what = format!("a database of {} MiB", database.bytes >> 20);
        let empty = Bench::new(Profile::Quick)?;
        outcome.overheads.push(overhead(&empty, &what, arguments.pairs, || among(&bench, 0))?);
        outcome.database = Some(database);
    }
    write(&directory, &outcome)?;
    print!("{}", text(&outcome));
    println!("\nwrote {}", directory.display());
    Ok(())
}

/// Writes what there is so far: an interrupted run leaves it.
fn write(directory: &Path, outcome: &Outcome) -> Result<()> {
    host::write(&directory.join("flood.json"), serde_json::to_string(outcome)? + "\n")?;
    host::write(&directory.join("flood.md"), text(outcome))
}

/// What is measured for growth.
const WORKLOAD: Workload = Workload::OpenClose;

fn rounds() -> u64 {
    WORKLOAD.rounds(Profile::Quick)
}

/// Time of opening and closing in a session while so many others sleep, ns a round. The others are there only meanwhile.
fn among(bench: &Bench, others: usize) -> Result<f64> {
    let _others: Vec<Beside> =
        (0..others).map(|_| Beside::start(bench)).collect::<Result<_>>().context("a session failed")?;
    let run = bench.run(Condition::Own(Own::Record), WORKLOAD, rounds(), false)?;
    Ok(run.round_ns())
}

/// The overhead of `measured` (ns a round), beside a new session alone of `plain`, between bare runs without any session.
fn overhead(plain: &Bench, what: &str, pairs: usize, measured: impl Fn() -> Result<f64>) -> Result<Overhead> {
    let progress = bar(what, pairs as u64);
    let bare = || plain.run(Condition::BARE, WORKLOAD, rounds(), false).map(|run| run.round_ns());
    // Caches fill.
    among(plain, 0)?;
    let mut before = bare()?;
    let (mut ratios, mut growths) = (Vec::new(), Vec::new());
    for round in 0..pairs {
        // Which comes first, turns.
        let (one, other, after);
        if round % 2 == 0 {
            one = among(plain, 0)?;
            before = bare()?;
            other = measured()?;
            after = bare()?;
        } else {
            other = measured()?;
            after = bare()?;
            one = among(plain, 0)?;
        }
        ratios.push(other / ((before + after) / 2.0));
        growths.push(other / one);
        before = if round % 2 == 0 { after } else { bare()? };
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(Overhead { what: what.to_owned(), ratio: estimate(&ratios), growth: estimate(&growths) })
}

fn flood(bench: &Bench, seconds: u64, rate: u64) -> Result<Flooded> {
    // What the session does besides, to the record: the same one with nothing in its loop.
    let (_, idle_received, idle_lost) = flooded(bench, 0, 0)?;
    let ended = AtomicBool::new(false);
    let most = AtomicU64::new(0);
    let before = bench.supervisor.processor_ns()?;
    let (measured, received, lost) = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Acquire) {
                most.fetch_max(bench.supervisor.resident_kib(), Ordering::AcqRel);
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let flooded = flooded(bench, seconds, rate / EVENTS);
        ended.store(true, Ordering::Release);
        flooded
    })?;
    let used = (bench.supervisor.processor_ns()? - before) as f64;
    let seconds = measured.wall_ns as f64 / 1e9;
    Ok(Flooded {
        asked: rate,
        seconds,
        sent: idle_received + idle_lost + EVENTS * measured.rounds + measured.sleeps,
        received,
        lost,
        resident_kib: most.into_inner(),
        processors: used / measured.wall_ns.max(1) as f64,
    })
}

/// Opens and closes in a session; returns what was measured inside, and what the session received and lost.
fn flooded(bench: &Bench, seconds: u64, pairs: u64) -> Result<(super::inside::Measured, u64, u64)> {
    let world = &bench.world;
    let report = world.home().join("measured.json");
    host::write(&report, "")?;
    std::os::unix::fs::chown(&report, Some(world.user), Some(world.user))?;
    let summary = world.path().join("summary.json");
    let mut command = bench.session_command("record", "flood");
    command.arg("--summary-file").arg(&summary).arg("--").arg(world.runner());
    command.args(["bench", "inside", Workload::OpenClose.name()]);
    command.arg("--file").arg(world.file()).arg("--report").arg(&report);
    command.args(["--flood", &seconds.to_string(), &pairs.to_string()]);
    host::output(&mut command)?;
    let (received, lost) = account(&summary)?;
    Ok((serde_json::from_slice(&host::read(&report)?)?, received, lost))
}

fn text(outcome: &Outcome) -> String {
    let mut out = outcome.head.text("Floods");
    out.push_str(
        "\nA file is opened and closed in a session under record, all of it stored: three events a round. Sent is what the \
workload did, counted by itself, and what the same session does without a flood; received and lost are what Wardline says.\n\n\
| asked, events/s | sent | events/s | received | lost | sent - received - lost | resident, most | supervisor |\n\
| --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for flood in &outcome.floods {
        let asked = if flood.asked == 0 { "as many as go".to_owned() } else { flood.asked.to_string() };
        let missing = i128::from(flood.sent) - i128::from(flood.received) - i128::from(flood.lost);
        let _ = writeln!(
            out,
            "| {asked} | {} | {:.0} | {} | {} | {missing} | {:.1} MiB | {:.2} processors |",
            flood.sent,
            flood.sent as f64 / flood.seconds,
            flood.received,
            flood.lost,
            flood.resident_kib as f64 / 1024.0,
            flood.processors,
        );
    }
    out.push_str(
        "\nWhether the overhead grows: open and close under record, between bare runs without any session, and beside a new \
session alone with an empty database (which 1 session at once is: what that row differs from 1 is noise).\n\n\
| open and close under record, with | ratio to bare | ratio to a new session alone | runs |\n| --- | --- | --- | --- |\n",
    );
    for Overhead { what, ratio, growth } in &outcome.overheads {
        let _ = writeln!(out, "| {what} | {} | {} | {} |", ratio.text(), growth.text(), ratio.values);
    }
    if let Some(database) = &outcome.database {
        let _ = writeln!(
            out,
            "\nThe database holds {} operations and {} system calls in {} bytes.",
            database.events, database.syscalls, database.bytes
        );
    }
    out
}
