//! From schema 1 to schema 2: operations were rows, and chunks of system calls were MessagePack.

use crate::chunk::pack;
use crate::operation::{Block, means};
use event::{Access, Decision, Event, Fork, Object, Op, Outcome, Stage, Syscall};
use rusqlite::{Connection, Row, params};
use serde::Deserialize;

const OPERATIONS: &str = "SELECT id, time_ns, segment, pid, tid, op, access, detail, object, second, returned, errno, \
     stage, means, refused, reason, fork_pid, fork_tid FROM operation ORDER BY id";

/// Writes every row of `operation` into a block, and every chunk anew.
pub(crate) fn to_blocks(conn: &Connection) -> rusqlite::Result<()> {
    operations(conn)?;
    chunks(conn)
}

fn operations(conn: &Connection) -> rusqlite::Result<()> {
    let mut select = conn.prepare(OPERATIONS)?;
    let mut rows = select.query([])?;
    let mut block: Option<Block> = None;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        // Also where a row is missing, as after a session: numbers in a block have no gaps.
        if let Some(full) = block.take_if(|block| block.is_full() || block.id + block.count as i64 != id) {
            full.insert(conn)?;
        }
        block.get_or_insert_with(|| Block::new(id)).push(&operation(row)?, row.get(8)?, row.get(9)?);
    }
    block.map_or(Ok(()), |block| block.insert(conn))
}

/// An operation of schema 1, without its objects.
fn operation(row: &Row<'_>) -> rusqlite::Result<Event> {
    const STAGES: [Stage; 3] = [Stage::T0, Stage::T1, Stage::T2];
    let meaningless = |column: usize| rusqlite::Error::IntegralValueOutOfRange(column, -1);
    let place = |column: usize| -> rusqlite::Result<usize> {
        usize::try_from(row.get::<_, i64>(column)?).map_err(|_| meaningless(column))
    };
    let outcome = match row.get::<_, Option<i32>>(11)? {
        Some(errno) => Outcome::Failed(errno),
        None => Outcome::Done(row.get(10)?),
    };
    let decision = match row.get::<_, Option<i64>>(12)? {
        None => None,
        Some(_) => Some(Decision {
            stage: *STAGES.get(place(12)?).ok_or_else(|| meaningless(12))?,
            means: means(place(13)? as u64).ok_or_else(|| meaningless(13))?,
            enforced: row.get(14)?,
            reason: row.get(15)?,
        }),
    };
    let fork = match row.get::<_, Option<u32>>(16)? {
        None => None,
        Some(pid) => Some(Fork { pid, tid: row.get(17)? }),
    };
    Ok(Event {
        time_ns: row.get::<_, i64>(1)? as u64,
        segment: row.get(2)?,
        pid: row.get(3)?,
        tid: row.get(4)?,
        op: Op::from_number(row.get(5)?).ok_or_else(|| meaningless(5))?,
        access: Access::from_bits_retain(row.get(6)?),
        detail: row.get(7)?,
        object: Object::None,
        second: None,
        outcome,
        decision,
        fork,
    })
}

/// A chunk of schema 1.
#[derive(Deserialize)]
struct Body {
    deltas: Vec<u64>,
    numbers: Vec<u32>,
    returns: Vec<i64>,
    compat: Vec<u32>,
}

fn chunks(conn: &Connection) -> rusqlite::Result<()> {
    let mut update = conn.prepare("UPDATE chunk SET body = ?2 WHERE id = ?1")?;
    // All numbers first: a table is not changed while it is walked through.
    let ids: Vec<i64> = conn
        .prepare("SELECT id FROM chunk ORDER BY id")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut select = conn.prepare("SELECT tid, first_ns, body FROM chunk WHERE id = ?1")?;
    for id in ids {
        let mut calls = select.query_row([id], |row| {
            let (tid, first_ns) = (row.get(0)?, row.get::<_, i64>(1)? as u64);
            calls(tid, first_ns, row.get_ref(2)?.as_blob()?)
                .ok_or(rusqlite::Error::IntegralValueOutOfRange(2, id))
        })?;
        if let Some(chunk) = pack(&mut calls) {
            update.execute(params![id, chunk.body])?;
        }
    }
    Ok(())
}

