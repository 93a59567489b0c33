//! Rows that each hold several things in time order, merged into one order, in bounded memory: a row is opened when the
//! time of its first comes, so that only those lie in memory that overlap.

use crate::{Reader, Result};
use rusqlite::{Rows, Statement};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::vec::IntoIter;

/// What is merged.
pub(crate) trait Timed: Sized {
    /// Reads a row by its number.
    const ROW: &'static str;

    /// Time, and the order within it.
    fn key(&self) -> (u64, i64);

    /// What a row holds, in the order of keys. The statement is of [`Timed::ROW`].
    fn load(reader: &Reader, statement: &mut Statement<'_>, row: i64) -> Result<Vec<Self>>;
}

/// The merged order, one looked at ahead.
pub(crate) struct Merged<'r, T> {
    reader: &'r Reader,
    statement: Statement<'r>,
    /// Each row's first time and number, in that order.
    starts: Rows<'r>,
    /// The next row that is not open.
    waiting: Option<(u64, i64)>,
    /// Open rows by what comes next of them: its key, row number.
    order: BinaryHeap<Reverse<(u64, i64, i64)>>,
    open: HashMap<i64, (T, IntoIter<T>)>,
    head: Option<T>,
}

impl<'r, T: Timed> Merged<'r, T> {
    /// Of rows whose first time and number `starts` gives, in that order.
    pub(crate) fn new(reader: &'r Reader, starts: Rows<'r>) -> Result<Self> {
        let statement = reader.conn.prepare(T::ROW).map_err(|error| reader.wrap(error))?;
        let (order, open) = (BinaryHeap::new(), HashMap::new());
        let mut merged = Self { reader, statement, starts, waiting: None, order, open, head: None };
        merged.look()?;
        merged.take()?;
        Ok(merged)
    }

    /// Time of the next one.
    pub(crate) fn time_ns(&self) -> Option<u64> {
        self.head.as_ref().map(|head| head.key().0)
    }

    /// Takes the next one.
    pub(crate) fn take(&mut self) -> Result<Option<T>> {
        while let Some((start, row)) = self.waiting
            && self.order.peek().is_none_or(|Reverse((time, ..))| start <= *time)
        {
            let mut items = T::load(self.reader, &mut self.statement, row)?.into_iter();
            if let Some(first) = items.next() {
                self.put(row, first, items);
            }
            self.look()?;
        }
        let next = self.earliest();
        Ok(std::mem::replace(&mut self.head, next))
    }

    fn put(&mut self, row: i64, first: T, rest: IntoIter<T>) {
        let (time_ns, order) = first.key();
        self.order.push(Reverse((time_ns, order, row)));
        self.open.insert(row, (first, rest));
    }

    /// Takes the earliest one out of the open rows.
    fn earliest(&mut self) -> Option<T> {
        let Reverse((.., row)) = self.order.pop()?;
        let (item, mut rest) = self.open.remove(&row)?;
        if let Some(next) = rest.next() {
            self.put(row, next, rest);
        }
        Some(item)
    }

    /// Looks at the next row that is not open.
    fn look(&mut self) -> Result<()> {
        let mut look = || -> rusqlite::Result<_> {
            let Some(row) = self.starts.next()? else { return Ok(None) };
            Ok(Some((row.get::<_, i64>(0)? as u64, row.get(1)?)))
        };
        self.waiting = look().map_err(|error| self.reader.wrap(error))?;
        Ok(())
    }
}
