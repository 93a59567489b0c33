//! What it costs to store operations and system calls, and what they take on disk: the recorder beside bare loops over the
//! same rows and beside another format, and the way back.
//!
//! `cargo bench -p store --bench rows [-- --recording STORE.db] [--rows N] [--rounds N] [--json]`. The rows are those of the
//! last session of a store, again and again, or made up. In each round every way is gone once, in turn; with `--json` the
//! rounds are printed as they were measured, otherwise their medians.

use event::{
    Access, Captured, Context, Event, File, FileKey, Object, Op, Origin, Outcome, SessionMeta, Syscall,
};
use rusqlite::{Connection, Statement, params};
use std::collections::HashMap;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};
use store::{Reader, Recorder, SessionId, Writer, WriterMessage};

/// Distinct files of a made-up session: what one agent turn opens.
const FILES: u64 = 13_000;
/// Events that a sender hands over at once.
const BATCH: usize = 256;
/// System calls of a chunk, as the recorder has them.
const CALLS: usize = 180;
/// Rows of a transaction of a bare loop.
const TRANSACTION: usize = 1000;

fn main() {
    let mut words = std::env::args().skip(1);
    let (mut recording, mut rows, mut rounds, mut json) = (None, 400_000, 5, false);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} wants a value"));
        match word.as_str() {
            "--recording" => recording = Some(value()),
            "--rows" => rows = value().parse().expect("--rows wants a number"),
            "--rounds" => rounds = value().parse().expect("--rounds wants a number"),
            "--json" => json = true,
            // What cargo gives every bench.
            "--bench" => {}
            other => panic!("unknown argument {other}"),
        }
    }
    let session = recording.map_or_else(Input::made_up, |path| Input::recorded(Path::new(&path)));
    let repeated = session.repeated(rows);
    let mut ways = ways();
    for _ in 0..rounds {
        for way in &mut ways {
            way.rounds.push(on_new_file(|path| (way.go)(path, &repeated)).0);
        }
    }
    for way in &mut ways {
        let (took, bytes) = on_new_file(|path| (way.go)(path, &session));
        way.once = Some((took.rows, bytes));
    }
    if json { print_json(&ways) } else { print_table(&ways) }
}

/// What is stored.
struct Input {
    operations: Vec<Captured>,
    calls: Vec<Captured>,
    /// The number of each operation's object.
    objects: Vec<i64>,
}

impl Input {
    /// The last session of a store.
    fn recorded(path: &Path) -> Input {
        let reader = Reader::open(path).expect("a store");
        let id = reader.sessions().expect("sessions").last().expect("a session").id;
        let (mut operations, mut calls) = (Vec::new(), Vec::new());
        reader
            .events(id, &mut |captured| {
                match captured {
                    Captured::Event(_) => operations.push(captured),
                    Captured::Syscall(_) => calls.push(captured),
                    Captured::Loss(_) => {}
                }
                ControlFlow::Continue(())
            })
            .expect("events");
        Input::new(operations, calls)
    }

    fn made_up() -> Input {
        let operations = (0..100_000).map(|n| operation(n, scatter(n) % FILES));
        Input::new(operations.collect(), (0..100_000).map(call).collect())
    }

    fn new(operations: Vec<Captured>, calls: Vec<Captured>) -> Input {
        let mut numbers = HashMap::new();
        let objects = operations.iter().map(|captured| {
            let Captured::Event(event) = captured else { unreachable!("only events are operations") };
            let next = numbers.len() as i64;
            *numbers.entry(event.object.clone()).or_insert(next)
        });
        let objects = objects.collect();
        Input { operations, calls, objects }
    }

    /// The same rows again and again, one time after the other, until there are so many of each.
    fn repeated(&self, rows: usize) -> Input {
        let all = self.operations.iter().chain(&self.calls).map(time_ns);
        let (first, last) = all.fold((u64::MAX, 0), |(first, last), time| (first.min(time), last.max(time)));
        let span = (last + 1).saturating_sub(first);
        let again = |once: &[Captured]| -> Vec<Captured> {
            (0..rows).map(|n| later(&once[n % once.len()], span * (n / once.len()) as u64)).collect()
        };
        let objects = self.objects.iter().copied().cycle().take(rows).collect();
        Input { operations: again(&self.operations), calls: again(&self.calls), objects }
    }
}

fn time_ns(captured: &Captured) -> u64 {
    match captured {
        Captured::Event(event) => event.time_ns,
        Captured::Syscall(call) => call.time_ns,
        Captured::Loss(loss) => loss.time_ns,
    }
}

