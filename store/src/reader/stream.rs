//! The events of a session in time order: three tables merged, in bounded memory.
//!
//! Losses are sorted by SQLite; blocks of operations and chunks of system calls are opened when their time comes (see
//! `merge.rs`): at most those of the span between two flushes of the recorder lie in memory.

use crate::chunk::unpack;
use crate::merge::{Merged, Timed};
use crate::operation::{self, Stored};
use crate::{Error, Reader, Result, SessionId};
use event::{Captured, Event, Loss, Syscall};
use rusqlite::{Rows, Statement};
use std::ops::ControlFlow;

const LOSSES: &str =
    "SELECT time_ns, cpu, kind, count FROM loss WHERE id >= ?1 AND id < ?2 ORDER BY time_ns, id";
const CHUNKS: &str = "SELECT first_ns, id FROM chunk WHERE id >= ?1 AND id < ?2 ORDER BY first_ns, tid, id";
const BLOCKS: &str = "SELECT first_ns, id FROM block WHERE id >= ?1 AND id < ?2 ORDER BY first_ns, id";
const DECIDED: &str = "SELECT first_ns, id FROM block INDEXED BY block_decided \
     WHERE decided > 0 AND id >= ?1 AND id < ?2 ORDER BY first_ns, id";
const BY_ARRIVAL: &str = "SELECT id, count, body FROM block WHERE id >= ?1 AND id < ?2 ORDER BY id";

impl Reader {
    /// Everything that the kernel said of a session, in time order, until `each` breaks. At the same time operations
    /// come first, then system calls by thread, then losses; otherwise in the order of arrival. Times are taken to be
    /// below 2^63 ns.
    ///
    /// `each` may use the same reader.
    pub fn events(&self, id: SessionId, each: &mut dyn FnMut(Captured) -> ControlFlow<()>) -> Result<()> {
        let _snapshot = self.snapshot()?;
        self.require(id)?;
        let mut blocks = self.prepare(BLOCKS)?;
        let mut losses = self.prepare(LOSSES)?;
        let mut chunks = self.prepare(CHUNKS)?;
        let rows = id.rows();
        let range = [rows.start, rows.end];
        let mut operations =
            Merged::<Stored>::new(self, blocks.query(range).map_err(|error| self.wrap(error))?)?;
        let mut losses = Losses::new(self, losses.query(range).map_err(|error| self.wrap(error))?)?;
        let mut calls = Merged::<Syscall>::new(self, chunks.query(range).map_err(|error| self.wrap(error))?)?;
        loop {
            let operation = operations.time_ns().map(|time_ns| (time_ns, 0));
            let call = calls.time_ns().map(|time_ns| (time_ns, 1));
            let loss = losses.head.map(|loss| (loss.time_ns, 2));
            let captured = match [operation, call, loss].into_iter().flatten().min() {
                Some((_, 0)) => match operations.take()? {
                    Some(stored) => Some(Captured::Event(Box::new(self.resolve(stored)?))),
                    None => None,
                },
                Some((_, 1)) => calls.take()?.map(Captured::Syscall),
                Some(_) => losses.take()?.map(Captured::Loss),
                None => None,
            };
            let Some(captured) = captured else { return Ok(()) };
            if each(captured).is_break() {
                return Ok(());
            }
        }
    }

    /// The operations of a session alone, in time order, until `each` breaks.
    pub fn events_only(&self, id: SessionId, each: &mut dyn FnMut(Event) -> ControlFlow<()>) -> Result<()> {
        self.operations(BLOCKS, id, each)
    }

    /// The losses of a session, in time order.
    pub fn losses(&self, id: SessionId) -> Result<Vec<Loss>> {
        let _snapshot = self.snapshot()?;
        self.require(id)?;
        let mut statement = self.prepare(LOSSES)?;
        let rows = id.rows();
        let rows = statement.query([rows.start, rows.end]).map_err(|error| self.wrap(error))?;
        let mut losses = Losses::new(self, rows)?;
        let mut all = Vec::new();
        while let Some(loss) = losses.take()? {
            all.push(loss);
        }
        Ok(all)
    }

    /// The operations of a session that a stage decided on, in time order, until `each` breaks. Reads only the blocks with
    /// some of them.
    pub fn decisions(&self, id: SessionId, each: &mut dyn FnMut(Event) -> ControlFlow<()>) -> Result<()> {
        self.operations(DECIDED, id, &mut |event| match event.decision {
            Some(_) => each(event),
            None => ControlFlow::Continue(()),
        })
    }

