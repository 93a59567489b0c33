//! Looking after a store: how large it is, whether it is sound, removing old sessions.

use crate::chunk::unpack;
use crate::connect::{self, log_of};
use crate::operation::{self, Stored};
use crate::{Error, Reader, Result, SessionId};
use rusqlite::{Connection, TransactionBehavior, params};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// How large a store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sessions.
    pub sessions: u64,
    /// Sessions without an end: they run, or their recorder was killed.
    pub incomplete: u64,
    /// Operations of all sessions.
    pub events: u64,
    /// System calls of all sessions.
    pub syscalls: u64,
    /// Distinct paths.
    pub paths: u64,
    /// Size of the database, bytes.
    pub bytes: u64,
    /// Of it, bytes that hold nothing: new rows go there first, and [`vacuum`] gives them back.
    pub free_bytes: u64,
    /// Size of the write-ahead log beside it, bytes.
    pub log_bytes: u64,
    /// Bytes of the pages that hold operations, their objects and the indexes of both.
    pub operation_bytes: u64,
    /// Bytes of the pages that hold system calls.
    pub syscall_bytes: u64,
}

/// Which sessions are removed: each that any of the two names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prune {
    /// Those that began before this, ns since 1970.
    pub before_unix_ns: Option<i64>,
    /// The oldest, until what is left takes at most so many bytes.
    pub keep_bytes: Option<u64>,
    /// Also sessions without an end. Only while nothing records: a running session is one.
    pub incomplete: bool,
}

/// Problems that [`check`] tells at most: a broken store has as many as rows.
const PROBLEMS: usize = 100;

/// What no key of SQLite watches over: a table, and which of its rows name what is not there.
const ORPHANS: [(&str, &str); 6] = [
    ("block", "(id >> 40) NOT IN (SELECT id FROM session)"),
    ("chunk", "(id >> 40) NOT IN (SELECT id FROM session)"),
    ("loss", "(id >> 40) NOT IN (SELECT id FROM session)"),
    ("alert", "(id >> 40) NOT IN (SELECT id FROM session)"),
    ("object", "path IS NOT NULL AND path NOT IN (SELECT id FROM path)"),
    ("object", "arguments IS NOT NULL AND arguments NOT IN (SELECT id FROM arguments)"),
];

/// Pages by the table that they belong to (<https://sqlite.org/dbstat.html>), an index with its own table.
const PAGES: &str = "SELECT ifnull(sum(pgsize), 0) FROM dbstat('main', 1) \
     JOIN sqlite_schema USING (name) WHERE tbl_name IN ";

/// How large a store is. Counts rows and pages: takes time in proportion.
pub fn stats(reader: &Reader) -> Result<Stats> {
    let _snapshot = reader.snapshot()?;
    let number = |sql: &str| -> Result<u64> {
        let number: rusqlite::Result<i64> = reader.conn.query_row(sql, [], |row| row.get(0));
        number.map(|number| number as u64).map_err(|error| reader.wrap(error))
    };
    let page = number("PRAGMA page_size")?;
    Ok(Stats {
        sessions: number("SELECT count(*) FROM session")?,
        incomplete: number("SELECT count(*) FROM session WHERE summary IS NULL")?,
        events: number("SELECT ifnull(sum(count), 0) FROM block")?,
        syscalls: number("SELECT ifnull(sum(calls), 0) FROM chunk")?,
        paths: number("SELECT count(*) FROM path")?,
        bytes: page * number("PRAGMA page_count")?,
        free_bytes: page * number("PRAGMA freelist_count")?,
        log_bytes: fs::metadata(log_of(&reader.path)).map_or(0, |log| log.len()),
        operation_bytes: number(&format!("{PAGES} ('block', 'object', 'path', 'arguments')"))?,
        syscall_bytes: number(&format!("{PAGES} ('chunk')"))?,
    })
}