fn later(captured: &Captured, by_ns: u64) -> Captured {
    let mut captured = captured.clone();
    match &mut captured {
        Captured::Event(event) => event.time_ns += by_ns,
        Captured::Syscall(call) => call.time_ns += by_ns,
        Captured::Loss(loss) => loss.time_ns += by_ns,
    }
    captured
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

/// What a way took.
#[derive(Clone, Copy)]
struct Took {
    rows: usize,
    clock: Duration,
    processor: Duration,
}

impl Took {
    /// Rows a second of time on a processor, which also holds on a busy machine.
    fn rate(self) -> f64 {
        self.rows as f64 / self.processor.as_secs_f64()
    }
}

/// Begins to time a way.
struct Timer(Instant, Duration);

impl Timer {
    fn start() -> Self {
        Timer(Instant::now(), processor())
    }

    fn took(&self, rows: usize) -> Took {
        Took { rows, clock: self.0.elapsed(), processor: processor() - self.1 }
    }
}

/// Time of this process on a processor, all its threads together, ns.
fn processor() -> Duration {
    let stat = std::fs::read_dir("/proc/self/task").expect("threads").flatten().map(|task| {
        // The first field of schedstat, ns (proc(5)).
        let stat = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        stat.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0)
    });
    Duration::from_nanos(stat.sum())
}

/// Goes a way on a new file; what it took, and the bytes of the file and its log afterwards.
fn on_new_file(go: impl FnOnce(&Path) -> Took) -> (Took, u64) {
    let directory = tempfile::tempdir().expect("a directory for temporary files");
    let path = directory.path().join("store.db");
    let took = go(&path);
    let conn = Connection::open(&path).expect("a database");
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("a checkpoint");
    drop(conn);
    (took, std::fs::metadata(&path).expect("a file").len())
}

/// A database with the recorder's settings.
fn bare(path: &Path, table: &str) -> Connection {
    let conn = Connection::open(path).expect("a database");
    let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4096;
         PRAGMA cache_size = -32768;";
    conn.execute_batch(&format!("{settings} {table}")).expect("a table");
    conn
}

/// Does something for each item, in transactions.
fn transact<T>(conn: &Connection, items: &[T], mut each: impl FnMut(usize, &T)) {
    for (nth, part) in items.chunks(TRANSACTION).enumerate() {
        conn.execute_batch("BEGIN IMMEDIATE").expect("begin");
        for (place, item) in part.iter().enumerate() {
            each(nth * TRANSACTION + place, item);
        }
        conn.execute_batch("COMMIT").expect("commit");
    }
}

/// A table of operations, and a statement for it.
const OPERATION: &str =
    "CREATE TABLE operation (id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, segment INTEGER NOT NULL,
     pid INTEGER NOT NULL, tid INTEGER NOT NULL, op INTEGER NOT NULL, access INTEGER NOT NULL,
     detail INTEGER NOT NULL, object INTEGER, second INTEGER, returned INTEGER, errno INTEGER, stage INTEGER,
     means INTEGER, refused INTEGER, reason INTEGER, fork_pid INTEGER, fork_tid INTEGER) STRICT;";
const INSERT_OPERATION: &str = "INSERT INTO operation (id, time_ns, segment, pid, tid, op, access, detail, object, second, \
     returned, errno, stage, means, refused, reason, fork_pid, fork_tid) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";

/// All fields of an operation, its object as a number.
fn insert_operation(insert: &mut Statement<'_>, n: usize, event: &Event, object: i64) {
    let none: Option<i64> = None;
    let (returned, errno) = match event.outcome {
        Outcome::Done(value) => (Some(value), None),
        Outcome::Failed(errno) => (None, Some(errno)),
    };
    let fork = event.fork;
    insert
        .execute(params![
            (1i64 << 40) + n as i64,
            event.time_ns as i64,
            event.segment,
            event.pid,
            event.tid,
            event.op as u16,
            event.access.bits(),
            event.detail,
            object,
            none,
            returned,
            errno,
            none,
            none,
            none,
            none,
            fork.map(|fork| fork.pid),
            fork.map(|fork| fork.tid)
        ])
        .expect("insert");
}

