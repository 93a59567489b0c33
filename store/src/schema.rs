//! Tables, and the way from an older schema to this one.

use crate::migration::to_blocks;
use crate::{Error, Result};
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

/// `PRAGMA application_id` of a store: "WdLn".
pub(crate) const APPLICATION_ID: i32 = 0x5764_4c6e;

/// A step from one schema to the next: tables are made, what lies in the old ones is written anew, the old ones go.
struct Migration {
    make: &'static str,
    move_over: Option<fn(&Connection) -> rusqlite::Result<()>>,
    remove: &'static str,
}

/// `MIGRATIONS[n]` leads from schema n to schema n + 1. Each runs once, in one transaction with its number.
const MIGRATIONS: [Migration; SCHEMA as usize] = [
    Migration { make: VERSION_1, move_over: None, remove: "" },
    Migration { make: VERSION_2, move_over: Some(to_blocks), remove: "DROP TABLE operation" },
    Migration { make: HOSTS, move_over: None, remove: "" },
];

/// The schema that this version writes and reads.
pub(crate) const SCHEMA: i32 = 3;

/// Tables of this schema.
pub(crate) const TABLES: [&str; 11] = [
    "session",
    "segment",
    "reason",
    "path",
    "arguments",
    "object",
    "block",
    "chunk",
    "loss",
    "alert",
    "upkeep",
];

/// Operations lie in blocks, a blob for some seventy of them: a row for each took 45 bytes, where a block takes 13 bytes an
/// operation. A block's number is that of its first operation, and the others follow.
const VERSION_2: &str = "
CREATE TABLE block (
    id INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,         -- operations
    first_ns INTEGER NOT NULL,      -- CLOCK_BOOTTIME: the earliest,
    last_ns INTEGER NOT NULL,       -- and the latest
    decided INTEGER NOT NULL,       -- operations with a decision
    body BLOB NOT NULL              -- see `operation.rs`
) STRICT;

CREATE INDEX block_decided ON block(id) WHERE decided > 0;
";

/// Row numbers of operations, `chunk`, `loss` and `alert` carry the session in their upper bits (see `session.rs`),
/// and rows lie in the order of arrival. Unsigned 64-bit numbers are stored as the signed number with the same bits.
///
/// A path or an argument list is stored once. An object may be stored more than once (after a restart, or when
/// the writer's memory of objects was full): the numbers then mean the same, and no index has to be kept on it.
///
/// Objects of operations are no foreign keys; `maintenance::check` looks.
pub(crate) const VERSION_1: &str = "
CREATE TABLE session (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    agent TEXT NOT NULL,
    task TEXT NOT NULL,
    started_unix_ns INTEGER NOT NULL,
    meta BLOB NOT NULL,             -- SessionMeta, MessagePack with names
    summary BLOB                    -- Summary, MessagePack with names; NULL: incomplete
) STRICT;