fn calls(tid: u32, first_ns: u64, body: &[u8]) -> Option<Vec<Syscall>> {
    let body: Body = rmp_serde::from_slice(body).ok()?;
    let mut time_ns = first_ns;
    let mut calls = Vec::with_capacity(body.deltas.len());
    for ((delta, number), ret) in body.deltas.iter().zip(body.numbers).zip(body.returns) {
        time_ns = time_ns.checked_add(*delta)?;
        calls.push(Syscall { time_ns, tid, number, compat: false, ret });
    }
    for place in body.compat {
        calls.get_mut(place as usize)?.compat = true;
    }
    Some(calls)
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests {
    use super::*;
    use crate::{chunk, operation, schema};
    use event::Means;
    use std::path::Path;

    #[derive(serde::Serialize)]
    struct Old(Vec<u64>, Vec<u32>, Vec<i64>, Vec<u32>);

    /// A store of schema 1 with two sessions: 300 operations of every kind of column, and a chunk.
    fn old() -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(schema::VERSION_1).unwrap();
        conn.pragma_update(None, "user_version", 1).unwrap();
        conn.execute_batch(
            "INSERT INTO session (id, agent, task, started_unix_ns, meta) VALUES (1, 'a', 't', 0, x''), (2, 'a', 't', 0, x'');
             INSERT INTO object (id, kind) VALUES (1, 0), (2, 0);
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 300)
             INSERT INTO operation (id, time_ns, segment, pid, tid, op, access, detail, object, second, returned, errno, stage,
                 means, refused, reason, fork_pid, fork_tid)
             SELECT ((1 + (n > 200)) << 40) + n, 1000 * n, n / 100, 7, 7 + n % 2, 1, 1, n, 1, iif(n % 3, NULL, 2),
                 iif(n % 5, n, NULL), iif(n % 5, NULL, 13), iif(n % 7, NULL, 1), iif(n % 7, NULL, 5), iif(n % 7, NULL, 1),
                 iif(n % 7, NULL, 9), iif(n % 11, NULL, 70), iif(n % 11, NULL, 71) FROM n;",
        )
        .unwrap();
        let body = rmp_serde::to_vec(&Old(vec![0, 5], vec![1, 257], vec![-2, 3], vec![1])).unwrap();
        conn.execute("INSERT INTO chunk VALUES (?1, 9, 100, 105, 2, ?2)", params![1i64 << 40, body]).unwrap();
        conn
    }

    #[test]
    fn an_older_store_has_the_same_in_blocks() {
        let mut conn = old();
        schema::migrate(&mut conn, Path::new("x")).unwrap();
        let blocks: Vec<(i64, i64, i64, Vec<u8>)> = conn
            .prepare("SELECT id, count, decided, body FROM block ORDER BY id")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(blocks.len() > 2 && blocks.len() < 10, "{}", blocks.len());
        assert_eq!(blocks.iter().map(|block| block.2).sum::<i64>(), 300 / 7);
        let stored =
            blocks.iter().flat_map(|(id, count, _, body)| operation::unpack(*id, *count, body).unwrap());
        let mut n = 0;
        for stored in stored {
            n += 1;
            let expected = Event {
                time_ns: 1000 * n,
                segment: n as u32 / 100,
                pid: 7,
                tid: 7 + n as u32 % 2,
                op: Op::Open,
                access: Access::READ,
                object: Object::None,
                second: None,
                outcome: if n % 5 == 0 { Outcome::Failed(13) } else { Outcome::Done(n as i64) },
                decision: (n % 7 == 0).then_some(Decision {
                    stage: Stage::T1,
                    means: Means::Kill,
                    enforced: true,
                    reason: 9,
                }),
                fork: (n % 11 == 0).then_some(Fork { pid: 70, tid: 71 }),
                detail: n as u32,
            };
            assert_eq!(stored.event, expected);
            assert_eq!(stored.number, ((1 + i64::from(n > 200)) << 40) + n as i64);
            assert_eq!((stored.object, stored.second), (Some(1), (n % 3 == 0).then_some(2)));
        }
        assert_eq!(n, 300);
        let body: Vec<u8> = conn.query_row("SELECT body FROM chunk", [], |row| row.get(0)).unwrap();
        let call = |time_ns, number, compat, ret| Syscall { time_ns, tid: 9, number, compat, ret };
        let calls = chunk::unpack(9, 100, 105, 2, &body).unwrap();
        assert_eq!(calls, [call(100, 1, false, -2), call(105, 257, true, 3)]);
    }

    #[test]
    fn an_older_store_with_a_damaged_row_stays_as_it_was() {
        let mut conn = old();
        conn.execute_batch("UPDATE operation SET op = 60000 WHERE id = (SELECT max(id) FROM operation)")
            .unwrap();
        assert!(schema::migrate(&mut conn, Path::new("x")).is_err());
        let count: i64 = conn.query_row("SELECT count(*) FROM operation", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 300);
    }
}
