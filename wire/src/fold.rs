//! Equal notices as one: the first at once, and how many more there were when some time has passed.

use crate::Notice;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// Kinds of notices that are told apart at once; more are told one by one.
const KINDS_MAX: usize = 1024;

/// What is folded.
#[derive(Debug)]
pub struct Fold {
    window: Duration,
    hasher: RandomState,
    seen: HashMap<u64, Seen>,
}

#[derive(Debug)]
struct Seen {
    until: Instant,
    more: u64,
    last: Option<Notice>,
}

impl Fold {
    /// Folds what comes again within `window`.
    pub fn new(window: Duration) -> Self {
        Self { window, hasher: RandomState::new(), seen: HashMap::new() }
    }

    /// Takes one in; given back where it is to be told at once.
    pub fn take(&mut self, notice: Notice, now: Instant) -> Option<Notice> {
        let Notice { session, kind, stage, means, op, object, reason, fate, .. } = &notice;
        let kind = self.hasher.hash_one((session, kind, stage, means, op, object, reason, fate));
        if let Some(seen) = self.seen.get_mut(&kind) {
            seen.more += notice.times;
            seen.last = Some(notice);
            return None;
        }
        if self.seen.len() < KINDS_MAX {
            self.seen.insert(kind, Seen { until: now + self.window, more: 0, last: None });
        }
        Some(notice)
    }

    /// Those that came again, and whose time has passed.
    pub fn due(&mut self, now: Instant) -> Vec<Notice> {
        self.drain(|seen| seen.until <= now)
    }

    /// All that came again.
    pub fn rest(&mut self) -> Vec<Notice> {
        self.drain(|_| true)
    }

    fn drain(&mut self, is_due: impl Fn(&Seen) -> bool) -> Vec<Notice> {
        let mut due: Vec<Notice> = self
            .seen
            .extract_if(|_, seen| is_due(seen))
            .filter_map(|(_, seen)| Some(Notice { times: seen.more, ..seen.last? }))
            .collect();
        due.sort_by_key(|notice| notice.unix_ns);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn notice(object: &str) -> Notice {
        Notice {
            session: "1".into(),
            kind: Kind::Denial,
            unix_ns: 1,
            stage: None,
            means: None,
            op: "open".into(),
            object: object.into(),
            reason: "why".into(),
            fate: None,
            p: None,
            times: 1,
            pid: 1,
        }
    }

    #[test]
    fn the_first_is_told_at_once_and_the_rest_with_a_count() {
        let (mut fold, now) = (Fold::new(Duration::from_secs(2)), Instant::now());
        assert!(fold.take(notice("/a"), now).is_some());
        for _ in 0..44 {
            assert!(fold.take(notice("/a"), now).is_none());
        }
        assert!(fold.take(notice("/b"), now).is_some());
        assert_eq!(fold.due(now), []);
        let later = now + Duration::from_secs(3);
        let due = fold.due(later);
        assert_eq!(
            due.iter().map(|notice| (notice.object.as_str(), notice.times)).collect::<Vec<_>>(),
            [("/a", 44)]
        );
        assert!(fold.take(notice("/a"), later).is_some(), "another window");
    }

    #[test]
    fn it_holds_no_more_than_it_may() {
        let (mut fold, now) = (Fold::new(Duration::from_secs(2)), Instant::now());
        for n in 0..4 * KINDS_MAX {
            assert!(fold.take(notice(&n.to_string()), now).is_some());
        }
        assert_eq!(fold.seen.len(), KINDS_MAX);
    }
}
