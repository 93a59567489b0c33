//! Events that the owner of a frozen session let pass: the same does not freeze it again.

use event::{Event, Object, Op};
use models::{ChannelScore, Score};
use std::collections::HashMap;
use std::collections::HashSet;
use wire::GoOn;

/// Changes that are remembered: a person answers each.
const CHANGES_MAX: usize = 1024;

/// What a session is frozen for.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// Something that the static stage closes was changed.
    Change(Change),
    /// The score: each channel that speaks against the session, with what it counted and at how many units it is another
    /// deed, since it would be ten times worse.
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
        let may_act = |channel: &&ChannelScore| channel.acts || !score.acting.extrapolated;
        let outstanding = || score.channels.iter().filter(may_act).filter(|channel| channel.stands_out());
        // Where none does, they were many small differences together.
        let few = outstanding().next().is_none();
        let speaks = |channel: &&ChannelScore| channel.stands_out() || (few && channel.evidence > 0.0);
        let speaking = score.channels.iter().filter(may_act).filter(speaks);
        // What is counted may rise once it was frozen for, and not where it was one of many.
        let until = |channel: &ChannelScore| {
            if channel.counted.is_some() && !few { f64::INFINITY } else { channel.worse }
        };
        Deed::Score(speaking.map(|channel| (kind(channel), until(channel))).collect())
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
    /// By channel and what it counted: the units at which it is another deed.
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
                Deed::Score(channels) => {
                    for (kind, until) in channels {
                        let passed = self.scores.entry(kind).or_insert(until);
                        *passed = passed.max(until);
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether a change was let pass.
    pub(super) fn has(&self, change: &Change) -> bool {
        self.everything || self.changes.contains(change)
    }

    /// Whether nothing was let pass that a score could speak of.
    pub(super) fn is_empty(&self) -> bool {
        !self.everything && self.scores.is_empty()
    }

    /// Whether a score still speaks of a channel. A count that was let pass may rise; anything else may not get ten times
    /// worse.
    pub(super) fn keeps(&self, channel: &ChannelScore) -> bool {
        let passed = self.scores.get(&kind(channel));
        !self.everything && passed.is_none_or(|worse| channel.units >= *worse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::calibration::P;

    /// What is ten units further out is ten times worse.
    fn channel(name: &str, counted: Option<&str>, units: f64) -> ChannelScore {
        ChannelScore {
            name: name.into(),
            value: 1.0,
            units,
            worse: units + 10.0,
            evidence: units,
            acts: name != "actions",
            counted: counted.map(str::to_owned),
        }
    }

    fn score(channels: Vec<ChannelScore>) -> Score {
        Score {
            p: 1e-4,
            extrapolated: true,
            acting: P { p: 1e-4, extrapolated: true },
            channels,
            reasons: vec!["a reason".into()],
            confidence: 1.0,
            lossy: false,
        }
    }

    #[test]
    fn the_same_deed_passes_and_another_does_not() {
        let removed = |units| channel("volume", Some("files removed"), units);
        let (new, order) = (channel("novelty", None, 9.0), channel("actions", None, 9.0));
        let crossed = score(vec![removed(20.0), channel("novelty", None, -0.5), order.clone()]);
        let mut passed = Passed::default();
        assert!(passed.is_empty() && crossed.channels.iter().all(|channel| passed.keeps(channel)));
        passed.add(vec![Deed::of_score(&crossed)], GoOn::Once);
        assert!(!passed.is_empty() && !passed.keeps(&removed(60.0)), "more of the same");
        assert!(passed.keeps(&channel("volume", Some("places read"), 20.0)), "another count");
        assert!(passed.keeps(&new), "another channel");
        assert!(passed.keeps(&order), "it was not frozen for the order");
        passed.add(Vec::new(), GoOn::Session);
        assert!(!passed.keeps(&new) && !passed.is_empty());
    }

    #[test]
    fn a_score_without_a_count_may_not_get_much_worse() {
        let new = |units| channel("novelty", None, units);
        let mut passed = Passed::default();
        passed.add(vec![Deed::of_score(&score(vec![new(70.0)]))], GoOn::Once);
        assert!(!passed.keeps(&new(79.9)));
        assert!(passed.keeps(&new(80.0)));
    }

    #[test]
    fn many_small_differences_that_were_let_pass_do_not_freeze_again() {
        let removed = |units| channel("volume", Some("files removed"), units);
        let proved = P { p: 1e-3, extrapolated: false };
        let channels = vec![channel("novelty", None, 1.5), removed(0.5), channel("actions", None, -1.0)];
        let all = Score { p: 1e-3, extrapolated: false, acting: proved, ..score(channels) };
        let mut passed = Passed::default();
        passed.add(vec![Deed::of_score(&all)], GoOn::Once);
        assert!(!passed.is_empty());
        let kept: Vec<bool> = all.channels.iter().map(|channel| passed.keeps(channel)).collect();
        assert_eq!(kept, [false, false, true]);
        assert!(passed.keeps(&removed(60.0)), "nobody was asked about so many");
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
