//! What it costs to store operations and system calls, and what they take on disk: the recorder beside bare loops over the
//! same rows and beside another format, and the way back.
//!
//! `cargo bench -p store --bench rows [-- --recording STORE.db] [--rows N] [--rounds N] [--json]`. The rows are those of the
//! last session of a store, again and again, or made up. In each round every way is gone once, in turn; with `--json` the
//! rounds are printed as they were measured, otherwise their medians.

mod bare;
mod input;
mod stored;
mod timer;

use bare::{call_messages, call_rows, new_file_rows, operation_rows};
use clap::Parser;
use input::{Input, new_files};
use std::path::{Path, PathBuf};
use stored::{merge, read, record, write};
use timer::{Took, on_new_file};

/// Measures ways to store a session.
#[derive(Parser)]
struct Arguments {
    /// Store of which the last session gives the rows, instead of one that is made up
    #[arg(long, value_name = "STORE")]
    recording: Option<PathBuf>,
    /// Rows of each way
    #[arg(long, default_value_t = 400_000)]
    rows: usize,
    /// Rounds in which each way is gone once
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Print the rounds as they were measured
    #[arg(long)]
    json: bool,
    /// What cargo gives every bench
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let session = arguments.recording.as_deref().map_or_else(Input::made_up, Input::recorded);
    let repeated = session.repeated(arguments.rows);
    let mut ways = ways();
    for _ in 0..arguments.rounds {
        for way in &mut ways {
            way.rounds.push(on_new_file(|path| (way.go)(path, &repeated)).0);
        }
    }
    for way in &mut ways {
        let (took, bytes) = on_new_file(|path| (way.go)(path, &session));
        way.once = Some((took.rows, bytes));
    }
    if arguments.json { print_json(&ways) } else { print_table(&ways) }
}

/// One way to store rows, or to read them.
struct Way {
    what: &'static str,
    /// The way that it is compared with.
    beside: &'static str,
    go: fn(&Path, &Input) -> Took,
    rounds: Vec<Took>,
    /// Rows of one session, and the bytes of a store that holds nothing else.
    once: Option<(usize, u64)>,
}

/// A row for each operation.
const OPERATION_ROWS: &str = "operations, a row each";
/// A row for each operation, and for the path and the object that each has for itself.
const NEW_ROWS: &str = "operations of new files, three rows each";
/// A row for each system call.
const CALL_ROWS: &str = "system calls, a row each";

fn ways() -> Vec<Way> {
    let way = |what, beside, go| Way { what, beside, go, rounds: Vec::new(), once: None };
    vec![
        way(OPERATION_ROWS, OPERATION_ROWS, operation_rows),
        way("operations, recorder", OPERATION_ROWS, |path, input| record(path, &input.operations, 1)),
        way("operations, recorder, two sessions in turn", OPERATION_ROWS, |path, input| {
            record(path, &input.operations, 2)
        }),
        way(NEW_ROWS, NEW_ROWS, new_file_rows),
        way("operations of new files, recorder", NEW_ROWS, |path, input| {
            record(path, &new_files(input.operations.len()), 1)
        }),
        way("operations, writer's thread", OPERATION_ROWS, |path, input| write(path, &input.operations)),
        way("operations, read by time", OPERATION_ROWS, |path, input| read(path, &input.operations)),
        way(CALL_ROWS, CALL_ROWS, call_rows),
        way("system calls, chunks of MessagePack", CALL_ROWS, call_messages),
        way("system calls, recorder", CALL_ROWS, |path, input| record(path, &input.calls, 1)),
        way("both, read by time", CALL_ROWS, merge),
    ]
}

fn print_json(ways: &[Way]) {
    let ways: Vec<serde_json::Value> = ways
        .iter()
        .map(|way| {
            let rounds: Vec<[u128; 3]> = way
                .rounds
                .iter()
                .map(|took| [took.rows as u128, took.clock.as_nanos(), took.processor.as_nanos()])
                .collect();
            let (rows, bytes) = way.once.unwrap_or_default();
            serde_json::json!({
                "what": way.what,
                "beside": way.beside,
                // Rows, ns by the clock, ns of processors.
                "rounds": rounds,
                "session_rows": rows,
                "session_bytes": bytes,
            })
        })
        .collect();
    println!("{}", serde_json::Value::from(ways));
}

fn print_table(ways: &[Way]) {
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    };
    println!("{:<44} {:>12} {:>7} {:>10}", "", "rows/s of a", "beside", "bytes");
    println!("{:<44} {:>12} {:>7} {:>10}", "", "processor", "rows", "a row");
    for way in ways {
        let rate = median(way.rounds.iter().map(|took| took.rate()).collect());
        let base =
            ways.iter().find(|other| other.what == way.beside).map_or(&way.rounds, |base| &base.rounds);
        let ratio = median(way.rounds.iter().zip(base).map(|(a, b)| a.rate() / b.rate()).collect());
        let (rows, bytes) = way.once.unwrap_or_default();
        println!("{:<44} {rate:>12.0} {ratio:>7.2} {:>10.1}", way.what, bytes as f64 / rows.max(1) as f64);
    }
}
