//! A session that is being written.

use crate::SessionId;
use crate::operation::Block;
use event::Syscall;
use rusqlite::{Connection, OptionalExtension};
use std::collections::HashMap;

/// The next row number of each table, the block that is being filled, and the calls that wait for their chunk to fill, by
/// thread.
pub(crate) struct Open {
    pub(crate) operation: i64,
    pub(crate) block: Option<Block>,
    pub(crate) chunk: i64,
    pub(crate) loss: i64,
    pub(crate) alert: i64,
    /// The first number that is no longer the session's.
    pub(crate) end: i64,
    pub(crate) calls: HashMap<u32, Vec<Syscall>>,
    /// Rows of the open transaction, and bytes that earlier ones took.
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// What went past the limit, and when the first of it did.
    pub(crate) unstored: u64,
    pub(crate) past_ns: u64,
}

impl Open {
    /// Goes on after the last rows of a session; `None`: the store does not have it.
    pub(crate) fn resume(conn: &Connection, id: SessionId) -> rusqlite::Result<Option<Open>> {
        let known = conn
            .prepare_cached("SELECT 1 FROM session WHERE id = ?1")?
            .query_row([id.0], |_| Ok(()))
            .optional()?;
        if known.is_none() {
            return Ok(None);
        }
        let rows = id.rows();
        let next = |sql: &str| -> rusqlite::Result<i64> {
            let mut statement = conn.prepare_cached(sql)?;
            let last: Option<i64> = statement.query_row([rows.start, rows.end], |row| row.get(0))?;
            Ok(last.unwrap_or(rows.start) + 1)
        };
        let bytes = |table: &str| -> rusqlite::Result<i64> {
            let sql =
                format!("SELECT coalesce(sum(length(body)), 0) FROM {table} WHERE id >= ?1 AND id < ?2");
            conn.prepare_cached(&sql)?.query_row([rows.start, rows.end], |row| row.get(0))
        };
        let bytes = u64::try_from(bytes("block")? + bytes("chunk")?).unwrap_or(0);
        Ok(Some(Open {
            operation: next("SELECT max(id + count - 1) FROM block WHERE id >= ?1 AND id < ?2")?,
            block: None,
            chunk: next("SELECT max(id) FROM chunk WHERE id >= ?1 AND id < ?2")?,
            loss: next("SELECT max(id) FROM loss WHERE id >= ?1 AND id < ?2")?,
            alert: next("SELECT max(id) FROM alert WHERE id >= ?1 AND id < ?2")?,
            end: rows.end,
            calls: HashMap::new(),
            rows: 0,
            bytes,
            unstored: 0,
            past_ns: 0,
        }))
    }
}
