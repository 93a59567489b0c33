//! A channel's yardstick: from its value to evidence.
//!
//! Evidence is what a value has above the usual, in the channel's own unit, which is the same in every task. How far clean
//! sessions go past the usual is known of a few workspaces: one of another language would stretch the yardstick until
//! nothing that is done counts. It says what stands out, and no more; what evidence is worth, the law says.

use crate::channel::{CHANNELS, COUNT, Channel, TOGETHER_BOUND};
use crate::spread::spread;

/// One channel's yardstick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The highest value of a usual clean session.
    pub usual: f64,
    /// How far clean sessions go past it.
    pub spread: f64,
}

impl Scale {
    /// From the highest value of each session. A channel that said nothing in most of them does not count.
    fn fit(channel: &Channel, mut highest: Vec<f64>) -> Option<Self> {
        let all = highest.len();
        if channel.is_silent_at_zero {
            highest.retain(|value| *value > 0.0);
        }
        highest.sort_unstable_by(f64::total_cmp);
        let (usual, spread) = spread(&highest, channel.unit);
        (highest.len() * 2 >= all).then_some(Self { usual, spread })
    }

    /// How many spreads a value is above the usual.
    fn spreads(&self, value: f64) -> f64 {
        (value - self.usual) / self.spread
    }
}

/// The scales of all channels; `None` for those that do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Scales([Option<Scale>; COUNT]);

impl Scales {
    /// From the highest values of sessions, of the channels that count.
    pub fn fit<'h>(highest: impl Iterator<Item = &'h [f64; COUNT]> + Clone, counts: [bool; COUNT]) -> Self {
        Self(std::array::from_fn(|at| {
            let channel = CHANNELS.get(at).filter(|_| counts[at])?;
            Scale::fit(channel, highest.clone().map(|session| session[at]).collect())
        }))
    }

    /// Each channel with its scale, where it counts.
    pub fn each(&self) -> [Option<Scale>; COUNT] {
        self.0
    }

    /// How many spreads each channel is above the usual, however far.
    pub fn spreads(&self, block: &[f64; COUNT]) -> [f64; COUNT] {
        std::array::from_fn(|at| self.0[at].map_or(0.0, |scale| scale.spreads(block[at])))
    }

    /// How many units each is above the usual, as evidence: at most as many as the channel may say, less than one below, and by
    /// what it counts for.
    pub fn evidence(&self, block: &[f64; COUNT]) -> [Option<f64>; COUNT] {
        std::array::from_fn(|at| {
            let (channel, scale) = (CHANNELS.get(at)?, self.0[at]?);
            let units = (block[at] - scale.usual) / channel.unit;
            let bounded = if units < 0.0 { units.exp_m1() } else { units.min(channel.bound) };
            Some(channel.weight * bounded)
        })
    }
}

/// What the channels say together: none more than its part.
pub(crate) fn sum(evidence: &[Option<f64>; COUNT]) -> f64 {
    let said = CHANNELS.iter().zip(evidence);
    said.filter_map(|(channel, evidence)| Some(evidence.as_ref()?.min(channel.weight * TOGETHER_BOUND))).sum()
}
