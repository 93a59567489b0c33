//! Writing: one recorder, batches in transactions, memory bounded.

use crate::intern::Interner;
use crate::open::Open;
use crate::operation::Block;
use crate::quota::{DAY_NS, Past, Quota, Worth};
use crate::{Error, Result, SessionId, chunk, connect};
use event::{Alert, Captured, Event, Loss, Object, Segment, SessionMeta, Summary, Syscall};
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Rows in a transaction. Below some hundreds the cost of a commit shows; past a thousand nothing is gained.
const BATCH_ROWS: usize = 1000;

/// System calls that wait in memory for their thread's chunk to fill, over all threads: 2 MB.
const WAITING_CALLS: usize = 1 << 16;

/// Writes sessions into a store.
///
/// What [`Recorder::write`] and its neighbours are given is committed in batches of about 1,000 rows, and by
/// [`Recorder::flush`]; **call it at least each second**, or use a [`crate::Writer`], which does. Committed rows survive
/// the death of the process at any instruction. Dropping a recorder flushes it, and can then only log an error.
///
/// [`Error::Busy`] leaves the recorder as it was: the call may be repeated. After any other error of the disk the
/// recorder writes nothing more and answers every call with that same error, so that a gap in the middle of a
/// session cannot arise; what was committed is kept and the session is read as incomplete.
pub struct Recorder {
    path: PathBuf,
    conn: Connection,
    interner: Interner,
    sessions: HashMap<SessionId, Open>,
    waiting_calls: usize,
    /// There are operations in blocks that are not full.
    waiting_operations: bool,
    /// Rows written or waiting in the open transaction; `None`: no transaction is open.
    batch: Option<usize>,
    /// Removals of objects, as `upkeep` counts them, for which the interner's memory holds.
    sweeps: i64,
    quota: Quota,
    past: Arc<Past>,
    /// Bytes of the file that are in use, at the begin of the open transaction.
    used: u64,
    /// Bytes of the sessions that began within a day.
    of_day: u64,
    failed: Option<Error>,
}

impl Recorder {
    /// Opens the store at `path`, or creates it with mode 0600 in a directory that must exist. An older schema is
    /// migrated; a store that its last writer did not close is checked first, up to 64 MiB.
    ///
    /// A second recorder may be open on the same store: they take turns by transaction.
    pub fn open(path: impl AsRef<Path>) -> Result<Recorder> {
        let (conn, path) = connect::write(path.as_ref())?;
        Ok(Recorder {
            path,
            conn,
            interner: Interner::new(),
            sessions: HashMap::new(),
            waiting_calls: 0,
            waiting_operations: false,
            batch: None,
            sweeps: 0,
            quota: Quota::NONE,
            past: Arc::default(),
            used: 0,
            of_day: 0,
            failed: None,
        })
    }

    /// The store's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Limits what sessions take. Past a limit they are only counted, and a loss says at their end how much that was.
    pub fn set_quota(&mut self, quota: Quota) {
        self.quota = quota;
    }

    pub(crate) fn past(&self) -> Arc<Past> {
        Arc::clone(&self.past)
    }

    /// How long a call waits for another process before it is [`Error::Busy`]; ten seconds unless set.
    pub fn set_busy_timeout(&mut self, timeout: Duration) -> Result<()> {
        self.conn.busy_timeout(timeout).map_err(|error| self.wrap(error))
    }

    /// Begins a session and its segment 0, with the task of `meta`. Committed on return.
    pub fn begin_session(&mut self, meta: &SessionMeta) -> Result<SessionId> {
        self.guard(|this| {
            this.flush_all()?;
            let id = this.insert_session(meta)?;
            this.flush_all()?;
            this.of_day = this.bytes_of_day(meta)?;
            Ok(id)
        })
    }

    /// Notes a segment, with the next batch. One with the number of an earlier segment replaces it.
    pub fn segment(&mut self, id: SessionId, segment: &Segment) -> Result<()> {
        self.guard(|this| {
            this.begin()?;
            this.opened(id)?;
            this.execute(
                "INSERT INTO segment (session, number, task, started_boot_ns) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT DO UPDATE SET task = excluded.task, started_boot_ns = excluded.started_boot_ns",
                params![id.0, segment.index, segment.task.as_str(), segment.started_boot_ns as i64],
            )
        })
    }

