//! The events of a session in time order: three tables merged, in bounded memory.
//!
//! Operations and losses are sorted by SQLite, which spills to a temporary file; chunks of system calls are opened
//! when their time comes, so that only those lie in memory that overlap it: at most the calls of the span between
//! two flushes of the recorder.

use crate::chunk::unpack;
use crate::operation::{self, BY_ARRIVAL, BY_TIME, DECIDED};
use crate::{Error, Reader, Result, SessionId};
use event::{Captured, Event, Loss, Syscall};
use rusqlite::{Rows, Statement};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::ops::ControlFlow;
use std::vec::IntoIter;

const LOSSES: &str =
    "SELECT time_ns, cpu, kind, count FROM loss WHERE id >= ?1 AND id < ?2 ORDER BY time_ns, id";
const STARTS: &str =
    "SELECT first_ns, tid, id FROM chunk WHERE id >= ?1 AND id < ?2 ORDER BY first_ns, tid, id";
const CHUNK: &str = "SELECT tid, first_ns, last_ns, calls, body FROM chunk WHERE id = ?1";

impl Reader {
    /// Everything that the kernel said of a session, in time order, until `each` breaks. At the same time operations
    /// come first, then system calls by thread, then losses; otherwise in the order of arrival. Times are taken to be
    /// below 2^63 ns.
    ///
    /// `each` may use the same reader.
    pub fn events(&self, id: SessionId, each: &mut dyn FnMut(Captured) -> ControlFlow<()>) -> Result<()> {
        let _snapshot = self.snapshot()?;
        self.require(id)?;
        let mut operations = self.prepare(BY_TIME)?;
        let mut losses = self.prepare(LOSSES)?;
        let mut starts = self.prepare(STARTS)?;
        let rows = id.rows();
        let range = [rows.start, rows.end];
        let mut operations =
            Operations::new(self, operations.query(range).map_err(|error| self.wrap(error))?)?;
        let mut losses = Losses::new(self, losses.query(range).map_err(|error| self.wrap(error))?)?;
        let mut calls = Calls::new(self, starts.query(range).map_err(|error| self.wrap(error))?)?;
        loop {
            let operation = operations.head.as_ref().map(|event| (event.time_ns, 0));
            let call = calls.head.map(|call| (call.time_ns, 1));
            let loss = losses.head.map(|loss| (loss.time_ns, 2));
            let captured = match [operation, call, loss].into_iter().flatten().min() {
                Some((_, 0)) => operations.take()?.map(|event| Captured::Event(Box::new(event))),
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
        self.operations(BY_TIME, id, id.rows().start, &mut |_, event| each(event)).map(drop)
    }

    /// The operations of a session that a stage decided on, in time order, until `each` breaks. Reads only those.
    pub fn decisions(&self, id: SessionId, each: &mut dyn FnMut(Event) -> ControlFlow<()>) -> Result<()> {
        self.operations(DECIDED, id, id.rows().start, &mut |_, event| each(event)).map(drop)
    }

    /// For following a session: the operations that were committed after row `after`, in the order of arrival, each
    /// with its row number, until `each` breaks. Begin with 0; returns the row to go on from.
    pub fn events_after(
        &self,
        id: SessionId,
        after: i64,
        each: &mut dyn FnMut(i64, Event) -> ControlFlow<()>,
    ) -> Result<i64> {
        let start = after.saturating_add(1).max(id.rows().start);
        Ok(self.operations(BY_ARRIVAL, id, start, each)?.unwrap_or(after))
    }

    /// Returns the number of the last row that `each` was given.
    fn operations(
        &self,
        sql: &str,
        id: SessionId,
        start: i64,
        each: &mut dyn FnMut(i64, Event) -> ControlFlow<()>,
    ) -> Result<Option<i64>> {
        let _snapshot = self.snapshot()?;
        self.require(id)?;
        let mut statement = self.prepare(sql)?;
        let rows = statement.query([start, id.rows().end]).map_err(|error| self.wrap(error))?;
        let mut operations = Operations { reader: self, rows, row: 0, head: None };
        let mut last = None;
        loop {
            operations.take()?;
            let Some(event) = operations.head.take() else { return Ok(last) };
            last = Some(operations.row);
            if each(operations.row, event).is_break() {
                return Ok(last);
            }
        }
    }

    fn prepare(&self, sql: &str) -> Result<rusqlite::CachedStatement<'_>> {
        self.conn.prepare_cached(sql).map_err(|error| self.wrap(error))
    }
}

/// Operations of a statement, one looked at ahead.
struct Operations<'r> {
    reader: &'r Reader,
    rows: Rows<'r>,
    /// Row number of `head`.
    row: i64,
    head: Option<Event>,
}