/// What is wrong with a store, in words, at most 100 problems; nothing for a sound one. Reads all of it.
pub fn check(reader: &Reader) -> Result<Vec<String>> {
    let _snapshot = reader.snapshot()?;
    let mut problems = Vec::new();
    let mut look = || -> rusqlite::Result<()> {
        let conn = &reader.conn;
        let mut statement = conn.prepare("PRAGMA integrity_check(100)")?;
        let said = statement.query_map([], |row| row.get::<_, String>(0))?;
        problems.extend(
            said.filter(|said| !matches!(said, Ok(ok) if ok == "ok")).collect::<Result<Vec<_>, _>>()?,
        );
        if !problems.is_empty() {
            // Its tables cannot be read in a way that means anything.
            return Ok(());
        }
        let mut statement = conn.prepare("PRAGMA foreign_key_check")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            problems.push(format!(
                "a row of `{}` names no row of `{}`",
                row.get::<_, String>(0)?,
                row.get::<_, String>(2)?
            ));
        }
        for (table, rows) in ORPHANS {
            let sql = format!("SELECT count(*), min(id) FROM {table} WHERE {rows}");
            let (count, first): (i64, Option<i64>) =
                conn.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if let Some(first) = first {
                problems.push(format!(
                    "{count} rows of `{table}` name what is not there, the first is row {first}"
                ));
            }
        }
        check_chunks(conn, &mut problems)?;
        check_blocks(conn, &mut problems)
    };
    match look() {
        Ok(()) => {}
        Err(error) => match reader.wrap(error) {
            Error::Corrupt { detail, .. } => problems.push(detail),
            error => return Err(error),
        },
    }
    if problems.is_empty() {
        check_sessions(reader, &mut problems)?;
    }
    problems.truncate(PROBLEMS);
    Ok(problems)
}

/// Every chunk can be unpacked.
fn check_chunks(conn: &Connection, problems: &mut Vec<String>) -> rusqlite::Result<()> {
    let mut statement = conn.prepare("SELECT tid, first_ns, last_ns, calls, body, id FROM chunk")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let count = usize::try_from(row.get::<_, i64>(3)?).unwrap_or(usize::MAX);
        let (first, last) = (row.get::<_, i64>(1)? as u64, row.get::<_, i64>(2)? as u64);
        if let Err(wrong) = unpack(row.get(0)?, first, last, count, row.get_ref(4)?.as_blob()?) {
            problems.push(format!("chunk {}: {wrong}", row.get::<_, i64>(5)?));
        }
        if problems.len() >= PROBLEMS {
            return Ok(());
        }
    }
    Ok(())
}

/// Every block can be unpacked, and the objects of its operations are there.
fn check_blocks(conn: &Connection, problems: &mut Vec<String>) -> rusqlite::Result<()> {
    let mut there = Numbers::default();
    let mut statement = conn.prepare("SELECT id FROM object")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        there.insert(row.get(0)?);
    }
    let mut orphans = (0, 0);
    each_block(conn, |id, operations| match operations {
        Err(wrong) if problems.len() < PROBLEMS => {
            problems.push(format!("block {id} of operations: {wrong}"))
        }
        Err(_) => {}
        Ok(operations) => {
            let missing = |object: Option<i64>| object.is_some_and(|object| !there.contains(object));
            let found = operations.iter().filter(|stored| missing(stored.object) || missing(stored.second));
            for stored in found {
                orphans = (orphans.0 + 1, if orphans.0 == 0 { stored.number } else { orphans.1 });
            }
        }
    })?;
    if orphans.0 > 0 {
        problems.push(format!(
            "{} operations name what is not there, the first is operation {}",
            orphans.0, orphans.1
        ));
    }
    Ok(())
}

/// Hands on every block with its operations, or with what is wrong with it.
fn each_block(
    conn: &Connection,
    mut each: impl FnMut(i64, std::result::Result<Vec<Stored>, &'static str>),
) -> rusqlite::Result<()> {
    let mut statement = conn.prepare("SELECT id, count, body FROM block")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        each(id, operation::unpack(id, row.get(1)?, row.get_ref(2)?.as_blob()?));
    }
    Ok(())
}

/// Row numbers, a bit each: objects are numbered from 1 on without large gaps.
#[derive(Default)]
struct Numbers(Vec<u64>);

