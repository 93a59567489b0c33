//! Opens that were asked about before they happened, and decided once more when they had: in a shadow session nothing stops
//! them in between, and each is one operation.

use event::{Access, Event, Fate, FileKey, Means, Op};
use std::collections::HashMap;

/// Threads whose last question is remembered: one that is forgotten is told by its end alone.
const THREADS_MAX: usize = 4096;

/// The last question of each thread.
#[derive(Debug, Default)]
pub(super) struct Judged(HashMap<u32, FileKey>);

impl Judged {
    /// Takes in an event of a shadow session. `true`: it is the question of an open whose end is yet to be told.
    pub(super) fn is_told_later(&mut self, event: &mut Event) -> bool {
        let Some(decision) = event.decision.as_mut().filter(|made| made.fate() == Fate::Happened) else {
            return false;
        };
        let Some(key) = event.object.file().and_then(|file| file.key) else { return false };
        match (decision.means, event.op) {
            (Means::Fanotify, Op::Open | Op::Exec) => {
                if self.0.len() >= THREADS_MAX {
                    self.0.clear();
                }
                self.0.insert(event.tid, key);
                // Not each program that is asked about is told when it runs: a script is not.
                !event.access.contains(Access::EXEC)
            }
            (Means::Kill, Op::Open) if self.0.get(&event.tid) == Some(&key) => {
                self.0.remove(&event.tid);
                decision.means = Means::Fanotify;
                false
            }
            (Means::Kill, Op::Exec) if self.0.get(&event.tid) == Some(&key) => {
                self.0.remove(&event.tid);
                event.decision = None;
                false
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::{Decision, File, Object, Origin, Stage};

    fn event(op: Op, access: Access, means: Means) -> Event {
        let key = Some(FileKey { dev: 1, ino: 2, generation: 3 });
        Event {
            time_ns: 1,
            pid: 7,
            tid: 8,
            decision: Some(Decision { stage: Stage::T0, means, enforced: false, reason: 1 }),
            ..Event::of(
                op,
                access,
                Object::File(File { path: "/k".into(), key, mode: 0, origin: Origin::Trusted }),
            )
        }
    }

    #[test]
    fn an_open_of_a_shadow_session_is_told_once_by_the_means_that_would_have_refused_it() {
        let mut judged = Judged::default();
        assert!(judged.is_told_later(&mut event(Op::Open, Access::READ, Means::Fanotify)));
        let mut end = event(Op::Open, Access::READ, Means::Kill);
        assert!(!judged.is_told_later(&mut end));
        assert_eq!(end.decision.map(|decision| decision.means), Some(Means::Fanotify));
        let mut unmarked = event(Op::Open, Access::READ, Means::Kill);
        assert!(!judged.is_told_later(&mut unmarked));
        assert_eq!(unmarked.decision.map(|decision| decision.means), Some(Means::Kill));
    }

    #[test]
    fn a_program_that_is_started_is_told_when_it_is_asked_about() {
        let mut judged = Judged::default();
        assert!(!judged.is_told_later(&mut event(Op::Open, Access::EXEC, Means::Fanotify)));
        let mut runs = event(Op::Exec, Access::EXEC, Means::Kill);
        assert!(!judged.is_told_later(&mut runs));
        assert_eq!(runs.decision, None);
    }

    #[test]
    fn what_was_refused_is_told_at_once() {
        let mut refused = event(Op::Open, Access::READ, Means::Fanotify);
        refused.decision = refused.decision.map(|decision| Decision { enforced: true, ..decision });
        assert!(!Judged::default().is_told_later(&mut refused));
    }
}
