//! From the channels' values to evidence, and from the evidence of all channels together to one p-value.
//!
//! A block is a fixed number of actions. What a channel says in it, and in the one before, is the highest of its values
//! there, in the channel's unit, above what held-out sessions usually come to ([`crate::scale`]). That is bounded on both
//! sides. A channel that is quiet takes less than one unit from what others say, and none rules the sum by being far
//! out. The evidence of a block is the sum over the channels, that of a session its highest block, and what clean sessions
//! came to is the [`Law`] that a sum is read by: one statistic, calibrated once, as training and scoring both compute it.
//!
//! What may be acted upon past what held-out sessions prove is what one channel says alone that tells what was done, by a
//! law of its own: one deed is enough, and what another channel finds usual is no excuse for it. These are looks beside
//! the sum, and count as many times as there are looks: past what is proved, at most five sessions come to a p for three
//! that it says.
//!
//! The law's sum of a held-out session stands on the scales of all the others, of other workspaces where there are
//! several, as that of a session which is scored does. But sessions of a few workspaces are fewer than they look, and the
//! models that scored them had seen the agent's other tasks there: in a new workspace rates are near what is said, no more.
#![expect(clippy::indexing_slicing, reason = "each array has a place for each channel")]

pub use crate::block::{BLOCK_ACTIONS, Block, Held};
use crate::channel::{CHANNELS, COUNT, Chances, Channel};
use crate::law::Law;
pub use crate::law::P;
use crate::scale::{Scales, sum};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Workspaces from which each is left out whole: with fewer, half of what is known would go with one.
pub(crate) const WORKSPACES_MIN: usize = 3;

/// Held-out sessions from which each is read by the scale of all: leaving some of so many out moves it next to nothing.
const MANY: usize = 400;

/// What a block comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighed {
    /// What each channel adds; `None` for channels that do not count.
    pub evidence: [Option<f64>; COUNT],
    /// The p-value of all together, or of what was done, if that is lower.
    pub p: P,
    /// That of what may be acted upon: what held-out sessions prove, and past it what was done.
    pub acting: P,
}

/// How long a session is, in usual sessions: so many times the chances to look unusual it has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Length {
    /// Its segments before the one that it is in.
    pub before: f64,
    /// The segment that it is in.
    pub here: f64,
}

impl From<f64> for Length {
    fn from(here: f64) -> Self {
        Self { before: 0.0, here }
    }
}

impl Length {
    /// Of all of it.
    pub fn all(self) -> f64 {
        self.before + self.here
    }

    /// Chances of what is given more by this. A session that has hardly begun has no less than one.
    fn tries(self, chances: Chances) -> f64 {
        match chances {
            Chances::Stretches => self.all().max(1.0),
            Chances::Segments => (self.before + self.here.min(1.0)).max(1.0),
        }
    }
}

/// What sessions that were held out say of clean ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Calibration {
    held: Vec<Held>,
    counts: [bool; COUNT],
    scales: Scales,
    /// Of all channels.
    law: Law,
    /// Of each channel alone that tells what was done.
    done: [Option<Law>; COUNT],
}

/// As it is stored: the rest follows.
#[derive(Serialize, Deserialize)]
struct Parts {
    /// The channels in the order of the values, and which of them count.
    channels: Vec<(String, bool)>,
    held: Vec<Held>,
}

impl TryFrom<Parts> for Calibration {
    type Error = String;

    fn try_from(Parts { channels, held }: Parts) -> Result<Self, String> {
        let known = CHANNELS.iter().map(|channel| channel.name);
        if !known.eq(channels.iter().map(|(name, _)| name.as_str())) {
            return Err("its channels are not those of this build".to_owned());
        }
        Ok(Self::of(held, std::array::from_fn(|at| channels.get(at).is_some_and(|(_, counts)| *counts))))
    }
}

impl From<Calibration> for Parts {
    fn from(Calibration { held, counts, .. }: Calibration) -> Self {
        let names = CHANNELS.iter().map(|channel| channel.name.to_owned());
        Self { channels: names.zip(counts).collect(), held }
    }
}

impl Calibration {
    /// From held-out sessions, and which channels the recordings say something about.
    pub fn of(mut held: Vec<Held>, counts: [bool; COUNT]) -> Self {
        held.retain(|session| !session.is_empty());
        let highest: Vec<[f64; COUNT]> = held.iter().map(Held::highest).collect();
        let scales = Scales::fit(highest.iter(), counts);
        let workspaces: BTreeSet<u64> = held.iter().map(Held::workspace).collect();
        let several = workspaces.len() >= WORKSPACES_MIN;
        let (mut sums, mut alone) = (Vec::new(), [const { Vec::new() }; COUNT]);
        for (at, session) in held.iter().enumerate() {
            let others = held.iter().zip(&highest).enumerate().filter(|(other, (of, _))| {
                if several { of.workspace() != session.workspace() } else { *other != at }
            });
            let own = if held.len() < MANY {
                Scales::fit(others.map(|(_, (_, highest))| highest), counts)
            } else {
                scales
            };
            let evidence = session.values().map(|block| sum(&own.evidence(&block)));
            sums.push(evidence.fold(f64::NEG_INFINITY, f64::max));
            // One channel's values keep their order on every scale.
            let said = scales.evidence(&highest[at]);
            alone.iter_mut().zip(said).for_each(|(alone, said)| alone.extend(said));
        }
        let counting = CHANNELS.iter().zip(scales.each()).filter(|(_, scale)| scale.is_some());
        let kinds = counting.map(|(channel, _)| channel.weight).sum();
        let mut alone = CHANNELS.iter().zip(alone);
        let done = std::array::from_fn(|_| {
            let (channel, alone) = alone.next()?;
            let rules = channel.rules_alone() && !alone.is_empty();
            rules.then(|| Law::fit(alone, channel.weight))
        });
        Self { held, counts, scales, law: Law::fit(sums, kinds), done }
    }

