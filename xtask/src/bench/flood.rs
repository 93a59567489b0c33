//! `cargo xtask bench flood`: how many events a second are taken, written down and accounted for; and whether the overhead
//! grows with the number of sessions or the size of the database.
//!
//! An event is a record of a ring: an `open` is two (the operation and the system call), a `close` is one.

use super::condition::{Bench, Beside, Condition, Own, account};
use super::machine::Machine;
use super::statistics::{Estimate, estimate};
use super::workload::{Profile, Workload};
use crate::host;
use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
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
    /// Pairs with a bare run for each number of sessions, and for the database before and after it has grown
    #[arg(long, default_value_t = 9)]
    pairs: usize,
    /// Where to write `flood.json` and `flood.md`, instead of a new folder of `bench/results`
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Said in the summary: what else ran on the machine
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

#[derive(Serialize)]
struct Outcome {
    machine: Machine,
    date: String,
    note: Option<String>,
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
    ratio: Estimate,
}

/// The database after the floods.
#[derive(Serialize)]
struct Database {
    bytes: u64,
    events: u64,
    syscalls: u64,
}

/// Measures and writes.
pub fn run(arguments: &Flood) -> Result<()> {
    let machine = Machine::look()?;
    let bench = Bench::new(Profile::Quick)?;
    let now = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC);
    let mut outcome = Outcome {
        date: now.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        machine,
        note: arguments.note.clone(),
        floods: Vec::new(),
        overheads: Vec::new(),
        database: None,
    };
    let directory = match &arguments.out {
        Some(out) => out.clone(),
        None => {
            let name = format!("{}-{}", now.strftime("%Y-%m-%d"), outcome.machine.kernel);
            host::workspace()?.join("bench/results").join(name)
        }
    };
    for &sessions in &arguments.sessions {
        eprintln!("{sessions} sessions");
        let beside: Vec<Beside> = (1..sessions)
            .map(|_| Beside::start(&bench))
            .collect::<Result<_>>()
            .context("a session failed")?;
        outcome.overheads.push(overhead(&bench, format!("{sessions} sessions at once"), arguments.pairs)?);
        drop(beside);
        write(&directory, &outcome)?;
    }
    for &rate in &arguments.rates {
        eprintln!("a flood of {rate} events a second for {} s", arguments.seconds);
        outcome.floods.push(flood(&bench, arguments.seconds, rate)?);
        write(&directory, &outcome)?;
    }
    if !arguments.rates.is_empty() {
        let database = database(&bench)?;
        let what = format!("a database of {} MiB", database.bytes >> 20);
        outcome.overheads.push(overhead(&bench, what, arguments.pairs)?);
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

/// The ratio of opening and closing under record to bare.
fn overhead(bench: &Bench, what: String, pairs: usize) -> Result<Overhead> {
    let workload = Workload::OpenClose;
    let rounds = workload.rounds(Profile::Quick);
    let run = |condition| bench.run(condition, workload, rounds, false).map(|run| run.round_ns());
    let record = Condition::Own(Own::Record);
    // Caches fill.
    run(record)?;
    let mut before = run(Condition::BARE)?;
    let mut ratios = Vec::new();
    for _ in 0..pairs {
        let under = run(record)?;
        let after = run(Condition::BARE)?;
        ratios.push(under / ((before + after) / 2.0));
        before = after;
    }
    Ok(Overhead { what, ratio: estimate(&ratios) })
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

fn database(bench: &Bench) -> Result<Database> {
    let path: &Path = &bench.world.state();
    let uid = bench.world.user.to_string();
    let program = host::target()?.join("release/wardline");
    let mut command = Command::new(program);
    command.arg("--state-dir").arg(path).args(["db", "--user", &uid, "stats", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&host::output(command.stdin(Stdio::null()))?)?;
    let number = |name: &str| said[name].as_u64().with_context(|| format!("`db stats` has no `{name}`"));
    Ok(Database { bytes: number("bytes")?, events: number("events")?, syscalls: number("syscalls")? })
}

fn text(outcome: &Outcome) -> String {
    let mut out = format!("# Floods\n\n{} {}\n", outcome.date, outcome.machine.text());
    if let Some(note) = &outcome.note {
        let _ = writeln!(out, "\n{note}");
    }
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
    out.push_str("\n| open and close under record, with | ratio to bare | runs |\n| --- | --- | --- |\n");
    for Overhead { what, ratio } in &outcome.overheads {
        let _ = writeln!(
            out,
            "| {what} | {:.3} [{:.3}, {:.3}] | {} |",
            ratio.median, ratio.low, ratio.high, ratio.values
        );
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
