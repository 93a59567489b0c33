//! Blocks of operations: one blob for some seventy operations of a session, in the order of arrival.
//!
//! Operation by operation, each number as in `varint.rs`: what is there besides (the bits of [`has`]), the operation, its
//! access, and then those fields that are there. Times, processes and objects are written as the difference from the
//! operation before, which is 0 for the first, so that a block is read without any other.

use crate::intern::Objects;
use crate::varint::{Numbers, put, put_signed};
use crate::{Error, Result};
use event::{Access, Decision, Event, Fork, Means, Object, Op, Outcome, Stage};
use rusqlite::{Connection, params};
use std::path::Path;

/// Bytes at which a block is full: four of them fill a page.
const BODY_BYTES: usize = 930;
/// Operations of a block at most: none takes less than four bytes.
pub(crate) const OPERATIONS: usize = BODY_BYTES / 4 + 1;

/// Which fields of an operation are written. The usual ones come first: below 128 the bits take one byte.
mod has {
    pub(super) const PID: u64 = 1 << 0;
    pub(super) const TID: u64 = 1 << 1;
    pub(super) const OBJECT: u64 = 1 << 2;
    pub(super) const DETAIL: u64 = 1 << 3;
    pub(super) const FAILED: u64 = 1 << 4;
    pub(super) const SECOND: u64 = 1 << 5;
    pub(super) const SEGMENT: u64 = 1 << 6;
    pub(super) const DECISION: u64 = 1 << 7;
    pub(super) const FORK: u64 = 1 << 8;
    pub(super) const ALL: u64 = (1 << 9) - 1;
}

const STAGES: [Stage; 3] = [Stage::T0, Stage::T1, Stage::T2];

/// The stage with a number of the store.
pub(crate) fn stage(number: i64) -> Option<Stage> {
    usize::try_from(number).ok().and_then(|number| STAGES.get(number)).copied()
}

/// The number of a means in the store. 2 was one that nothing ever stopped anything by.
fn number(means: Means) -> u64 {
    match means {
        Means::Lsm => 0,
        Means::Fanotify => 1,
        Means::Cgroup => 3,
        Means::Freeze => 4,
        Means::Kill => 5,
        Means::Confinement => 6,
    }
}

/// The means with a number of the store.
pub(crate) fn means(of: u64) -> Option<Means> {
    Means::ALL.iter().copied().find(|means| number(*means) == of)
}

const INSERT: &str =
    "INSERT INTO block (id, count, first_ns, last_ns, decided, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// What the next operation is written against.
#[derive(Clone, Copy, Default)]
struct Before {
    time_ns: u64,
    segment: u32,
    pid: u32,
    object: i64,
}

/// A block that is being filled.
pub(crate) struct Block {
    /// Number of its first operation.
    pub(crate) id: i64,
    pub(crate) count: usize,
    /// The earliest and the latest time in it.
    pub(crate) first_ns: u64,
    pub(crate) last_ns: u64,
    /// How many have a decision.
    pub(crate) decided: usize,
    pub(crate) body: Vec<u8>,
    before: Before,
}