CREATE TABLE segment (
    session INTEGER NOT NULL REFERENCES session(id),
    number INTEGER NOT NULL,
    task TEXT NOT NULL,
    started_boot_ns INTEGER NOT NULL,
    PRIMARY KEY (session, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE reason (
    session INTEGER NOT NULL REFERENCES session(id),
    number INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (session, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE path (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL UNIQUE) STRICT;

CREATE TABLE arguments (
    id INTEGER PRIMARY KEY,
    list BLOB NOT NULL UNIQUE       -- MessagePack list of byte strings
) STRICT;

CREATE TABLE object (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,          -- 0 none, 1 file, 2 exe, 3 address, 4 unix, 5 socket, 6 process, 7 interface
    path INTEGER,                   -- file, exe, unix
    origin INTEGER,                 -- 0 trusted, 1 claimed, 2 unresolved
    mode INTEGER,
    dev INTEGER,                    -- with ino and generation, the identity; NULL: none
    ino INTEGER,
    generation INTEGER,
    arguments INTEGER,              -- exe
    cut INTEGER,                    -- exe: there were more arguments
    ip BLOB,                        -- address: 4 or 16 bytes
    port INTEGER,
    protocol INTEGER,
    first INTEGER,                  -- socket: family; process: pid; interface: first argument
    second INTEGER,                 -- socket: kind; process: inside; interface: second argument
    third INTEGER                   -- process: detail
) STRICT;

CREATE TABLE operation (
    id INTEGER PRIMARY KEY,
    time_ns INTEGER NOT NULL,       -- CLOCK_BOOTTIME
    segment INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    tid INTEGER NOT NULL,
    op INTEGER NOT NULL,
    access INTEGER NOT NULL,
    detail INTEGER NOT NULL,
    object INTEGER,                 -- NULL: none
    second INTEGER,
    returned INTEGER,               -- NULL: failed
    errno INTEGER,
    stage INTEGER,                  -- NULL: no stage decided anything
    means INTEGER,
    refused INTEGER,
    reason INTEGER,
    fork_pid INTEGER,
    fork_tid INTEGER
) STRICT;

CREATE INDEX operation_decided ON operation(id) WHERE stage IS NOT NULL;

CREATE TABLE chunk (                -- a run of system calls of one thread, in time order
    id INTEGER PRIMARY KEY,
    tid INTEGER NOT NULL,
    first_ns INTEGER NOT NULL,
    last_ns INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    body BLOB NOT NULL              -- see `chunk.rs`
) STRICT;

CREATE TABLE loss (
    id INTEGER PRIMARY KEY,
    time_ns INTEGER NOT NULL,
    cpu INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    count INTEGER NOT NULL
) STRICT;

CREATE TABLE alert (
    id INTEGER PRIMARY KEY,
    time_ns INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    stage INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    p REAL,
    reasons BLOB NOT NULL           -- MessagePack list of strings
) STRICT;

CREATE TABLE upkeep (               -- one row
    id INTEGER PRIMARY KEY CHECK (id = 1),
    sweeps INTEGER NOT NULL         -- counts removals of objects: what a recorder remembers of them is then void
) STRICT;
INSERT INTO upkeep (id, sweeps) VALUES (1, 0);
";

/// Names of hosts, as columns of the addresses that they were given.
const HOSTS: &str = "
ALTER TABLE object ADD COLUMN host TEXT;            -- address; NULL: none was seen
ALTER TABLE object ADD COLUMN host_origin INTEGER;  -- 0 claimed, 1 answered, 2 resolved
ALTER TABLE object ADD COLUMN host_shared INTEGER;
";

/// Brings a store that may be written to this schema.
pub(crate) fn migrate(conn: &mut Connection, path: &Path) -> Result<()> {
    let wrap = |error| Error::sqlite(path, error);
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(wrap)?;
    // Read inside the transaction: another process may have migrated since.
    let found: i32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(wrap)?;
    let done = usize::try_from(found).map_err(|_| Error::corrupt(path, format!("schema {found}")))?;
    for step in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(step.make).map_err(wrap)?;
        if let Some(move_over) = step.move_over {
            move_over(&transaction).map_err(wrap)?;
        }
        transaction.execute_batch(step.remove).map_err(wrap)?;
    }
    if done < MIGRATIONS.len() {
        transaction.pragma_update(None, "user_version", SCHEMA).map_err(wrap)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(wrap)?;
        tracing::debug!(path = %path.display(), from = found, to = SCHEMA, "store migrated");
    }
    transaction.commit().map_err(wrap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_named() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, Path::new("x")).unwrap();
        let mut statement = conn
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
            .unwrap();
        let mut found: Vec<String> =
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let mut named = TABLES.to_vec();
        found.sort();
        named.sort();
        assert_eq!(found, named);
    }

    #[test]
    fn an_address_from_before_hosts_had_names_stays_without_one() {
        let mut conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(VERSION_1).unwrap();
        conn.pragma_update(None, "user_version", 1).unwrap();
        conn.execute(
            "INSERT INTO object (id, kind, ip, port, protocol) VALUES (7, 3, x'cb007107', 443, 6)",
            [],
        )
        .unwrap();
        migrate(&mut conn, Path::new("x")).unwrap();
        let row = conn.query_row(
            "SELECT kind, ip, port, protocol, host, host_origin, host_shared FROM object WHERE id = 7",
            [],
            |row| {
                let before: (i64, Vec<u8>, u16, u16) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                let after: (Option<String>, Option<i64>, Option<bool>) =
                    (row.get(4)?, row.get(5)?, row.get(6)?);
                Ok((before, after))
            },
        );
        assert_eq!(row, Ok(((3, vec![203, 0, 113, 7], 443, 6), (None, None, None))));
        assert_eq!(conn.pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0)), Ok(SCHEMA));
    }

    #[test]
    fn a_migrated_store_is_left_alone() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, Path::new("x")).unwrap();
        let before = conn.total_changes();
        migrate(&mut conn, Path::new("x")).unwrap();
        assert_eq!(conn.total_changes(), before);
    }
}
