//! Rows a second: the recorder beside a bare loop over the same rows, and the way back.
//!
//! `cargo bench -p store --bench rows [-- ROWS]`. Each line, the best of three: rows a second by the clock, rows a second
//! of this thread's time on a processor and its ratio to the bare loop, which also hold on a busy machine.

use event::{
    Access, Captured, Context, Event, File, FileKey, Object, Op, Origin, Outcome, SessionMeta, Syscall,
};
use rusqlite::{Connection, params};
use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};
use store::{Reader, Recorder, SessionId, Writer, WriterMessage};

/// Distinct files of a usual session: what one agent turn opens.
const FILES: u64 = 13_000;

/// Events that a sender hands over at once.
const BATCH: usize = 256;

fn main() {
    let rows = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(400_000);
    let usual: Vec<Captured> = (0..rows).map(|n| event(n, scatter(n) % FILES)).collect();
    let flood: Vec<Captured> = (0..rows).map(|n| event(n, n)).collect();
    let calls: Vec<Captured> = (0..rows).map(call).collect();

    let bare = best(&|path| bare(path, rows));
    let report = |what: &str, took: Took, count: u64| {
        let clock = count as f64 / took.clock.as_secs_f64();
        let processor = count as f64 / took.processor.as_secs_f64();
        let ratio = processor / (rows as f64 / bare.processor.as_secs_f64());
        println!("{what:<40} {clock:>9.0} /s {processor:>9.0} /s of processor {ratio:>6.2}");
    };
    report("bare loop, numbers only", bare, rows);
    report("recorder, usual session", best(&|path| record(path, &usual, 1)), rows);
    report("recorder, two sessions in turn", best(&|path| record(path, &usual, 2)), rows);
    report("recorder, every path new", best(&|path| record(path, &flood, 1)), rows);
    report("recorder, system calls of 64 threads", best(&|path| record(path, &calls, 1)), rows);
    // Its work is another thread's: only the clock says something.
    let clock = best(&|path| write(path, &usual)).clock;
    println!("{:<40} {:>9.0} /s", "writer thread, usual session", rows as f64 / clock.as_secs_f64());
    report("reader, operations by time", best(&|path| read(path, &usual)), rows);
    report("reader, operations and calls merged", best(&|path| merge(path, &usual, &calls)), 2 * rows);
}

/// What a run took.
#[derive(Clone, Copy)]
struct Took {
    clock: Duration,
    processor: Duration,
}

/// Begins to time a run.
struct Timer(Instant, Duration);

impl Timer {
    fn start() -> Self {
        Timer(Instant::now(), processor())
    }

    fn elapsed(&self) -> Took {
        Took { clock: self.0.elapsed(), processor: processor() - self.1 }
    }
}

/// Time of this thread on a processor: the first field of schedstat, ns (proc(5)).
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("a kernel with schedstat");
    Duration::from_nanos(stat.split(' ').next().and_then(|ns| ns.parse().ok()).expect("a number"))
}

/// The shortest times of three runs, each on a new file.
fn best(run: &dyn Fn(&Path) -> Took) -> Took {
    let runs = [(); 3].map(|()| {
        let directory = tempfile::tempdir().expect("a directory for temporary files");
        run(&directory.path().join("store.db"))
    });
    let [first, rest @ ..] = runs;
    rest.into_iter().fold(first, |best, took| Took {
        clock: best.clock.min(took.clock),
        processor: best.processor.min(took.processor),
    })
}

/// A row for each operation of a usual session, with all its fields but without objects, from one prepared statement.
fn bare(path: &Path, rows: u64) -> Took {
    let conn = Connection::open(path).expect("a database");
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4096;
         PRAGMA cache_size = -32768;
         CREATE TABLE operation (id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, segment INTEGER NOT NULL,
             pid INTEGER NOT NULL, tid INTEGER NOT NULL, op INTEGER NOT NULL, access INTEGER NOT NULL,
             detail INTEGER NOT NULL, object INTEGER, second INTEGER, returned INTEGER, errno INTEGER, stage INTEGER,
             means INTEGER, refused INTEGER, reason INTEGER, fork_pid INTEGER, fork_tid INTEGER) STRICT",
    )
    .expect("a table");
    let timer = Timer::start();
    let mut insert = conn
        .prepare(
            "INSERT INTO operation (id, time_ns, segment, pid, tid, op, access, detail, object, second, returned, \
             errno, stage, means, refused, reason, fork_pid, fork_tid) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        )
        .expect("a statement");
    let none: Option<i64> = None;
    for n in 0..rows as i64 {
        if n % 1000 == 0 {
            conn.execute_batch("BEGIN IMMEDIATE").expect("begin");
        }
        let object = scatter(n as u64) % FILES;
        insert
            .execute(params![
                (1i64 << 40) + n,
                time(n as u64) as i64,
                0,
                4242,
                4242 + n % 64,
                1,
                1,
                0o100_0000,
                object as i64,
                none,
                3,
                none,
                none,
                none,
                none,
                none,
                none,
                none
            ])
            .expect("insert");
        if n % 1000 == 999 || n == rows as i64 - 1 {
            conn.execute_batch("COMMIT").expect("commit");
        }
    }
    timer.elapsed()
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
    timer.elapsed()
}

fn write(path: &Path, captured: &[Captured]) -> Took {
    let writer = Writer::open(path).expect("a store");
    let id = writer.begin_session(meta()).expect("a session");
    let batches: Vec<Vec<Captured>> = captured.chunks(BATCH).map(<[_]>::to_vec).collect();
    let timer = Timer::start();
    for batch in batches {
        writer.send(WriterMessage::Batch(id, batch)).expect("a batch");
    }
    writer.close().expect("a close");
    timer.elapsed()
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
    timer.elapsed()
}

fn merge(path: &Path, events: &[Captured], calls: &[Captured]) -> Took {
    let both: Vec<Captured> = events.iter().zip(calls).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
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
    timer.elapsed()
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
fn event(n: u64, file: u64) -> Captured {
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