/// Operations from one prepared statement, without what the numbers of their objects mean.
fn operation_rows(path: &Path, input: &Input) -> Took {
    let conn = bare(path, OPERATION);
    let mut insert = conn.prepare(INSERT_OPERATION).expect("a statement");
    let timer = Timer::start();
    transact(&conn, &input.operations, |n, captured| {
        if let Captured::Event(event) = captured {
            insert_operation(&mut insert, n, event, input.objects[n]);
        }
    });
    timer.took(input.operations.len())
}

/// Operations that have a path and an object of their own each, with a row for both as the recorder keeps them.
fn new_file_rows(path: &Path, input: &Input) -> Took {
    let tables = "CREATE TABLE path (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL UNIQUE) STRICT;
         CREATE TABLE object (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, path INTEGER, origin INTEGER, mode INTEGER,
             dev INTEGER, ino INTEGER, generation INTEGER) STRICT;";
    let conn = bare(path, &format!("{tables} {OPERATION}"));
    let statement = |text| conn.prepare(text).expect("a statement");
    let mut insert_path = statement("INSERT INTO path (id, bytes) VALUES (?1, ?2)");
    let mut insert_object = statement(
        "INSERT INTO object (id, kind, path, origin, mode, dev, ino, generation) VALUES (?1, 1, ?1, 0, ?2, ?3, ?4, ?5)",
    );
    let mut insert = statement(INSERT_OPERATION);
    let events = new_files(input.operations.len());
    let timer = Timer::start();
    transact(&conn, &events, |n, captured| {
        let Captured::Event(event) = captured else { return };
        let (Object::File(file), number) = (&event.object, n as i64) else { return };
        let Some(key) = file.key else { return };
        insert_path.execute(params![number, file.path.as_slice()]).expect("insert");
        insert_object
            .execute(params![number, file.mode, key.dev, key.ino as i64, key.generation])
            .expect("insert");
        insert_operation(&mut insert, n, event, number);
    });
    timer.took(events.len())
}

fn new_files(rows: usize) -> Vec<Captured> {
    (0..rows as u64).map(|n| operation(n, n)).collect()
}

/// All fields of each system call from one prepared statement.
fn call_rows(path: &Path, input: &Input) -> Took {
    let conn = bare(
        path,
        "CREATE TABLE call (id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, tid INTEGER NOT NULL,
             number INTEGER NOT NULL, compat INTEGER NOT NULL, ret INTEGER NOT NULL) STRICT",
    );
    let mut insert = conn
        .prepare("INSERT INTO call (id, time_ns, tid, number, compat, ret) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
        .expect("a statement");
    let timer = Timer::start();
    transact(&conn, &input.calls, |n, captured| {
        let Captured::Syscall(call) = captured else { return };
        let id = (1i64 << 40) + n as i64;
        insert
            .execute(params![id, call.time_ns as i64, call.tid, call.number, call.compat, call.ret])
            .expect("insert");
    });
    timer.took(input.calls.len())
}

/// Chunks of one thread's calls as the recorder makes them, but as lists of MessagePack: of the times since the call before,
/// the numbers, what they returned, and the places of the 32-bit ones.
fn call_messages(path: &Path, input: &Input) -> Took {
    let conn = bare(
        path,
        "CREATE TABLE chunk (id INTEGER PRIMARY KEY, tid INTEGER NOT NULL, first_ns INTEGER NOT NULL,
             last_ns INTEGER NOT NULL, calls INTEGER NOT NULL, body BLOB NOT NULL) STRICT",
    );
    let mut insert = conn
        .prepare(
            "INSERT INTO chunk (id, tid, first_ns, last_ns, calls, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .expect("a statement");
    let timer = Timer::start();
    let mut threads: HashMap<u32, Vec<Syscall>> = HashMap::new();
    let mut chunks: Vec<Vec<Syscall>> = Vec::new();
    let mut id = 1i64 << 40;
    let mut store = |chunks: &mut Vec<Vec<Syscall>>| {
        transact(&conn, chunks, |_, calls| {
            let (Some(first), Some(last)) = (calls.first(), calls.last()) else { return };
            let before = [first].into_iter().chain(calls);
            let times: Vec<u64> = calls.iter().zip(before).map(|(a, b)| a.time_ns - b.time_ns).collect();
            let numbers: Vec<u32> = calls.iter().map(|call| call.number).collect();
            let returned: Vec<i64> = calls.iter().map(|call| call.ret).collect();
            let narrow: Vec<usize> = (0..calls.len()).filter(|&place| calls[place].compat).collect();
            let body = rmp_serde::to_vec(&(times, numbers, returned, narrow)).expect("a body");
            let count = calls.len() as i64;
            insert
                .execute(params![id, first.tid, first.time_ns as i64, last.time_ns as i64, count, body])
                .expect("insert");
            id += 1;
        });
        chunks.clear();
    };
    for captured in &input.calls {
        let Captured::Syscall(call) = captured else { continue };
        let thread = threads.entry(call.tid).or_default();
        thread.push(*call);
        if thread.len() == CALLS {
            chunks.push(std::mem::take(thread));
        }
        if chunks.len() == TRANSACTION {
            store(&mut chunks);
        }
    }
    chunks.extend(threads.into_values());
    store(&mut chunks);
    timer.took(input.calls.len())
}