    /// For following a session: the operations that were committed after row `after`, in the order of arrival, each
    /// with its row number, until `each` breaks. Begin with 0; returns the row to go on from.
    pub fn events_after(
        &self,
        id: SessionId,
        after: i64,
        each: &mut dyn FnMut(i64, Event) -> ControlFlow<()>,
    ) -> Result<i64> {
        let _snapshot = self.snapshot()?;
        self.require(id)?;
        let rows = id.rows();
        // The block that holds the next one may begin before it.
        let start = after.saturating_sub(operation::OPERATIONS as i64).max(rows.start);
        let mut statement = self.prepare(BY_ARRIVAL)?;
        let mut blocks = statement.query([start, rows.end]).map_err(|error| self.wrap(error))?;
        let mut last = after;
        while let Some(row) = blocks.next().map_err(|error| self.wrap(error))? {
            for stored in self.unpack(row)?.into_iter().filter(|stored| stored.number > after) {
                last = stored.number;
                if each(last, self.resolve(stored)?).is_break() {
                    return Ok(last);
                }
            }
        }
        Ok(last)
    }

    fn operations(
        &self,
        sql: &str,
        id: SessionId,
        each: &mut dyn FnMut(Event) -> ControlFlow<()>,
    ) -> Result<()> {
        let _snapshot = self.snapshot()?;
        self.require(id)?;
        let mut statement = self.prepare(sql)?;
        let rows = id.rows();
        let blocks = statement.query([rows.start, rows.end]).map_err(|error| self.wrap(error))?;
        let mut operations = Merged::<Stored>::new(self, blocks)?;
        while let Some(stored) = operations.take()? {
            if each(self.resolve(stored)?).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn resolve(&self, stored: Stored) -> Result<Event> {
        stored.resolve(&self.conn, &self.path, &mut self.objects.borrow_mut())
    }

    /// The operations of a row with number, count and body of a block.
    fn unpack(&self, row: &rusqlite::Row<'_>) -> Result<Vec<Stored>> {
        let id = row.get(0).map_err(|error| self.wrap(error))?;
        let unpack =
            || -> rusqlite::Result<_> { Ok(operation::unpack(id, row.get(1)?, row.get_ref(2)?.as_blob()?)) };
        let unpacked = unpack().map_err(|error| self.wrap(error))?;
        unpacked.map_err(|wrong| operation::wrong(&self.path, id, wrong))
    }

    fn prepare(&self, sql: &str) -> Result<rusqlite::CachedStatement<'_>> {
        self.conn.prepare_cached(sql).map_err(|error| self.wrap(error))
    }
}

impl Timed for Stored {
    const ROW: &'static str = "SELECT id, count, body FROM block WHERE id = ?1";

    fn key(&self) -> (u64, i64) {
        (self.event.time_ns, self.number)
    }

    fn load(reader: &Reader, statement: &mut Statement<'_>, row: i64) -> Result<Vec<Self>> {
        let mut rows = statement.query([row]).map_err(|error| reader.wrap(error))?;
        let mut operations = match rows.next().map_err(|error| reader.wrap(error))? {
            Some(row) => reader.unpack(row)?,
            None => Vec::new(),
        };
        operations.sort_by_key(Timed::key);
        Ok(operations)
    }
}

impl Timed for Syscall {
    const ROW: &'static str = "SELECT tid, first_ns, last_ns, calls, body FROM chunk WHERE id = ?1";

    fn key(&self) -> (u64, i64) {
        (self.time_ns, i64::from(self.tid))
    }

    fn load(reader: &Reader, statement: &mut Statement<'_>, row: i64) -> Result<Vec<Self>> {
        let path = &reader.path;
        let calls = statement.query_row([row], |row| {
            let count = usize::try_from(row.get::<_, i64>(3)?).unwrap_or(usize::MAX);
            let (first, last) = (row.get::<_, i64>(1)? as u64, row.get::<_, i64>(2)? as u64);
            Ok(unpack(row.get(0)?, first, last, count, row.get_ref(4)?.as_blob()?))
        });
        calls
            .map_err(|error| reader.wrap(error))?
            .map_err(|wrong| Error::corrupt(path, format!("chunk {row}: {wrong}")))
    }
}

/// Losses of a statement, one looked at ahead.
struct Losses<'r> {
    reader: &'r Reader,
    rows: Rows<'r>,
    head: Option<Loss>,
}

impl<'r> Losses<'r> {
    fn new(reader: &'r Reader, rows: Rows<'r>) -> Result<Self> {
        let mut losses = Self { reader, rows, head: None };
        losses.take()?;
        Ok(losses)
    }

    fn take(&mut self) -> Result<Option<Loss>> {
        let mut next = || -> rusqlite::Result<Option<Loss>> {
            let Some(row) = self.rows.next()? else { return Ok(None) };
            Ok(Some(Loss {
                time_ns: row.get::<_, i64>(0)? as u64,
                cpu: row.get(1)?,
                kind: row.get(2)?,
                count: row.get::<_, i64>(3)? as u64,
            }))
        };
        let next = next().map_err(|error| self.reader.wrap(error))?;
        Ok(std::mem::replace(&mut self.head, next))
    }
}