impl<'r> Operations<'r> {
    fn new(reader: &'r Reader, rows: Rows<'r>) -> Result<Self> {
        let mut operations = Self { reader, rows, row: 0, head: None };
        operations.take()?;
        Ok(operations)
    }

    /// Hands out the head and reads the next.
    fn take(&mut self) -> Result<Option<Event>> {
        let Reader { path, conn, objects } = self.reader;
        let next = match self.rows.next().map_err(|error| self.reader.wrap(error))? {
            Some(row) => {
                let (number, event) = operation::read(row, conn, path, &mut objects.borrow_mut())?;
                self.row = number;
                Some(event)
            }
            None => None,
        };
        Ok(std::mem::replace(&mut self.head, next))
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

/// System calls of all threads, one looked at ahead.
struct Calls<'r> {
    reader: &'r Reader,
    chunk: Statement<'r>,
    starts: Rows<'r>,
    /// Start and row number of the next chunk that is not open.
    waiting: Option<(u64, i64)>,
    /// Open chunks by their next call: time, thread, row number.
    order: BinaryHeap<Reverse<(u64, u32, i64)>>,
    open: HashMap<i64, (Syscall, IntoIter<Syscall>)>,
    head: Option<Syscall>,
}

impl<'r> Calls<'r> {
    fn new(reader: &'r Reader, starts: Rows<'r>) -> Result<Self> {
        let chunk = reader.conn.prepare(CHUNK).map_err(|error| reader.wrap(error))?;
        let (order, open) = (BinaryHeap::new(), HashMap::new());
        let mut calls = Self { reader, chunk, starts, waiting: None, order, open, head: None };
        calls.look()?;
        calls.take()?;
        Ok(calls)
    }

    /// Looks at the next chunk that is not open.
    fn look(&mut self) -> Result<()> {
        let mut look = || -> rusqlite::Result<_> {
            let Some(row) = self.starts.next()? else { return Ok(None) };
            Ok(Some((row.get::<_, i64>(0)? as u64, row.get(2)?)))
        };
        self.waiting = look().map_err(|error| self.reader.wrap(error))?;
        Ok(())
    }

    fn take(&mut self) -> Result<Option<Syscall>> {
        while let Some((start, row)) = self.waiting
            && self.order.peek().is_none_or(|Reverse((time, ..))| start <= *time)
        {
            let mut calls = self.load(row)?.into_iter();
            if let Some(first) = calls.next() {
                self.order.push(Reverse((first.time_ns, first.tid, row)));
                self.open.insert(row, (first, calls));
            }
            self.look()?;
        }
        let next = self.earliest();
        Ok(std::mem::replace(&mut self.head, next))
    }

    /// Takes the earliest call out of the open chunks.
    fn earliest(&mut self) -> Option<Syscall> {
        let Reverse((_, tid, row)) = self.order.pop()?;
        let (call, rest) = self.open.remove(&row)?;
        let mut rest = rest;
        if let Some(next) = rest.next() {
            self.order.push(Reverse((next.time_ns, tid, row)));
            self.open.insert(row, (next, rest));
        }
        Some(call)
    }

    fn load(&mut self, row: i64) -> Result<Vec<Syscall>> {
        let path = &self.reader.path;
        let calls = self.chunk.query_row([row], |row| {
            let count = usize::try_from(row.get::<_, i64>(3)?).unwrap_or(usize::MAX);
            let (first, last) = (row.get::<_, i64>(1)? as u64, row.get::<_, i64>(2)? as u64);
            Ok(unpack(row.get(0)?, first, last, count, row.get_ref(4)?.as_blob()?))
        });
        calls
            .map_err(|error| self.reader.wrap(error))?
            .map_err(|wrong| Error::corrupt(path, format!("chunk {row}: {wrong}")))
    }
}
