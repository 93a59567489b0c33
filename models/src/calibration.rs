//! From a channel's value to a p-value: what share of clean stretches of work would have looked at least as bad.
//!
//! A block is a fixed number of actions of a session that the model was not trained on. The p-value of a value is
//! conformal: `(1 + blocks whose maximum was as high) / (1 + blocks)` (Vovk, Gammerman and Shafer 2005), valid whatever
//! the distribution, and one-sided. Channels are combined by the smallest p, times their number (Bonferroni). Nothing
//! below channels / (blocks + 1) can be proved so; past it see [`crate::tail`].

use crate::tail::Tail;
use serde::{Deserialize, Serialize};

/// Actions in a block: a few tool calls of an agent, and few enough that a short session still gives one.
pub const BLOCK_ACTIONS: usize = 32;

/// A last, shorter stretch of a session counts as a block from this many actions; the only stretch of a session always.
const PARTIAL_BLOCK_ACTIONS: usize = BLOCK_ACTIONS / 2;

/// Maxima of every channel over blocks of one held-out session.
#[derive(Clone, Debug)]
pub struct Blocks {
    channels: usize,
    done: Vec<Vec<f64>>,
    current: Vec<f64>,
    actions: usize,
}

impl Blocks {
    /// For so many channels.
    pub fn new(channels: usize) -> Self {
        Self { channels, done: Vec::new(), current: vec![0.0; channels], actions: 0 }
    }

    /// Takes in the channels' values after an action.
    pub fn push(&mut self, values: &[f64]) {
        for (most, value) in self.current.iter_mut().zip(values) {
            *most = most.max(*value);
        }
        self.actions += 1;
        if self.actions == BLOCK_ACTIONS {
            self.close();
        }
    }

    fn close(&mut self) {
        self.done.push(std::mem::replace(&mut self.current, vec![0.0; self.channels]));
        self.actions = 0;
    }

    /// The blocks of the session: maxima by block, then by channel. A short remainder counts into the last block.
    pub fn finish(mut self) -> Vec<Vec<f64>> {
        if self.actions >= PARTIAL_BLOCK_ACTIONS || (self.done.is_empty() && self.actions > 0) {
            self.close();
        } else if let Some(last) = self.done.last_mut() {
            last.iter_mut().zip(&self.current).for_each(|(most, value)| *most = most.max(*value));
        }
        self.done
    }
}

/// A value's p, and whether it rests on an extrapolation of the tail.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct P {
    /// The p-value, in (0, 1].
    pub p: f64,
    /// Smaller than what held-out blocks can prove.
    pub extrapolated: bool,
}

/// One channel's held-out maxima.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// Maxima of the blocks, ascending.
    blocks: Vec<f64>,
    /// The tail past them.
    tail: Tail,
}

/// How a channel's values are to be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Grows over a session, so that blocks of one session are not comparable: only whole sessions count.
    pub cumulative: bool,
    /// The value is a modelled -log2 p by itself.
    pub modelled: bool,
    /// Differences below this are noise, in the value's unit.
    pub unit: f64,
}

impl Scale {
    /// From maxima by session, by block.
    pub fn fit(sessions: &[Vec<f64>], reading: Reading) -> Self {
        let maximum = |values: &Vec<f64>| values.iter().copied().fold(0.0, f64::max);
        let maxima: Vec<f64> = sessions.iter().filter(|blocks| !blocks.is_empty()).map(maximum).collect();
        let mut blocks =
            if reading.cumulative { maxima.clone() } else { sessions.iter().flatten().copied().collect() };
        blocks.sort_unstable_by(f64::total_cmp);
        Self { blocks, tail: Tail::fit(&maxima, reading) }
    }

    /// The p-value of a value.
    pub fn p(&self, value: f64) -> P {
        let below = self.blocks.partition_point(|&block| block < value);
        let proved = (1 + self.blocks.len() - below) as f64 / (1 + self.blocks.len()) as f64;
        match self.tail.p(value) {
            Some(p) if p < proved => P { p, extrapolated: true },
            _ => P { p: proved, extrapolated: false },
        }
    }

    /// Adds the blocks of another baseline.
    fn merge(&mut self, other: &Scale) {
        self.blocks.extend(&other.blocks);
        self.blocks.sort_unstable_by(f64::total_cmp);
        self.tail = self.tail.wider(other.tail);
    }