impl Numbers {
    /// Numbers past this one are not kept: a damaged store must not take all memory.
    const MAX: i64 = 1 << 36;

    fn insert(&mut self, number: i64) {
        let Some(word) = usize::try_from(number / 64).ok().filter(|_| (0..Self::MAX).contains(&number))
        else {
            return;
        };
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= 1 << (number % 64);
        }
    }

    fn contains(&self, number: i64) -> bool {
        let word = usize::try_from(number / 64).ok().and_then(|word| self.0.get(word));
        number >= 0 && word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}

/// Every session, alert and operation has a meaning.
fn check_sessions(reader: &Reader, problems: &mut Vec<String>) -> Result<()> {
    let look = || -> Result<()> {
        for session in reader.sessions()? {
            reader.alerts(session.id)?;
            reader.events_only(session.id, &mut |_| std::ops::ControlFlow::Continue(()))?;
        }
        Ok(())
    };
    match look() {
        Err(Error::Corrupt { detail, .. }) => problems.push(detail),
        result => result?,
    }
    Ok(())
}

/// Removes sessions with all that belongs to them, and objects that nothing names any more; returns the sessions.
///
/// Each session goes in one transaction, so that none is ever half there, and objects go some at a time; a recorder waits
/// for one of these at most. The file does not shrink: see [`vacuum`].
pub fn prune(path: impl AsRef<Path>, prune: &Prune) -> Result<Vec<SessionId>> {
    let (mut conn, path) = open(path.as_ref())?;
    let wrap = |error| Error::sqlite(&path, error);
    let mut removed = Vec::new();
    while let Some(id) = oldest(&conn, prune).map_err(wrap)? {
        remove(&mut conn, id).map_err(wrap)?;
        removed.push(id);
        if prune.keep_bytes.is_some() {
            // What nothing names any more counts as used until then.
            sweep(&mut conn).map_err(wrap)?;
        }
    }
    if !removed.is_empty() && prune.keep_bytes.is_none() {
        sweep(&mut conn).map_err(wrap)?;
    }
    Ok(removed)
}

/// Writes the store anew without what is free, and empties the log; returns how many bytes it gave back. Takes as much free
/// space as the store has content, and the lock meanwhile.
pub fn vacuum(path: impl AsRef<Path>) -> Result<u64> {
    let (conn, path) = open(path.as_ref())?;
    let size = || fs::metadata(&path).map(|file| file.len()).map_err(|error| Error::io(&path, &error));
    let wrap = |error| Error::sqlite(&path, error);
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(wrap)?;
    let before = size()?;
    conn.execute_batch("VACUUM").map_err(wrap)?;
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(wrap)?;
    Ok(before.saturating_sub(size()?))
}

/// A store that exists, for writing.
fn open(path: &Path) -> Result<(Connection, std::path::PathBuf)> {
    fs::metadata(path).map_err(|error| Error::io(path, &error))?;
    connect::write(path)
}

/// The oldest session that is to be removed.
fn oldest(conn: &Connection, prune: &Prune) -> rusqlite::Result<Option<SessionId>> {
    let number = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    let page = number("PRAGMA page_size")?;
    let used = page * (number("PRAGMA page_count")? - number("PRAGMA freelist_count")?);
    let over = prune.keep_bytes.is_some_and(|keep| u64::try_from(used).is_ok_and(|used| used > keep));
    let before = if over { i64::MAX } else { prune.before_unix_ns.unwrap_or(i64::MIN) };
    let mut statement = conn.prepare_cached(
        "SELECT id FROM session WHERE started_unix_ns < ?1 AND (?2 OR summary IS NOT NULL) \
         ORDER BY started_unix_ns, id LIMIT 1",
    )?;
    let mut rows = statement.query(params![before, prune.incomplete])?;
    rows.next()?.map(|row| row.get(0).map(SessionId)).transpose()
}

