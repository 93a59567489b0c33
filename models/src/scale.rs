//! A channel's yardstick: from its value to evidence.
//!
//! Evidence is what a value has above the usual, in the channel's own unit, which is the same in every task. How far clean
//! sessions go past the usual is known of a few workspaces: one of another language would stretch a yardstick that is made
//! of it until nothing that is done counts. What evidence is worth, the law says ([`crate::law`]).
#![expect(clippy::indexing_slicing, reason = "each array has a place for each channel")]

use crate::channel::{CHANNELS, COUNT, Channel, TOGETHER_BOUND};
use crate::spread::median;

/// The highest value of a usual clean session, by channel; `None` for those that do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Scales([Option<f64>; COUNT]);

impl Scales {
    /// From the highest values of sessions, of the channels that count.
    pub fn fit<'h>(highest: impl Iterator<Item = &'h [f64; COUNT]> + Clone, counts: [bool; COUNT]) -> Self {
        Self(std::array::from_fn(|at| {
            let channel = CHANNELS.get(at).filter(|_| counts[at])?;
            usual(channel, highest.clone().map(|session| session[at]).collect())
        }))
    }

    /// The usual of each channel, where it counts.
    pub fn each(&self) -> [Option<f64>; COUNT] {
        self.0
    }

    /// How many units each channel is above the usual, however far.
    pub fn units(&self, block: &[f64; COUNT]) -> [Option<f64>; COUNT] {
        std::array::from_fn(|at| Some((block[at] - self.0[at]?) / CHANNELS.get(at)?.unit))
    }

    /// The same as evidence: at most as many as the channel may say, less than one below, and by what it counts for.
    pub fn evidence(&self, block: &[f64; COUNT]) -> [Option<f64>; COUNT] {
        let units = self.units(block);
        std::array::from_fn(|at| {
            let (channel, units) = (CHANNELS.get(at)?, units[at]?);
            let bounded = if units < 0.0 { units.exp_m1() } else { units.min(channel.bound) };
            Some(channel.weight * bounded)
        })
    }
}

/// From the highest value of each session. A channel that said nothing in most of them does not count.
fn usual(channel: &Channel, mut highest: Vec<f64>) -> Option<f64> {
    let all = highest.len();
    if channel.is_silent_at_zero {
        highest.retain(|value| *value > 0.0);
    }
    highest.sort_unstable_by(f64::total_cmp);
    (highest.len() * 2 >= all).then(|| median(&highest).unwrap_or(0.0))
}

/// What the channels say together: none more than its part.
pub(crate) fn sum(evidence: &[Option<f64>; COUNT]) -> f64 {
    let said = CHANNELS.iter().zip(evidence);
    said.filter_map(|(channel, evidence)| Some(evidence.as_ref()?.min(channel.weight * TOGETHER_BOUND))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_counts_by_the_unit_whatever_clean_sessions_lie_apart() {
        for apart in [0.0, 30.0] {
            let highest: Vec<[f64; COUNT]> = (-2..=2)
                .map(|n| std::array::from_fn(|at| CHANNELS[at].unit * (2.0 + apart * f64::from(n.max(0)))))
                .collect();
            let scales = Scales::fit(highest.iter(), [true; COUNT]);
            for (at, channel) in CHANNELS.iter().enumerate() {
                let said = |units: f64| {
                    let mut values = [0.0; COUNT];
                    values[at] = channel.unit * (2.0 + units);
                    scales.evidence(&values)[at].map_or(f64::NAN, |evidence| evidence / channel.weight)
                };
                assert!((said(1.0) - 1.0).abs() < 1e-9, "{}: {}", channel.name, said(1.0));
                assert!((said(8.0) - channel.bound.min(8.0)).abs() < 1e-9, "{}", channel.name);
                assert!((said(1e9) - channel.bound).abs() < 1e-9, "{}", channel.name);
                assert!(said(-1.0) > -1.0 && said(-1.0) < 0.0, "{}", channel.name);
            }
        }
    }
}
