//! Reading: sessions and what was said about them. Their events are in `stream.rs`.

mod stream;

use crate::intern::Objects;
use crate::{Counts, Error, Result, Session, SessionId, connect, operation};
use event::{Alert, Segment};
use rusqlite::{Connection, OptionalExtension, Params, Row, Transaction};
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Reads a store, also while it is written. Changes nothing and never holds up the writer; but while a stream of
/// events is being read, the log beside the store grows by what is written meanwhile.
pub struct Reader {
    pub(crate) path: PathBuf,
    pub(crate) conn: Connection,
    pub(crate) objects: RefCell<Objects>,
}

impl Reader {
    /// Opens a store of this schema. A reader needs the right to write in the directory when no process has the store
    /// open, since SQLite then lays the shared memory of the log there.
    pub fn open(path: impl AsRef<Path>) -> Result<Reader> {
        let (conn, path) = connect::read(path.as_ref())?;
        Ok(Reader { path, conn, objects: RefCell::new(Objects::new()) })
    }

    /// The store's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every session, in the order in which they began.
    pub fn sessions(&self) -> Result<Vec<Session>> {
        let _snapshot = self.snapshot()?;
        self.collect("SELECT id, meta, summary FROM session ORDER BY id", [], |row| self.read_session(row))
    }

    /// One session.
    pub fn session(&self, id: SessionId) -> Result<Session> {
        let _snapshot = self.snapshot()?;
        self.collect("SELECT id, meta, summary FROM session WHERE id = ?1", [id.0], |row| {
            self.read_session(row)
        })?
        .pop()
        .ok_or_else(|| Error::NoSession { path: self.path.clone(), id })
    }

    /// Alerts of a session, in time order.
    pub fn alerts(&self, id: SessionId) -> Result<Vec<Alert>> {
        self.require(id)?;
        let rows = id.rows();
        self.collect(
            "SELECT time_ns, segment, stage, verdict, p, reasons FROM alert WHERE id >= ?1 AND id < ?2 \
             ORDER BY time_ns, id",
            [rows.start, rows.end],
            |row| self.read_alert(row),
        )
    }

    /// What the reason numbers of a session's decisions mean.
    pub fn reasons(&self, id: SessionId) -> Result<BTreeMap<u32, String>> {
        self.require(id)?;
        let reasons = self.collect("SELECT number, text FROM reason WHERE session = ?1", [id.0], |row| {
            let pair = || -> rusqlite::Result<_> { Ok((row.get(0)?, row.get(1)?)) };
            pair().map_err(|error| self.wrap(error))
        })?;
        Ok(reasons.into_iter().collect())
    }

    /// How much of a session is stored. Counts rows: takes time in proportion.
    pub fn counts(&self, id: SessionId) -> Result<Counts> {
        let _snapshot = self.snapshot()?;
        self.require(id)?;
        let count = |sql: &str| -> Result<u64> {
            let rows = id.rows();
            self.conn
                .prepare_cached(sql)
                .and_then(|mut statement| {
                    statement.query_row([rows.start, rows.end], |row| row.get::<_, i64>(0))
                })
                .map(|count| count as u64)
                .map_err(|error| self.wrap(error))
        };
        Ok(Counts {
            events: count("SELECT ifnull(sum(count), 0) FROM block WHERE id >= ?1 AND id < ?2")?,
            decisions: count(
                "SELECT ifnull(sum(decided), 0) FROM block INDEXED BY block_decided \
                 WHERE decided > 0 AND id >= ?1 AND id < ?2",
            )?,
            syscalls: count("SELECT ifnull(sum(calls), 0) FROM chunk WHERE id >= ?1 AND id < ?2")?,
            losses: count("SELECT count(*) FROM loss WHERE id >= ?1 AND id < ?2")?,
            lost: count("SELECT ifnull(sum(count), 0) FROM loss WHERE id >= ?1 AND id < ?2")?,
            alerts: count("SELECT count(*) FROM alert WHERE id >= ?1 AND id < ?2")?,
        })
    }

    /// One state of the store for all that is read until it is dropped. `None` within another one.
    pub(crate) fn snapshot(&self) -> Result<Option<Transaction<'_>>> {
        if !self.conn.is_autocommit() {
            return Ok(None);
        }
        self.conn.unchecked_transaction().map(Some).map_err(|error| self.wrap(error))
    }

    /// An error unless the store has this session.
    pub(crate) fn require(&self, id: SessionId) -> Result<()> {
        self.conn
            .prepare_cached("SELECT 1 FROM session WHERE id = ?1")
            .and_then(|mut statement| statement.query_row([id.0], |_| Ok(())).optional())
            .map_err(|error| self.wrap(error))?
            .ok_or_else(|| Error::NoSession { path: self.path.clone(), id })
    }

    pub(crate) fn wrap(&self, error: rusqlite::Error) -> Error {
        Error::sqlite(&self.path, error)
    }

    fn collect<T>(
        &self,
        sql: &str,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.conn.prepare_cached(sql).map_err(|error| self.wrap(error))?;
        let mut rows = statement.query(params).map_err(|error| self.wrap(error))?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(|error| self.wrap(error))? {
            all.push(read(row)?);
        }
        Ok(all)
    }

    fn read_session(&self, row: &Row<'_>) -> Result<Session> {
        let get = || -> rusqlite::Result<(i64, Vec<u8>, Option<Vec<u8>>)> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        };
        let (id, meta, summary) = get().map_err(|error| self.wrap(error))?;
        let summary: Option<event::Summary> =
            summary.map(|summary| self.decode("summary", id, &summary)).transpose()?;
        Ok(Session {
            id: SessionId(id),
            meta: self.decode("description", id, &meta)?,
            complete: summary.is_some(),
            summary,
            segments: self.segments(id)?,
        })
    }

    fn segments(&self, id: i64) -> Result<Vec<Segment>> {
        let sql = "SELECT number, task, started_boot_ns FROM segment WHERE session = ?1 ORDER BY number";
        self.collect(sql, [id], |row| {
            let get =
                || -> rusqlite::Result<(u32, String, i64)> { Ok((row.get(0)?, row.get(1)?, row.get(2)?)) };
            let (index, task, started_boot_ns) = get().map_err(|error| self.wrap(error))?;
            let task = task.parse().map_err(|error| {
                Error::corrupt(&self.path, format!("the task of a segment of session {id}: {error}"))
            })?;
            Ok(Segment { index, task, started_boot_ns: started_boot_ns as u64 })
        })
    }

    fn read_alert(&self, row: &Row<'_>) -> Result<Alert> {
        let get = || -> rusqlite::Result<(Alert, i64, Vec<u8>)> {
            let alert = Alert {
                time_ns: row.get::<_, i64>(0)? as u64,
                segment: row.get(1)?,
                stage: event::Stage::T0,
                verdict: row.get(3)?,
                p: row.get(4)?,
                reasons: Vec::new(),
            };
            Ok((alert, row.get(2)?, row.get(5)?))
        };
        let (alert, stage, reasons) = get().map_err(|error| self.wrap(error))?;
        let stage = operation::stage(stage)
            .ok_or_else(|| Error::corrupt(&self.path, format!("an alert has stage {stage}")))?;
        Ok(Alert { stage, reasons: self.decode("alert", alert.time_ns as i64, &reasons)?, ..alert })
    }

    fn decode<T: DeserializeOwned>(&self, what: &str, number: i64, bytes: &[u8]) -> Result<T> {
        rmp_serde::from_slice(bytes)
            .map_err(|error| Error::corrupt(&self.path, format!("{what} {number}: {error}")))
    }
}
