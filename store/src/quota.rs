//! How much a session may take of a store, and a user's sessions of one day. Whoever drives a session decides how much it
//! does, and the disk is everybody's. Past the limit a session is only counted, except for what was decided about it.

use crate::SessionId;
use event::Event;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// A day.
pub(crate) const DAY_NS: i64 = 86_400 * 1_000_000_000;

/// Bytes of the store's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// For a session.
    pub session_bytes: u64,
    /// For the sessions of a day.
    pub day_bytes: u64,
}

impl Quota {
    /// For whoever writes what they chose themselves: an import.
    pub const NONE: Quota = Quota { session_bytes: u64::MAX, day_bytes: u64::MAX };

    /// Whether a record goes past a limit.
    pub(crate) fn is_met(&self, session: u64, day: u64, worth: Worth) -> bool {
        let more = |bytes: u64| match worth {
            Worth::Ordinary => 0,
            Worth::Decided => bytes / 8,
            Worth::Alarm => bytes / 4,
        };
        let limit = |bytes: u64| bytes.saturating_add(more(bytes));
        session >= limit(self.session_bytes) || day >= limit(self.day_bytes)
    }
}

/// What a record is worth: what is worth more has more room, so that nobody drowns it by what they choose to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    /// What a session did.
    Ordinary,
    /// What was decided of it: an eighth more.
    Decided,
    /// An alert: a quarter more, which refusals do not reach.
    Alarm,
}

impl Worth {
    /// Of an operation.
    pub(crate) fn of(event: &Event) -> Worth {
        if event.decision.is_some() { Worth::Decided } else { Worth::Ordinary }
    }
}

impl Default for Quota {
    /// Ten times what a long session of an agent that builds all the time takes.
    fn default() -> Self {
        Self { session_bytes: 256 << 20, day_bytes: 2 << 30 }
    }
}

/// The sessions that are past their limit, for who would write more.
#[derive(Debug, Default)]
pub(crate) struct Past {
    any: AtomicBool,
    sessions: Mutex<HashSet<SessionId>>,
}

impl Past {
    pub(crate) fn note(&self, id: SessionId) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        self.any.store(true, Ordering::Release);
    }

    pub(crate) fn has(&self, id: SessionId) -> bool {
        self.any.load(Ordering::Acquire)
            && self.sessions.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worth_more_has_more_room() {
        let quota = Quota { session_bytes: 800, day_bytes: 8_000 };
        for (worth, session, day) in
            [(Worth::Ordinary, 800, 8_000), (Worth::Decided, 900, 9_000), (Worth::Alarm, 1_000, 10_000)]
        {
            assert!(!quota.is_met(session - 1, day - 1, worth), "{worth:?}");
            assert!(quota.is_met(session, 0, worth) && quota.is_met(0, day, worth), "{worth:?}");
        }
        assert!(!Quota::NONE.is_met(u64::MAX - 1, u64::MAX - 1, Worth::Ordinary));
    }
}