    /// Notes what the kernel said. Operations wait for their block to fill and system calls for their thread's chunk, at
    /// longest until [`Recorder::flush`].
    pub fn write(&mut self, id: SessionId, captured: &Captured) -> Result<()> {
        self.guard(|this| match captured {
            Captured::Event(event) if this.is_past(id, event.time_ns, Worth::of(event))? => Ok(()),
            Captured::Event(event) => this.write_event(id, event),
            Captured::Syscall(call) if this.is_past(id, call.time_ns, Worth::Ordinary)? => Ok(()),
            Captured::Syscall(call) => this.write_call(id, *call),
            Captured::Loss(loss) => this.write_loss(id, *loss),
        })
    }

    /// Notes an alert, with the next batch.
    pub fn alert(&mut self, id: SessionId, alert: &Alert) -> Result<()> {
        self.guard(|this| {
            if this.is_past(id, alert.time_ns, Worth::Alarm)? {
                return Ok(());
            }
            this.begin()?;
            let row = this.number(id, |open| &mut open.alert)?;
            let reasons = this.encode(&alert.reasons)?;
            let stage = alert.stage as i64;
            this.execute(
                "INSERT INTO alert (id, time_ns, segment, stage, verdict, p, reasons) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![row, alert.time_ns as i64, alert.segment, stage, alert.verdict, alert.p, reasons],
            )
        })
    }

    /// Notes what a reason number means in this session, with the next batch. A later text replaces an earlier one.
    pub fn reason(&mut self, id: SessionId, number: u32, text: &str) -> Result<()> {
        self.guard(|this| {
            this.begin()?;
            this.opened(id)?;
            this.execute(
                "INSERT INTO reason (session, number, text) VALUES (?1, ?2, ?3) \
                 ON CONFLICT DO UPDATE SET text = excluded.text",
                params![id.0, number, text],
            )
        })
    }

    /// Ends a session: it is complete once this returns. What arrives for it later is still taken.
    pub fn end_session(&mut self, id: SessionId, summary: &Summary) -> Result<()> {
        self.guard(|this| {
            this.opened(id)?;
            // Before it, so that a complete session has everything.
            this.flush_all()?;
            let open = this.opened(id)?;
            let (count, time_ns) = (open.unstored, open.past_ns);
            if count > 0 {
                this.write_loss(id, Loss { time_ns, cpu: 0, kind: Loss::UNSTORED, count })?;
            }
            this.begin()?;
            let summary = this.encode(summary)?;
            this.execute("UPDATE session SET summary = ?2 WHERE id = ?1", params![id.0, summary])?;
            this.flush_all()?;
            this.sessions.remove(&id);
            Ok(())
        })
    }

    /// Commits everything that was given so far, partly filled chunks included. Costs nothing when nothing waits.
    pub fn flush(&mut self) -> Result<()> {
        self.guard(Self::flush_all)
    }

    /// Runs a call, unless an earlier one failed for good; an error that cannot be repeated stops the recorder.
    fn guard<T>(&mut self, call: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = call(self);
        if let Err(error) = &result
            && !error.is_passing()
        {
            self.stop(error.clone());
        }
        result
    }

