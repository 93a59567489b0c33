//! The recorder's comparisons: loops of inserts, and chunks in another format.
#![expect(clippy::indexing_slicing, reason = "a place that is not there ends the bench")]

use crate::input::{Input, new_files};
use crate::timer::{Timer, Took};
use event::{Captured, Event, Object, Outcome, Syscall};
use rusqlite::{Connection, Statement, params};
use std::collections::HashMap;
use std::path::Path;

/// System calls of a chunk, as the recorder has them.
const CALLS: usize = 180;
/// Rows of a transaction.
const TRANSACTION: usize = 1000;

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
pub fn operation_rows(path: &Path, input: &Input) -> Took {
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
pub fn new_file_rows(path: &Path, input: &Input) -> Took {
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

/// All fields of each system call from one prepared statement.
pub fn call_rows(path: &Path, input: &Input) -> Took {
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
pub fn call_messages(path: &Path, input: &Input) -> Took {
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
