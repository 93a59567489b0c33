//! The trait of a channel.

use crate::group::Group;
use crate::learned::Models;
use crate::reader::{Call, Seen};
use std::fmt::Debug;

/// Units that a channel may add to the sum at most.
pub const TOGETHER_BOUND: f64 = 12.0;

/// Units that what was done may say alone. How much of that is believed, the law of few sessions says.
const DONE_BOUND: f64 = 1024.0;

/// A channel: its name, how its values are read, and how it begins.
///
/// The units are such that sessions that were all alike do not make an alarm of one new tool call: some five events in a
/// row that were never seen, or a hundred system calls in an order that was never seen, are needed.
#[derive(Clone, Copy, Debug)]
pub struct Channel {
    /// Its name, as users see it.
    pub name: &'static str,
    /// What its values are measured in, the same in every task: smaller differences are noise.
    pub unit: f64,
    /// Units that it may say at most, however far out it is.
    pub bound: f64,
    /// What its evidence counts for beside the others': channels that read the order of the same events share a whole.
    pub weight: f64,
    /// What it extrapolates is acted upon: it says what was done. In which order is another matter in every repository, so
    /// that past what held-out sessions prove a person is asked.
    pub acts: bool,
    /// Zero is no value of it, but says that there was nothing to value.
    pub is_silent_at_zero: bool,
    /// What gives it more chances to be high.
    pub chances: Chances,
    /// Whether the recordings say something about it.
    pub(crate) is_learned: fn(&Models) -> bool,
    /// As it runs in a session that begins.
    pub(crate) begin: fn() -> Box<dyn Running>,
}

/// What gives a channel more chances to be high than a session of the usual length has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chances {
    /// Every further stretch: it forgets.
    Stretches,
    /// Every further segment, where it begins anew: its value is measured against the length of the segment by itself.
    Segments,
}

impl Channel {
    /// Of the order of what was done: it may say as much as any, and is not acted upon past what is proved.
    pub(crate) const fn of_order(
        name: &'static str,
        (unit, weight): (f64, f64),
        is_learned: fn(&Models) -> bool,
        begin: fn() -> Box<dyn Running>,
    ) -> Self {
        let (bound, chances) = (TOGETHER_BOUND, Chances::Stretches);
        Self { name, unit, bound, weight, acts: false, is_silent_at_zero: true, chances, is_learned, begin }
    }

    /// Of what was done: it may rule alone.
    pub(crate) const fn of_deeds(name: &'static str, unit: f64, begin: fn() -> Box<dyn Running>) -> Self {
        Self {
            name,
            unit,
            bound: DONE_BOUND,
            weight: 1.0,
            acts: true,
            is_silent_at_zero: false,
            chances: Chances::Stretches,
            is_learned: |_| true,
            begin,
        }
    }

    /// What it says alone is read by a law of its own.
    pub fn rules_alone(&self) -> bool {
        // What may say no more than it adds to the sum says nothing alone.
        self.acts && self.bound > TOGETHER_BOUND
    }
}

/// A channel as it runs in one session. Training, calibrating and scoring run the same code.
pub(crate) trait Running: Debug + Send + Sync {
    /// Takes in a step. Of an action, [`Running::act`] comes after it.
    fn step(&mut self, _seen: &Seen<'_>, _models: &Models) {}

    /// Takes in a raw system call.
    fn call(&mut self, _call: Call) {}

    /// Takes in an action; its value from there on.
    fn act(&mut self, seen: &Seen<'_>, models: &Models) -> f64;

    /// The highest value that it has had since the last action, where it changes between actions.
    fn since(&self) -> f64 {
        0.0
    }

    /// Records are missing here.
    fn interrupt(&mut self) {}

    /// The models are others from here on.
    fn relearned(&mut self) {}

    /// What it counts, where it counts several things apart and speaks of one.
    fn counted(&self, _models: &Models) -> Option<Group> {
        None
    }

    /// What its value comes from, in words, a sentence each, the weightiest first.
    fn reasons(&self, models: &Models) -> Vec<String>;

    /// Another one that stands where it does.
    fn copy(&self) -> Box<dyn Running>;
}

impl Clone for Box<dyn Running> {
    fn clone(&self) -> Self {
        self.copy()
    }
}