impl Block {
    /// An empty one, whose first operation will have this number.
    pub(crate) fn new(id: i64) -> Self {
        Self {
            id,
            count: 0,
            first_ns: u64::MAX,
            last_ns: 0,
            decided: 0,
            body: Vec::with_capacity(BODY_BYTES + 64),
            before: Before::default(),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.body.len() >= BODY_BYTES
    }

    /// Writes it as a row.
    pub(crate) fn insert(&self, conn: &Connection) -> rusqlite::Result<()> {
        conn.prepare_cached(INSERT)?
            .execute(params![
                self.id,
                self.count as i64,
                self.first_ns as i64,
                self.last_ns as i64,
                self.decided as i64,
                self.body
            ])
            .map(drop)
    }

    /// Appends an operation whose objects have these numbers.
    pub(crate) fn push(&mut self, event: &Event, object: Option<i64>, second: Option<i64>) {
        let before = self.before;
        let (failed, outcome) = match event.outcome {
            Outcome::Done(returned) => (false, returned),
            Outcome::Failed(errno) => (true, i64::from(errno)),
        };
        let bit = |there: bool, bit: u64| if there { bit } else { 0 };
        let has = bit(event.pid != before.pid, has::PID)
            | bit(event.tid != event.pid, has::TID)
            | bit(object.is_some(), has::OBJECT)
            | bit(event.detail != 0, has::DETAIL)
            | bit(failed, has::FAILED)
            | bit(second.is_some(), has::SECOND)
            | bit(event.segment != before.segment, has::SEGMENT)
            | bit(event.decision.is_some(), has::DECISION)
            | bit(event.fork.is_some(), has::FORK);
        let out = &mut self.body;
        put(out, has);
        put(out, event.op as u64);
        put(out, u64::from(event.access.bits()));
        put_signed(out, event.time_ns.wrapping_sub(before.time_ns) as i64);
        put_signed(out, outcome);
        if has & has::PID != 0 {
            put_signed(out, i64::from(event.pid) - i64::from(before.pid));
        }
        if has & has::TID != 0 {
            put_signed(out, i64::from(event.tid) - i64::from(event.pid));
        }
        if let Some(object) = object {
            put_signed(out, object.wrapping_sub(before.object));
        }
        if has & has::DETAIL != 0 {
            put(out, u64::from(event.detail));
        }
        if let Some(second) = second {
            put_signed(out, second.wrapping_sub(before.object));
        }
        if has & has::SEGMENT != 0 {
            put(out, u64::from(event.segment));
        }
        if let Some(decision) = event.decision {
            put(out, decision.stage as u64);
            put(out, number(decision.means));
            put(out, u64::from(decision.enforced));
            put(out, u64::from(decision.reason));
            self.decided += 1;
        }
        if let Some(fork) = event.fork {
            put_signed(out, i64::from(fork.pid) - i64::from(event.pid));
            put_signed(out, i64::from(fork.tid) - i64::from(fork.pid));
        }
        self.count += 1;
        self.first_ns = self.first_ns.min(event.time_ns);
        self.last_ns = self.last_ns.max(event.time_ns);
        self.before = Before {
            time_ns: event.time_ns,
            segment: event.segment,
            pid: event.pid,
            object: object.unwrap_or(before.object),
        };
    }
}

/// An operation as it is stored: its objects are numbers.
pub(crate) struct Stored {
    /// Its row number.
    pub(crate) number: i64,
    pub(crate) object: Option<i64>,
    pub(crate) second: Option<i64>,
    /// All else; its objects are empty.
    pub(crate) event: Event,
}

impl Stored {
    /// With its objects.
    pub(crate) fn resolve(self, conn: &Connection, path: &Path, objects: &mut Objects) -> Result<Event> {
        let mut event = self.event;
        if let Some(object) = self.object {
            event.object = objects.get(conn, path, object)?;
        }
        event.second = self.second.map(|second| objects.get(conn, path, second)).transpose()?;
        Ok(event)
    }
}

/// The operations of a block in the order of arrival; what is wrong with it otherwise.
pub(crate) fn unpack(id: i64, count: i64, body: &[u8]) -> Result<Vec<Stored>, &'static str> {
    let count = usize::try_from(count).ok().filter(|count| (1..=OPERATIONS).contains(count));
    let count = count.ok_or("it says that it has more operations than a block can have, or none")?;
    let mut numbers = Numbers(body);
    let mut before = Before::default();
    let mut operations = Vec::with_capacity(count);
    for place in 0..count as i64 {
        let number = id.checked_add(place).ok_or("its operations have numbers that are out of range")?;
        operations.push(next(number, &mut before, &mut numbers)?);
    }
    if numbers.0.is_empty() { Ok(operations) } else { Err("it has more than its operations") }
}