    /// Blocks that it rests on.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The highest value that a clean block had.
    pub fn highest(&self) -> f64 {
        self.blocks.last().copied().unwrap_or(0.0)
    }
}

/// All channels' scales.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// By channel; `None` for channels that the recordings say nothing about.
    pub scales: Vec<Option<Scale>>,
    /// Held-out sessions.
    pub sessions: usize,
    /// Held-out sessions in which the compiled baseline would have denied something.
    pub denied_sessions: usize,
    /// Distinct places that it would have denied in them.
    pub denied_places: usize,
    /// Actions in them.
    pub actions: u64,
}

impl Calibration {
    /// Adds the held-out sessions of another baseline. A channel counts where it counts in both.
    pub fn merge(&mut self, other: &Calibration) {
        for (at, scale) in self.scales.iter_mut().enumerate() {
            match (scale.as_mut(), other.scales.get(at).and_then(Option::as_ref)) {
                (Some(mine), Some(theirs)) => mine.merge(theirs),
                _ => *scale = None,
            }
        }
        self.sessions += other.sessions;
        self.denied_sessions += other.denied_sessions;
        self.denied_places += other.denied_places;
        self.actions += other.actions;
    }

    /// Whether the parts fit together, for calibrations that come from a file.
    pub(crate) fn is_sound(&self) -> bool {
        self.scales.iter().flatten().all(|scale| {
            scale.tail.is_sound()
                && scale.blocks.iter().all(|block| block.is_finite())
                && scale.blocks.windows(2).all(|pair| pair[0] <= pair[1])
        })
    }

    /// Channels that count.
    pub fn channels(&self) -> usize {
        self.scales.iter().flatten().count()
    }

    /// The smallest combined p that held-out blocks can prove: channels / (blocks + 1).
    pub fn smallest_provable(&self) -> f64 {
        let blocks = self.scales.iter().flatten().map(Scale::blocks).max().unwrap_or(0);
        (self.channels() as f64 / (blocks as f64 + 1.0)).min(1.0)
    }

    /// Each channel's p, times the number of channels: `None` for channels that do not count.
    pub fn p(&self, values: &[f64]) -> Vec<Option<P>> {
        let channels = self.channels() as f64;
        let corrected = |p: P| P { p: (p.p * channels).min(1.0), ..p };
        self.scales
            .iter()
            .zip(values)
            .map(|(scale, &value)| scale.as_ref().map(|s| corrected(s.p(value))))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Reading = Reading { cumulative: false, modelled: false, unit: 0.1 };

    fn scale(sessions: &[&[f64]]) -> Scale {
        let sessions: Vec<Vec<f64>> = sessions.iter().map(|blocks| blocks.to_vec()).collect();
        Scale::fit(&sessions, PLAIN)
    }

    #[test]
    fn p_is_the_share_of_clean_blocks_that_were_as_bad() {
        let scale = scale(&[&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0], &[7.0, 8.0, 9.0]]);
        assert_eq!(scale.p(0.5), P { p: 1.0, extrapolated: false });
        assert_eq!(scale.p(7.0), P { p: 0.4, extrapolated: false });
        assert_eq!(scale.p(9.01), P { p: 0.1, extrapolated: false });
    }

    #[test]
    fn more_is_never_more_probable() {
        let scale = scale(&[&[1.0, 2.0], &[1.5, 2.5], &[0.5, 1.0], &[2.0], &[1.1]]);
        let p: Vec<f64> = (0..2000).map(|value| scale.p(f64::from(value) * 0.05).p).collect();
        assert!(p.windows(2).all(|pair| pair[0] >= pair[1]));
        assert!(p[1999] < 1e-4 && p[1999] > 0.0);
    }

    #[test]
    fn a_remainder_of_a_session_is_not_lost() {
        let mut blocks = Blocks::new(1);
        (0..BLOCK_ACTIONS + 3).for_each(|action| blocks.push(&[action as f64]));
        assert_eq!(blocks.finish(), [[34.0]]);
        let mut short = Blocks::new(1);
        short.push(&[2.0]);
        assert_eq!(short.finish(), [[2.0]]);
    }
}