fn record(path: &Path, captured: &[Captured], sessions: usize) -> Took {
    let mut recorder = Recorder::open(path).expect("a store");
    let ids: Vec<SessionId> =
        (0..sessions).map(|_| recorder.begin_session(&meta()).expect("a session")).collect();
    let timer = Timer::start();
    for (captured, id) in captured.iter().zip(ids.iter().cycle()) {
        recorder.write(*id, captured).expect("a write");
    }
    recorder.flush().expect("a flush");
    timer.took(captured.len())
}

fn write(path: &Path, captured: &[Captured]) -> Took {
    let writer = Writer::open(path).expect("a store");
    let id = writer.begin_session(meta()).expect("a session");
    let batches: Vec<Vec<Captured>> = captured.chunks(BATCH).map(<[_]>::to_vec).collect();
    let timer = Timer::start();
    for batch in batches {
        writer.send(WriterMessage::Batch(id, batch)).expect("a batch");
    }
    // Its thread is there until it is closed, and its time with it.
    writer.flush().expect("a flush");
    let took = timer.took(captured.len());
    writer.close().expect("a close");
    took
}

fn read(path: &Path, captured: &[Captured]) -> Took {
    record(path, captured, 1);
    let reader = Reader::open(path).expect("a reader");
    let timer = Timer::start();
    let mut events = 0;
    reader
        .events_only(SessionId(1), &mut |event| {
            black_box(event);
            events += 1;
            ControlFlow::Continue(())
        })
        .expect("events");
    assert_eq!(events, captured.len());
    timer.took(events)
}

fn merge(path: &Path, input: &Input) -> Took {
    let both: Vec<Captured> =
        input.operations.iter().zip(&input.calls).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    record(path, &both, 1);
    let reader = Reader::open(path).expect("a reader");
    let timer = Timer::start();
    let mut count = 0;
    reader
        .events(SessionId(1), &mut |captured| {
            black_box(captured);
            count += 1;
            ControlFlow::Continue(())
        })
        .expect("events");
    assert_eq!(count, both.len());
    timer.took(count)
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

/// A number that looks drawn by chance (splitmix64).
fn scatter(n: u64) -> u64 {
    let n = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    n ^ (n >> 31)
}

fn time(n: u64) -> u64 {
    5_000_000_000_000 + n * 3_300
}

/// An open of one of the files; their paths have 55 bytes.
fn operation(n: u64, file: u64) -> Captured {
    let path = format!("/home/user/projects/app/node_modules/module/{:07}/a.js", file);
    Captured::Event(Box::new(Event {
        time_ns: time(n),
        segment: 0,
        pid: 4242,
        tid: 4242 + n as u32 % 64,
        op: Op::Open,
        access: Access::READ,
        object: Object::File(File {
            path: path.into(),
            key: Some(FileKey { ino: 1_000_000 + file, dev: 0x80_0002, generation: 7 }),
            mode: 0o100_644,
            origin: Origin::Trusted,
        }),
        second: None,
        outcome: Outcome::Done(3),
        decision: None,
        fork: None,
        detail: 0o100_0000,
    }))
}

fn call(n: u64) -> Captured {
    let (number, ret) = (scatter(n) as u32 % 300, scatter(n + 1) as i64 % 4096);
    Captured::Syscall(Syscall { time_ns: time(n), tid: 4242 + n as u32 % 64, number, compat: false, ret })
}

fn meta() -> SessionMeta {
    SessionMeta {
        agent: "codex".into(),
        task: "edit".into(),
        command: vec!["codex".into()],
        context: Context::default(),
        mode: "record".into(),
        tier: "lsm".into(),
        kernel: "6.12.0".into(),
        started_unix_ns: 0,
        started_boot_ns: 0,
    }
}