    /// Adds the held-out sessions of another baseline. A channel counts where it counts in both.
    pub fn merge(&mut self, other: &Calibration) {
        let mut held = std::mem::take(&mut self.held);
        held.extend(other.held.iter().cloned());
        *self = Self::of(held, std::array::from_fn(|channel| self.counts[channel] && other.counts[channel]));
    }

    /// The same calibration as if there were no channel of this name.
    pub fn without(&self, channel: &str) -> Calibration {
        let counts = std::array::from_fn(|at| {
            self.counts[at] && CHANNELS.get(at).is_none_or(|known| known.name != channel)
        });
        Self::of(self.held.clone(), counts)
    }

    /// The same as if no session of this workspace had been held out.
    pub fn without_workspace(&self, workspace: u64) -> Calibration {
        let rest = self.held.iter().filter(|session| session.workspace() != workspace);
        Self::of(rest.cloned().collect(), self.counts)
    }

    /// What the channels said in the sessions that were held out.
    pub fn held(&self) -> &[Held] {
        &self.held
    }

    /// Whether the parts fit together, for calibrations that come from a file.
    pub(crate) fn is_sound(&self) -> bool {
        self.held.iter().all(Held::is_sound)
    }

    /// Held-out sessions.
    pub fn sessions(&self) -> usize {
        self.held.len()
    }

    /// Actions in them.
    pub fn actions(&self) -> u64 {
        self.held.iter().fold(0, |sum: u64, session| sum.saturating_add(session.actions()))
    }

    /// The channels that count, each with the highest value of a usual clean session and of any.
    pub fn usual(&self) -> impl Iterator<Item = (&'static Channel, f64, f64)> + '_ {
        CHANNELS.iter().zip(self.scales.each()).enumerate().filter_map(|(at, (channel, usual))| {
            let highest = self.held.iter().map(|session| session.highest()[at]).fold(0.0, f64::max);
            Some((channel, usual?, highest))
        })
    }

    /// The smallest p that held-out sessions prove, for a session of the usual length.
    pub fn smallest_provable(&self) -> f64 {
        self.law.smallest()
    }

    /// How many units each channel is above the usual, however far, and at how many what it says alone would be ten times
    /// worse; `None` for channels that do not count.
    pub(crate) fn units(&self, block: &[f64; COUNT]) -> [Option<(f64, f64)>; COUNT] {
        let units = self.scales.units(block);
        std::array::from_fn(|at| {
            let (channel, units) = (CHANNELS.get(at)?, units[at]?);
            let law = self.done[at].as_ref().unwrap_or(&self.law);
            Some((units, law.ten_times_worse(units * channel.weight) / channel.weight))
        })
    }

    /// What the channels' highest values of a block come to, in a session of that length: see [`Calibration::chances`].
    pub fn weigh(&self, block: &[f64; COUNT], length: impl Into<Length>) -> Weighed {
        self.read(self.scales.evidence(block), length)
    }

    /// The same of evidence that is at hand.
    pub fn read(&self, evidence: [Option<f64>; COUNT], length: impl Into<Length>) -> Weighed {
        let length: Length = length.into();
        let tries = length.tries(Chances::Stretches);
        let all = self.law.p(sum(&evidence), tries);
        let looks = 1.0 + self.done.iter().flatten().count() as f64;
        let each = CHANNELS.iter().zip(&self.done).zip(evidence);
        let done = each.filter_map(|((channel, law), said)| {
            Some(law.as_ref()?.p(said?, looks * length.tries(channel.chances)))
        });
        let nothing = P { p: 1.0, extrapolated: false };
        let done = done.fold(nothing, |least, p| if p.p < least.p { p } else { least });
        let proved = P { p: all.p.max((self.law.smallest() * tries).min(1.0)), extrapolated: false };
        let acting = if done.extrapolated && done.p < proved.p { done } else { proved };
        let p = if acting.p < all.p { acting } else { all };
        Weighed { evidence, p, acting }
    }

    /// How many times the chances of a usual session one has after so many actions. A block that is hardly begun is no
    /// chance of its own.
    pub fn chances(&self, actions: u64) -> f64 {
        let usual = self.actions() as f64 / self.sessions().max(1) as f64;
        actions as f64 / usual.max(BLOCK_ACTIONS as f64)
    }
}
