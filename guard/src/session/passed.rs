//! What the owner of a session let pass when it was frozen: the same does not freeze it again.

use event::{Event, Object, Op};
use models::{ChannelScore, Score};
use std::collections::HashMap;
use std::collections::HashSet;
use wire::GoOn;

/// Changes that are remembered: a person answers each.
const CHANGES_MAX: usize = 1024;
/// A score is another deed when it is worse by this much than the one that was let pass: a step of the ladder.
const WORSE: f64 = 0.1;

/// What a session is frozen for.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// Something that the static stage closes was changed.
    Change(Change),
    /// The score: each channel that speaks against the session, with what it counted and its p.
    Score(Vec<(String, f64)>),
    /// What is not the same when it comes again: somebody asked for it from outside, records were lost.
    Single,
    /// What answers for the session has died: nobody can let that pass.
    Unguarded,
}

/// A kind of change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    /// Number of the reason.
    pub number: u32,
    /// The operation.
    pub op: Op,
    /// The place that was changed: of a rename what it was renamed to.
    pub object: String,
}

impl Change {
    /// What an event changed.
    pub fn of(event: &Event, number: u32) -> Self {
        let target = event.second.as_ref().filter(|second| matches!(second, Object::File(_)));
        let object = match (event.op, target) {
            (Op::Rename | Op::Link, Some(target)) => target.display(),
            _ => event.object.display(),
        };
        Self { number, op: event.op, object }
    }
}

impl Deed {
    /// What a score speaks of.
    pub fn of_score(score: &Score) -> Self {
        let speaking = score.channels.iter().filter(|channel| channel.acts());
        Deed::Score(speaking.map(|channel| (kind(channel), channel.p)).collect())
    }
}

/// A channel, with what it counted: another count is another deed.
fn kind(channel: &ChannelScore) -> String {
    match &channel.counted {
        Some(counted) => format!("{}: {counted}", channel.name),
        None => channel.name.clone(),
    }
}

/// What was let pass.
#[derive(Debug, Default)]
pub(super) struct Passed {
    everything: bool,
    changes: HashSet<Change>,
    scores: HashMap<String, f64>,
}

impl Passed {
    /// Lets deeds pass from now on.
    pub(super) fn add(&mut self, deeds: Vec<Deed>, how: GoOn) {
        self.everything |= how == GoOn::Session;
        for deed in deeds {
            match deed {
                Deed::Change(change) if self.changes.len() < CHANGES_MAX => {
                    self.changes.insert(change);
                }
                Deed::Score(channels) => self.scores.extend(channels),
                _ => {}
            }
        }
    }

    /// Whether a change was let pass.
    pub(super) fn has(&self, change: &Change) -> bool {
        self.everything || self.changes.contains(change)
    }

    /// What a score still speaks of. A count that was let pass may rise; anything else may not get much worse.
    pub(super) fn rest(&self, score: &Score) -> Score {
        let mut rest = score.clone();
        if self.everything || !self.scores.is_empty() {
            rest.channels.retain(|channel| {
                let passed = self.scores.get(&kind(channel));
                let is_same = |p: &f64| channel.counted.is_some() || channel.p > p * WORSE;
                !self.everything && !passed.is_some_and(is_same)
            });
            rest.sum_up();
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::calibration::P;

    fn channel(name: &str, counted: Option<&str>, p: f64) -> ChannelScore {
        let counted = counted.map(str::to_owned);
        ChannelScore { name: name.into(), value: 1.0, p, extrapolated: false, counted }
    }

    fn score(channels: Vec<ChannelScore>) -> Score {
        let mut score = Score {
            p: 1.0,
            extrapolated: false,
            acting: P { p: 1.0, extrapolated: false },
            channels,
            reasons: vec!["a reason".into()],
            confidence: 1.0,
            lossy: false,
        };
        score.sum_up();
        score
    }

    #[test]
    fn the_same_deed_passes_and_another_does_not() {
        let removed = |p| channel("volume", Some("files removed"), p);
        let crossed = score(vec![removed(1e-4), channel("novelty", None, 0.5)]);
        let mut passed = Passed::default();
        assert_eq!(passed.rest(&crossed), crossed);
        passed.add(vec![Deed::of_score(&crossed)], GoOn::Once);
        assert_eq!(passed.rest(&score(vec![removed(1e-9)])).acting.p, 1.0, "more of the same");
        let read = channel("volume", Some("places read"), 1e-4);
        assert_eq!(passed.rest(&score(vec![read])).acting.p, 1e-4, "another count");
        let new = channel("novelty", None, 1e-4);
        assert_eq!(passed.rest(&score(vec![removed(1e-9), new])).acting.p, 1e-4, "another channel");
        passed.add(Vec::new(), GoOn::Session);
        assert_eq!(passed.rest(&crossed).acting.p, 1.0);
    }

    #[test]
    fn a_score_without_a_count_may_not_get_much_worse() {
        let new = |p| score(vec![channel("novelty", None, p)]);
        let mut passed = Passed::default();
        passed.add(vec![Deed::of_score(&new(1e-4))], GoOn::Once);
        assert_eq!(passed.rest(&new(5e-5)).acting.p, 1.0);
        assert_eq!(passed.rest(&new(1e-6)).acting.p, 1e-6);
    }

    #[test]
    fn a_change_of_another_place_is_another_deed() {
        let change = |object: &str| Change { number: 1, op: Op::Rename, object: object.into() };
        let mut passed = Passed::default();
        passed.add(vec![Deed::Change(change("/h/.bashrc"))], GoOn::Once);
        assert!(passed.has(&change("/h/.bashrc")) && !passed.has(&change("/h/.profile")));
        assert!(!passed.has(&Change { op: Op::Link, ..change("/h/.bashrc") }));
        passed.add(vec![Deed::Single], GoOn::Session);
        assert!(passed.has(&change("/h/.profile")));
    }
}
