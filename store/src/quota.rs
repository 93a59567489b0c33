//! How much a session may take of a store, and a user's sessions of one day. Whoever drives a session decides how much it
//! does, and the disk is everybody's. Past the limit a session is only counted, but for what was decided about it.

use crate::SessionId;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A day.
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

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

    /// Whether a record goes past a limit. What was decided has an eighth more: an alarm is not drowned.
    pub(crate) fn is_met(&self, session: u64, day: u64, decided: bool) -> bool {
        let limit = |bytes: u64| if decided { bytes.saturating_add(bytes / 8) } else { bytes };
        session >= limit(self.session_bytes) || day >= limit(self.day_bytes)
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
    fn what_was_decided_has_more_room() {
        let quota = Quota { session_bytes: 800, day_bytes: 8_000 };
        assert!(
            !quota.is_met(799, 7_999, false) && quota.is_met(800, 0, false) && quota.is_met(0, 8_000, false)
        );
        assert!(
            !quota.is_met(899, 8_999, true) && quota.is_met(900, 0, true) && quota.is_met(0, 9_000, true)
        );
        assert!(!Quota::NONE.is_met(u64::MAX - 1, u64::MAX - 1, false));
    }
}