fn next(number: i64, before: &mut Before, numbers: &mut Numbers<'_>) -> Result<Stored, &'static str> {
    const MEANINGLESS: &str = "an operation has a number without a meaning";
    let has = numbers.take()?;
    if has & !has::ALL != 0 {
        return Err("an operation has fields that this version does not know");
    }
    let op = Op::from_number(numbers.take_as()?).ok_or(MEANINGLESS)?;
    let access = Access::from_bits_retain(numbers.take_as()?);
    let time_ns = before.time_ns.wrapping_add(numbers.take_signed()? as u64);
    let outcome = numbers.take_signed()?;
    let outcome = match has & has::FAILED {
        0 => Outcome::Done(outcome),
        _ => Outcome::Failed(i32::try_from(outcome).map_err(|_| MEANINGLESS)?),
    };
    let pid = if has & has::PID != 0 { moved(before.pid, numbers)? } else { before.pid };
    let tid = if has & has::TID != 0 { moved(pid, numbers)? } else { pid };
    let object = |bit: u64, numbers: &mut Numbers<'_>| -> Result<Option<i64>, &'static str> {
        if has & bit == 0 { Ok(None) } else { Ok(Some(before.object.wrapping_add(numbers.take_signed()?))) }
    };
    let first = object(has::OBJECT, numbers)?;
    let detail = if has & has::DETAIL != 0 { numbers.take_as()? } else { 0 };
    let second = object(has::SECOND, numbers)?;
    let segment = if has & has::SEGMENT != 0 { numbers.take_as()? } else { before.segment };
    let decision = match has & has::DECISION {
        0 => None,
        _ => {
            let stage = STAGES.get(numbers.take_as::<usize>()?).ok_or(MEANINGLESS)?;
            let means = means(numbers.take()?).ok_or(MEANINGLESS)?;
            let enforced = numbers.take()? != 0;
            Some(Decision { stage: *stage, means, enforced, reason: numbers.take_as()? })
        }
    };
    let fork = match has & has::FORK {
        0 => None,
        _ => {
            let child = moved(pid, numbers)?;
            Some(Fork { pid: child, tid: moved(child, numbers)? })
        }
    };
    *before = Before { time_ns, segment, pid, object: first.unwrap_or(before.object) };
    let object = Object::None;
    let event = Event {
        time_ns,
        segment,
        pid,
        tid,
        op,
        access,
        object,
        second: None,
        outcome,
        decision,
        fork,
        detail,
    };
    Ok(Stored { number, object: first, second, event })
}

/// A number that was written as the difference from another one.
fn moved(from: u32, numbers: &mut Numbers<'_>) -> Result<u32, &'static str> {
    let to = i64::from(from).checked_add(numbers.take_signed()?);
    to.and_then(|to| u32::try_from(to).ok()).ok_or("an operation has a process that is out of range")
}

/// What a block that cannot be unpacked is called in an error.
pub(crate) fn wrong(path: &Path, id: i64, wrong: &str) -> Error {
    Error::corrupt(path, format!("block {id} of operations: {wrong}"))
}

#[cfg(test)]
#[expect(clippy::let_underscore_must_use, reason = "any answer is right but a panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn open(time_ns: u64) -> Event {
        Event {
            time_ns,
            pid: 4242,
            tid: 4242,
            outcome: Outcome::Done(3),
            detail: 0o100_0000,
            ..Event::of(Op::Open, Access::READ, Object::None)
        }
    }

    #[test]
    fn stages_and_means_have_their_numbers() {
        for (number, stage) in STAGES.into_iter().enumerate() {
            assert_eq!(stage as usize, number);
        }
        for &stopped_by in Means::ALL {
            assert_eq!(means(number(stopped_by)), Some(stopped_by));
        }
        assert_eq!([2, 7].map(means), [None; 2]);
    }

    #[test]
    fn a_usual_operation_takes_at_most_fourteen_bytes_and_a_full_block_a_quarter_of_a_page() {
        let mut block = Block::new(1);
        while !block.is_full() {
            block.push(
                &open(5_000_000_000_000 + block.count as u64 * 90_000),
                Some(block.id * 500 % 977),
                None,
            );
        }
        assert!(block.body.len() <= 14 * block.count, "{} of {}", block.body.len(), block.count);
        // Four of them, with the head of their row, on a page of 4,096 bytes.
        assert!(4 * (block.body.len() + 40) <= 4096, "{}", block.body.len());
        assert!(unpack(1, block.count as i64, &block.body).is_ok());
    }

    #[test]
    fn a_damaged_block_says_what_is_wrong() {
        let mut block = Block::new(7);
        block.push(&open(u64::MAX), Some(9), Some(3));
        block.push(&open(5), None, None);
        let body = &block.body;
        let whole = unpack(7, 2, body).unwrap();
        assert_eq!((whole[0].number, whole[1].number), (7, 8));
        assert_eq!((whole[0].object, whole[0].second, whole[1].object), (Some(9), Some(3), None));
        assert_eq!((whole[0].event.time_ns, whole[1].event.time_ns), (u64::MAX, 5));
        assert_eq!((block.first_ns, block.last_ns), (5, u64::MAX));
        for count in [-1, 0, 1, 3, i64::MAX] {
            assert!(unpack(7, count, body).is_err(), "{count}");
        }
        for end in 0..body.len() {
            assert!(unpack(7, 2, &body[..end]).is_err(), "{end}");
        }
        let mut bad = body.clone();
        bad[1] = 0x7f;
        assert_eq!(unpack(7, 2, &bad).err(), Some("an operation has a number without a meaning"));
    }

    #[test]
    fn numbers_end_where_rows_do() {
        let mut block = Block::new(i64::MAX);
        block.push(&open(5), None, None);
        let last = unpack(i64::MAX, 1, &block.body).unwrap();
        assert_eq!((last.len(), last[0].number), (1, i64::MAX));
        block.push(&open(6), None, None);
        let behind = unpack(i64::MAX, 2, &block.body).err();
        assert_eq!(behind, Some("its operations have numbers that are out of range"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_block_or_an_error(
            count in 0i64..300,
            body in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            let _ = unpack(1, count, &body);
        }
    }
}