fn remove(conn: &mut Connection, id: SessionId) -> rusqlite::Result<()> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let rows = id.rows();
    for table in ["block", "chunk", "loss", "alert"] {
        transaction
            .execute(&format!("DELETE FROM {table} WHERE id >= ?1 AND id < ?2"), [rows.start, rows.end])?;
    }
    for table in ["segment", "reason"] {
        transaction.execute(&format!("DELETE FROM {table} WHERE session = ?1"), [id.0])?;
    }
    transaction.execute("DELETE FROM session WHERE id = ?1", [id.0])?;
    transaction.commit()
}

/// Objects that one transaction of a sweep removes at most: some hundredths of a second, for which a recorder waits.
const SWEEP_OBJECTS: usize = 4_000;
/// Paths, or lists of arguments, that one transaction of a sweep looks at.
const SWEEP_ROWS: i64 = 20_000;

/// Removes objects, paths and arguments that nothing names, and tells recorders that numbers became void. Looks without a
/// lock, and then removes a few at a time, after a look at what was written meanwhile.
fn sweep(conn: &mut Connection) -> rusqlite::Result<()> {
    let mut marks = Marks::default();
    let objects: Vec<i64> = {
        let snapshot = conn.transaction()?;
        marks.go_on(&snapshot)?;
        let mut objects = snapshot.prepare("SELECT id FROM object")?;
        objects.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
    };
    let unnamed: Vec<i64> = objects.into_iter().filter(|&object| !marks.named.contains(object)).collect();
    for some in unnamed.chunks(SWEEP_OBJECTS) {
        let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        marks.go_on(&transaction)?;
        // What a block that cannot be read names is not known: then everything stays.
        if marks.damaged {
            break;
        }
        {
            let mut delete = transaction.prepare_cached("DELETE FROM object WHERE id = ?1")?;
            for object in some.iter().filter(|&&object| !marks.named.contains(object)) {
                delete.execute([object])?;
            }
        }
        commit_sweep(transaction)?;
    }
    for (table, column) in [("path", "path"), ("arguments", "arguments")] {
        let next = format!("SELECT max(id) FROM (SELECT id FROM {table} WHERE id > ?1 ORDER BY id LIMIT ?2)");
        let delete = format!(
            "DELETE FROM {table} WHERE id > ?1 AND id <= ?2 \
             AND id NOT IN (SELECT {column} FROM object WHERE {column} IS NOT NULL)"
        );
        let mut at = i64::MIN;
        loop {
            let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let last: Option<i64> = transaction.query_row(&next, [at, SWEEP_ROWS], |row| row.get(0))?;
            let Some(last) = last else { break };
            if transaction.execute(&delete, [at, last])? > 0 {
                commit_sweep(transaction)?;
            }
            at = last;
        }
    }
    Ok(())
}

/// Commits a part of a sweep. A recorder forgets what it remembers of objects before it writes again.
fn commit_sweep(transaction: rusqlite::Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute("UPDATE upkeep SET sweeps = sweeps + 1", [])?;
    transaction.commit()
}

/// Which objects the operations name, as far as was looked: blocks are written once, and numbered upwards in each session.
#[derive(Default)]
struct Marks {
    named: Numbers,
    /// The number of the last block of each session.
    seen: HashMap<i64, i64>,
    /// A block could not be read.
    damaged: bool,
}

impl Marks {
    /// Looks at the blocks that came since.
    fn go_on(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let mut sessions = conn.prepare_cached("SELECT id FROM session")?;
        let sessions: Vec<i64> =
            sessions.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        let mut blocks =
            conn.prepare_cached("SELECT id, count, body FROM block WHERE id > ?1 AND id < ?2 ORDER BY id")?;
        for session in sessions {
            let rows = SessionId(session).rows();
            let seen = self.seen.entry(session).or_insert(rows.start - 1);
            let mut found = blocks.query([*seen, rows.end])?;
            while let Some(row) = found.next()? {
                *seen = row.get(0)?;
                match operation::unpack(*seen, row.get(1)?, row.get_ref(2)?.as_blob()?) {
                    Ok(operations) => {
                        let objects = operations.iter().flat_map(|stored| [stored.object, stored.second]);
                        objects.flatten().for_each(|object| self.named.insert(object));
                    }
                    Err(_) => self.damaged = true,
                }
            }
        }
        Ok(())
    }
}
