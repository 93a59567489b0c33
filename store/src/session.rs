//! Sessions as the store numbers and returns them.

use event::{Segment, SessionMeta, Summary};
use std::fmt;
use std::ops::Range;

/// Number of a session within its store, from 1; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub i64);

/// Bits of a row number that count within a session; those above are the session.
///
/// Rows of a session lie together in their table, in the order of arrival, so that reading or removing a session is
/// one range of the table itself and no index has to be kept while recording. 40 bits hold 42 days of events at
/// 300,000 a second; 23 bits are left for sessions.
const ROW_BITS: u32 = 40;

impl SessionId {
    /// The last session that can be numbered.
    const LAST: i64 = i64::MAX >> ROW_BITS;

    /// Whether rows of this session can be numbered.
    pub(crate) fn is_valid(self) -> bool {
        (1..=Self::LAST).contains(&self.0)
    }

    /// Numbers of the rows of this session. Empty for a number that no session can have.
    pub(crate) fn rows(self) -> Range<i64> {
        if !self.is_valid() {
            return 0..0;
        }
        let first = self.0 << ROW_BITS;
        first..first + (1 << ROW_BITS) - 1
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A session as it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Its number in this store.
    pub id: SessionId,
    /// What was said about it when it began.
    pub meta: SessionMeta,
    /// How it ended; `None` while it runs, or when its recorder was killed.
    pub summary: Option<Summary>,
    /// Its segments in order; the first is there from the beginning.
    pub segments: Vec<Segment>,
    /// Its end was recorded. An incomplete session may lack its last second.
    pub complete: bool,
}

/// How much of a session is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Operations.
    pub events: u64,
    /// Operations with a decision.
    pub decisions: u64,
    /// Raw system calls.
    pub syscalls: u64,
    /// Reports of losses.
    pub losses: u64,
    /// Records lost, the sum over the reports.
    pub lost: u64,
    /// Alerts.
    pub alerts: u64,
}
