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
            let said = match units {
                below if below < 0.0 => below.exp_m1(),
                far if far > 1.0 && channel.damped => 1.0 + far.ln(),
                units => units,
            };
            let bounded = said.min(channel.bound);
            Some(channel.weight * bounded)
        })
    }
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
    fn a_deed_counts_by_the_unit_and_order_by_its_logarithm_whatever_clean_sessions_lie_apart() {
        for apart in [0.1, 30.0] {
            let highest: Vec<[f64; COUNT]> = (1..6)
                .map(|n| {
                    std::array::from_fn(|at| CHANNELS[at].unit * (2.0 + apart * f64::from(n - 3).max(-0.01)))
                })
                .collect();
            let scales = Scales::fit(highest.iter(), [true; COUNT]);
            for (at, channel) in CHANNELS.iter().enumerate() {
                let said = |units: f64| {
                    let mut values = [0.0; COUNT];
                    values[at] = channel.unit * (2.0 + units);
                    scales.evidence(&values)[at].map_or(f64::NAN, |evidence| evidence / channel.weight)
                };
                let past =
                    |units: f64| if channel.acts { units.min(channel.bound) } else { 1.0 + units.ln() };
                assert!((said(0.5) - 0.5).abs() < 1e-9 && (said(1.0) - 1.0).abs() < 1e-9, "{}", channel.name);
                assert!((said(8.0) - past(8.0)).abs() < 1e-9, "{}: {}", channel.name, said(8.0));
                assert!(said(-1.0) > -1.0 && said(-1.0) < 0.0, "{}", channel.name);
            }
        }
    }
}
