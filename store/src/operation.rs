//! Operations as rows of numbers.

use crate::intern::Objects;
use crate::{Error, Result};
use event::{Access, Decision, Event, Fork, Means, Object, Op, Outcome, Stage};
use rusqlite::{Connection, Row, Statement, params};
use std::path::Path;

pub(crate) const INSERT: &str = "INSERT INTO operation (id, time_ns, segment, pid, tid, op, access, detail, object, \
     second, returned, errno, stage, means, refused, reason, fork_pid, fork_tid) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";

/// The columns that [`read`] takes.
macro_rules! columns {
    () => {
        "SELECT id, time_ns, segment, pid, tid, op, access, detail, object, second, returned, errno, stage, means, \
         refused, reason, fork_pid, fork_tid FROM operation "
    };
}

/// Of a range of rows, in time order.
pub(crate) const BY_TIME: &str = concat!(columns!(), "WHERE id >= ?1 AND id < ?2 ORDER BY time_ns, id");

/// Of a range of rows, in the order of arrival.
pub(crate) const BY_ARRIVAL: &str = concat!(columns!(), "WHERE id >= ?1 AND id < ?2 ORDER BY id");

/// Of a range of rows, those with a decision, in time order.
pub(crate) const DECIDED: &str = concat!(
    columns!(),
    "INDEXED BY operation_decided WHERE stage IS NOT NULL AND id >= ?1 AND id < ?2 ORDER BY time_ns, id"
);

const STAGES: [Stage; 3] = [Stage::T0, Stage::T1, Stage::T2];
const MEANS: [Means; 6] =
    [Means::Lsm, Means::Fanotify, Means::Landlock, Means::Cgroup, Means::Freeze, Means::Kill];

/// The stage with a number of the store.
pub(crate) fn stage(number: i64) -> Option<Stage> {
    usize::try_from(number).ok().and_then(|number| STAGES.get(number)).copied()
}

/// An operation whose objects have their numbers, ready to be written.
pub(crate) struct Pending {
    pub(crate) id: i64,
    time_ns: u64,
    segment: u32,
    pid: u32,
    tid: u32,
    op: Op,
    access: Access,
    detail: u32,
    object: Option<i64>,
    second: Option<i64>,
    outcome: Outcome,
    decision: Option<Decision>,
    fork: Option<Fork>,
}

impl Pending {
    pub(crate) fn new(id: i64, event: &Event, object: Option<i64>, second: Option<i64>) -> Self {
        Self {
            id,
            time_ns: event.time_ns,
            segment: event.segment,
            pid: event.pid,
            tid: event.tid,
            op: event.op,
            access: event.access,
            detail: event.detail,
            object,
            second,
            outcome: event.outcome,
            decision: event.decision,
            fork: event.fork,
        }
    }

    /// Writes it with a statement of [`INSERT`].
    pub(crate) fn insert(&self, statement: &mut Statement<'_>) -> rusqlite::Result<()> {
        let (returned, errno) = match self.outcome {
            Outcome::Done(returned) => (Some(returned), None),
            Outcome::Failed(errno) => (None, Some(errno)),
        };
        statement
            .execute(params![
                self.id,
                self.time_ns as i64,
                self.segment,
                self.pid,
                self.tid,
                self.op as u16,
                self.access.bits(),
                self.detail,
                self.object,
                self.second,
                returned,
                errno,
                self.decision.map(|decision| decision.stage as i64),
                self.decision.map(|decision| decision.means as i64),
                self.decision.map(|decision| decision.refused),
                self.decision.map(|decision| decision.reason),
                self.fork.map(|fork| fork.pid),
                self.fork.map(|fork| fork.tid),
            ])
            .map(drop)
    }
}

/// The row number and the operation of a row of one of the statements above.
pub(crate) fn read(
    row: &Row<'_>,
    conn: &Connection,
    path: &Path,
    objects: &mut Objects,
) -> Result<(i64, Event)> {
    let wrap = |error| Error::sqlite(path, error);
    let id = row.get(0).map_err(wrap)?;
    let mut object = |column: usize| -> Result<Option<Object>> {
        let number: Option<i64> = row.get(column).map_err(wrap)?;
        number.map(|number| objects.get(conn, path, number)).transpose()
    };
    let (first, second) = (object(8)?.unwrap_or(Object::None), object(9)?);
    let event = fields(row, first, second)
        .map_err(wrap)?
        .ok_or_else(|| Error::corrupt(path, format!("operation {id} has a number without a meaning")))?;
    Ok((id, event))
}

fn fields(row: &Row<'_>, object: Object, second: Option<Object>) -> rusqlite::Result<Option<Event>> {
    let Some(op) = Op::from_number(row.get(5)?) else { return Ok(None) };
    let outcome = match row.get::<_, Option<i32>>(11)? {
        Some(errno) => Outcome::Failed(errno),
        None => Outcome::Done(row.get(10)?),
    };
    let decision = match row.get::<_, Option<i64>>(12)? {
        None => None,
        Some(number) => {
            let means = usize::try_from(row.get::<_, i64>(13)?).ok().and_then(|number| MEANS.get(number));
            let (Some(stage), Some(&means)) = (stage(number), means) else { return Ok(None) };
            Some(Decision { stage, means, refused: row.get(14)?, reason: row.get(15)? })
        }
    };
    let fork = match row.get::<_, Option<u32>>(16)? {
        None => None,
        Some(pid) => Some(Fork { pid, tid: row.get(17)? }),
    };
    Ok(Some(Event {
        time_ns: row.get::<_, i64>(1)? as u64,
        segment: row.get(2)?,
        pid: row.get(3)?,
        tid: row.get(4)?,
        op,
        access: Access::from_bits_retain(row.get(6)?),
        detail: row.get(7)?,
        object,
        second,
        outcome,
        decision,
        fork,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_and_means_have_their_numbers() {
        for (number, stage) in STAGES.into_iter().enumerate() {
            assert_eq!(stage as usize, number);
        }
        for (number, means) in MEANS.into_iter().enumerate() {
            assert_eq!(means as usize, number);
        }
    }
}