    fn stop(&mut self, error: Error) {
        tracing::error!(%error, "store stopped");
        if !self.conn.is_autocommit()
            && let Err(error) = self.conn.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "roll-back failed");
        }
        self.interner.clear();
        self.sessions.clear();
        self.batch = None;
        self.failed = Some(error);
    }

    /// Whether a session may write no more of this; then it is counted.
    fn is_past(&mut self, id: SessionId, time_ns: u64, worth: Worth) -> Result<bool> {
        let (quota, of_day) = (self.quota, self.of_day);
        let open = self.opened(id)?;
        if !quota.is_met(open.bytes, of_day, worth) {
            return Ok(false);
        }
        if open.unstored == 0 {
            open.past_ns = time_ns;
            self.past.note(id);
        }
        self.opened(id)?.unstored += 1;
        Ok(true)
    }

    /// What the sessions take that began within a day before this one, without what they share with others.
    fn bytes_of_day(&self, meta: &SessionMeta) -> Result<u64> {
        if self.quota == Quota::NONE {
            return Ok(0);
        }
        let since = meta.started_unix_ns.saturating_sub(DAY_NS);
        let number = |sql: &str, since: i64| -> Result<i64> {
            let number =
                self.conn.prepare_cached(sql).and_then(|mut of| of.query_row([since], |row| row.get(0)));
            number.map_err(|error| self.wrap(error))
        };
        let first = number("SELECT coalesce(min(id), 0) FROM session WHERE started_unix_ns > ?1", since)?;
        let row = SessionId(first).rows().start;
        let blocks = number("SELECT coalesce(sum(length(body)), 0) FROM block WHERE id >= ?1", row)?;
        let chunks = number("SELECT coalesce(sum(length(body)), 0) FROM chunk WHERE id >= ?1", row)?;
        Ok(u64::try_from(blocks + chunks).unwrap_or(0))
    }

    /// Bytes of the file that are in use.
    fn bytes_in_use(&self) -> Result<u64> {
        let number = |sql: &str| -> Result<i64> {
            let number = self.conn.prepare_cached(sql).and_then(|mut of| of.query_row([], |row| row.get(0)));
            number.map_err(|error| self.wrap(error))
        };
        let pages = number("PRAGMA page_count")? - number("PRAGMA freelist_count")?;
        Ok(u64::try_from(pages * number("PRAGMA page_size")?).unwrap_or(0))
    }

    /// Counts what the open transaction takes, to its sessions by their rows.
    fn account(&mut self) -> Result<()> {
        if self.quota == Quota::NONE {
            return Ok(());
        }
        let grown = self.bytes_in_use()?.saturating_sub(self.used);
        let rows: u64 = self.sessions.values().map(|open| open.rows).sum();
        for open in self.sessions.values_mut().filter(|open| open.rows > 0) {
            open.bytes += grown * open.rows / rows;
            open.rows = 0;
        }
        self.of_day += grown;
        Ok(())
    }

    fn write_event(&mut self, id: SessionId, event: &Event) -> Result<()> {
        self.begin()?;
        let row = self.number(id, |open| &mut open.operation)?;
        let object = match &event.object {
            Object::None => None,
            object => Some(self.intern(object)?),
        };
        let second = event.second.as_ref().map(|object| self.intern(object)).transpose()?;
        let block = self.opened(id)?.block.get_or_insert_with(|| Block::new(row));
        block.push(event, object, second);
        self.waiting_operations = true;
        if block_is_full(self.opened(id)?) {
            self.write_block(id)?;
        }
        self.count_row()
    }

    fn write_call(&mut self, id: SessionId, call: Syscall) -> Result<()> {
        let room = self.waiting_calls + 1 < WAITING_CALLS;
        let calls = self.opened(id)?.calls.entry(call.tid).or_default();
        if room && calls.len() + 1 < chunk::CALLS {
            calls.push(call);
            self.waiting_calls += 1;
            return Ok(());
        }
        // First, so that a call whose transaction could not begin is not kept, and may be given again.
        self.begin()?;
        self.opened(id)?.calls.entry(call.tid).or_default().push(call);
        self.waiting_calls += 1;
        if !room {
            return self.flush_all();
        }
        self.write_chunk(id, call.tid)?;
        self.count_row()
    }

    fn write_loss(&mut self, id: SessionId, loss: Loss) -> Result<()> {
        self.begin()?;
        let row = self.number(id, |open| &mut open.loss)?;
        self.execute(
            "INSERT INTO loss (id, time_ns, cpu, kind, count) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![row, loss.time_ns as i64, loss.cpu, loss.kind, loss.count as i64],
        )
    }

    fn insert_session(&mut self, meta: &SessionMeta) -> Result<SessionId> {
        let body = self.encode(meta)?;
        self.begin()?;
        self.execute(
            "INSERT INTO session (agent, task, started_unix_ns, meta) VALUES (?1, ?2, ?3, ?4)",
            params![meta.agent.as_str(), meta.task.as_str(), meta.started_unix_ns, body],
        )?;
        let id = SessionId(self.conn.last_insert_rowid());
        if !id.is_valid() {
            return Err(Error::Exhausted { path: self.path.clone(), what: "session" });
        }
        self.execute(
            "INSERT INTO segment (session, number, task, started_boot_ns) VALUES (?1, 0, ?2, ?3)",
            params![id.0, meta.task.as_str(), meta.started_boot_ns as i64],
        )?;
        Ok(id)
    }

    /// Writes the block that is being filled.
    fn write_block(&mut self, id: SessionId) -> Result<()> {
        let Some(block) = self.opened(id)?.block.take() else { return Ok(()) };
        block.insert(&self.conn).map_err(|error| self.wrap(error))
    }

    /// Writes what waits of one thread as a chunk.
    fn write_chunk(&mut self, id: SessionId, tid: u32) -> Result<()> {
        let Some(mut calls) = self.opened(id)?.calls.remove(&tid) else { return Ok(()) };
        self.waiting_calls -= calls.len();
        let Some(chunk) = chunk::pack(&mut calls) else { return Ok(()) };
        let row = self.number(id, |open| &mut open.chunk)?;
        let count = chunk.calls as i64;
        self.conn
            .prepare_cached(
                "INSERT INTO chunk (id, tid, first_ns, last_ns, calls, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )
            .and_then(|mut insert| {
                insert.execute(params![
                    row,
                    tid,
                    chunk.first_ns as i64,
                    chunk.last_ns as i64,
                    count,
                    chunk.body
                ])
            })
            .map(drop)
            .map_err(|error| self.wrap(error))
    }

    fn flush_all(&mut self) -> Result<()> {
        if self.waiting_calls > 0 {
            self.begin()?;
            let waiting: Vec<(SessionId, u32)> = self
                .sessions
                .iter()
                .flat_map(|(&id, open)| open.calls.keys().map(move |&tid| (id, tid)))
                .collect();
            for (id, tid) in waiting {
                self.write_chunk(id, tid)?;
            }
        }
        self.commit()
    }

    /// Opens a transaction, if none is open.
    fn begin(&mut self) -> Result<()> {
        if self.batch.is_some() {
            return Ok(());
        }
        let begin = || -> rusqlite::Result<i64> {
            self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            self.conn.prepare_cached("SELECT sweeps FROM upkeep")?.query_row([], |row| row.get(0))
        };
        let sweeps = begin().map_err(|error| self.wrap(error))?;
        if sweeps != self.sweeps {
            self.interner.clear();
            self.sweeps = sweeps;
        }
        if self.quota != Quota::NONE {
            self.used = self.bytes_in_use()?;
        }
        self.batch = Some(0);
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        if self.batch.is_none() {
            return Ok(());
        }
        if self.waiting_operations {
            // In the transaction of their objects: what nothing names yet, another process may sweep away.
            let waiting: Vec<SessionId> =
                self.sessions.iter().filter(|(_, open)| open.block.is_some()).map(|(&id, _)| id).collect();
            for id in waiting {
                self.write_block(id)?;
            }
            self.waiting_operations = false;
        }
        self.account()?;
        let committed = self.conn.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]));
        committed.map_err(|error| self.wrap(error))?;
        self.batch = None;
        Ok(())
    }

    /// Counts a row of the open transaction, and commits it once it is a batch.
    fn count_row(&mut self) -> Result<()> {
        let rows = self.batch.map_or(1, |rows| rows + 1);
        self.batch = Some(rows);
        if rows >= BATCH_ROWS { self.commit() } else { Ok(()) }
    }

    fn execute(&mut self, sql: &str, params: impl rusqlite::Params) -> Result<()> {
        self.conn
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params))
            .map_err(|error| self.wrap(error))?;
        self.count_row()
    }

    fn intern(&mut self, object: &Object) -> Result<i64> {
        self.interner.intern(&self.conn, object).map_err(|error| Error::sqlite(&self.path, error))
    }

    fn encode(&self, value: &impl serde::Serialize) -> Result<Vec<u8>> {
        rmp_serde::to_vec_named(value)
            .map_err(|error| Error::Io { path: self.path.clone(), detail: error.to_string() })
    }

    fn wrap(&self, error: rusqlite::Error) -> Error {
        Error::sqlite(&self.path, error)
    }

    /// The next row number of a session in one table.
    fn number(&mut self, id: SessionId, table: impl FnOnce(&mut Open) -> &mut i64) -> Result<i64> {
        let open = self.opened(id)?;
        let end = open.end;
        open.rows += 1;
        let next = table(open);
        let row = *next;
        if row >= end {
            return Err(Error::Exhausted { path: self.path.clone(), what: "row of a session" });
        }
        *next += 1;
        Ok(row)
    }

    /// A session of this store, begun by this recorder or by an earlier one.
    fn opened(&mut self, id: SessionId) -> Result<&mut Open> {
        if !self.sessions.contains_key(&id) {
            let open = Open::resume(&self.conn, id).map_err(|error| self.wrap(error))?;
            let open = open.ok_or_else(|| Error::NoSession { path: self.path.clone(), id })?;
            self.sessions.insert(id, open);
        }
        self.sessions.get_mut(&id).ok_or_else(|| Error::NoSession { path: self.path.clone(), id })
    }
}

fn block_is_full(open: &Open) -> bool {
    open.block.as_ref().is_some_and(Block::is_full)
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if self.failed.is_none()
            && let Err(error) = self.flush()
        {
            tracing::error!(%error, "the last batch was not stored");
        }
    }
}
