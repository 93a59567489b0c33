//! From a channel's value to a p-value: what share of clean sessions would ever have looked at least as bad.
//!
//! A block is a fixed number of actions of a session that the model was not trained on. The p-value of a block is
//! conformal: `(1 + blocks whose maximum was as high) / (1 + blocks)` (Vovk, Gammerman and Shafer 2005), valid whatever
//! the distribution, and one-sided. But a session is scored after each of its actions, and one of sixty blocks has sixty
//! tries at being the most unusual one: its p is that of a block times the blocks that it had, or that a session
//! usually has, whichever is more. Channels are combined by the smallest p, times their number (both Bonferroni). Nothing
//! below channels / sessions, about, can be proved so; past it see [`crate::tail`].

use crate::channel::CHANNELS;
use crate::reading::Reading;
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
    /// Blocks that a session had, on average: at least one. `None` where its values take its length into account.
    tries: Option<f64>,
    /// The tail past them.
    tail: Tail,
}

impl Scale {
    /// From maxima by session, by block.
    pub fn fit(sessions: &[Vec<f64>], reading: Reading) -> Self {
        let maximum = |values: &Vec<f64>| values.iter().copied().fold(0.0, f64::max);
        let maxima: Vec<f64> = sessions.iter().filter(|blocks| !blocks.is_empty()).map(maximum).collect();
        let mut blocks =
            if reading.cumulative { maxima.clone() } else { sessions.iter().flatten().copied().collect() };
        blocks.sort_unstable_by(f64::total_cmp);
        let each = (blocks.len() as f64 / maxima.len().max(1) as f64).max(1.0);
        let tries = (!reading.cumulative).then_some(each);
        Self { blocks, tries, tail: if reading.tail { Tail::fit(&maxima, reading) } else { Tail::None } }
    }

    /// The p-value of a value in a session that is in its block with this number, counted from one.
    pub fn p(&self, value: f64, block: f64) -> P {
        let longer = self.tries.map_or(1.0, |tries| (block / tries).max(1.0));
        let below = self.blocks.partition_point(|&block| block < value);
        let each = (1 + self.blocks.len() - below) as f64 / (1 + self.blocks.len()) as f64;
        let proved = each * self.tries.unwrap_or(1.0) * longer;
        // The tail is that of whole sessions.
        match self.tail.p(value).map(|p| p * longer) {
            Some(p) if p < proved => P { p: p.min(1.0), extrapolated: true },
            _ => P { p: proved.min(1.0), extrapolated: false },
        }
    }

    /// The smallest p that held-out blocks can prove for a session of the usual length.
    fn smallest(&self) -> f64 {
        self.tries.unwrap_or(1.0) / (self.blocks.len() as f64 + 1.0)
    }

    /// Adds the blocks of another baseline.
    fn merge(&mut self, other: &Scale) {
        let blocks = (self.blocks.len() + other.blocks.len()) as f64;
        self.tries = self.tries.zip(other.tries).map(|(mine, theirs)| {
            let sessions = self.blocks.len() as f64 / mine + other.blocks.len() as f64 / theirs;
            (blocks / sessions.max(1.0)).max(1.0)
        });
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
        self.actions += other.actions;
    }

    /// The same calibration as if there were no channel of this name.
    pub fn without(&self, channel: &str) -> Calibration {
        let mut rest = self.clone();
        for (scale, _) in rest.scales.iter_mut().zip(&CHANNELS).filter(|(_, known)| known.name == channel) {
            *scale = None;
        }
        rest
    }

    /// Whether the parts fit together, for calibrations that come from a file.
    pub(crate) fn is_sound(&self) -> bool {
        self.scales.iter().flatten().all(|scale| {
            scale.tail.is_sound()
                && scale.tries.is_none_or(|tries| tries.is_finite() && tries >= 1.0)
                && scale.blocks.iter().all(|block| block.is_finite())
                && scale.blocks.windows(2).all(|pair| pair[0] <= pair[1])
        })
    }

    /// Channels that count.
    pub fn channels(&self) -> usize {
        self.scales.iter().flatten().count()
    }

    /// The smallest combined p that held-out blocks can prove, for a session of the usual length.
    pub fn smallest_provable(&self) -> f64 {
        let least = self.scales.iter().flatten().map(Scale::smallest).fold(1.0, f64::min);
        (self.channels() as f64 * least).min(1.0)
    }

    /// Each channel's p after so many actions of a session, times the number of channels: `None` for channels that do
    /// not count.
    pub fn p(&self, values: &[f64], actions: u64) -> Vec<Option<P>> {
        // A block that is hardly begun is no try of its own.
        let block = (actions as f64 / BLOCK_ACTIONS as f64).max(1.0);
        let channels = self.channels() as f64;
        let corrected = |p: P| P { p: (p.p * channels).min(1.0), ..p };
        self.scales
            .iter()
            .zip(values)
            .map(|(scale, &value)| scale.as_ref().map(|s| corrected(s.p(value, block))))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Reading = Reading { cumulative: false, modelled: false, unit: 0.1, tail: true };

    fn scale(sessions: &[&[f64]]) -> Scale {
        let sessions: Vec<Vec<f64>> = sessions.iter().map(|blocks| blocks.to_vec()).collect();
        Scale::fit(&sessions, PLAIN)
    }

    #[test]
    fn p_is_the_share_of_clean_blocks_that_were_as_bad_times_the_tries_of_a_session() {
        let flat = scale(&[&[1.0], &[2.0], &[3.0], &[4.0], &[5.0], &[6.0], &[7.0], &[8.0], &[9.0]]);
        assert_eq!(flat.p(0.5, 1.0), P { p: 1.0, extrapolated: false });
        assert_eq!(flat.p(7.0, 1.0), P { p: 0.4, extrapolated: false });
        assert_eq!(flat.p(9.01, 1.0), P { p: 0.1, extrapolated: false });
        assert_eq!(flat.p(9.01, 4.0), P { p: 0.4, extrapolated: false });
        let long = scale(&[&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0], &[7.0, 8.0, 9.0]]);
        assert!((long.p(9.01, 1.0).p - 0.3).abs() < 1e-9);
        assert!((long.p(9.01, 6.0).p - 0.6).abs() < 1e-9);
    }

    #[test]
    fn a_session_that_goes_on_has_more_tries() {
        let scale = scale(&[&[1.0, 2.0], &[1.5, 2.5], &[0.5, 1.0], &[2.0, 1.1]]);
        let at = |block| scale.p(100.0, block).p;
        assert_eq!(at(1.0), at(2.0));
        assert!((at(20.0) / at(2.0) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_channel_without_a_tail_claims_no_more_than_was_proved() {
        let sessions = [vec![1.0], vec![2.0], vec![3.0]];
        let scale = Scale::fit(&sessions, Reading { tail: false, ..PLAIN });
        assert_eq!(scale.p(1e9, 1.0), P { p: 0.25, extrapolated: false });
    }

    #[test]
    fn more_is_never_more_probable() {
        let scale = scale(&[&[1.0, 2.0], &[1.5, 2.5], &[0.5, 1.0], &[2.0], &[1.1]]);
        let p: Vec<f64> = (0..2000).map(|value| scale.p(f64::from(value) * 0.05, 1.0).p).collect();
        assert!(p.windows(2).all(|pair| pair[0] >= pair[1]));
        assert!(p[1999] < 1e-4 && p[1999] > 0.0);
    }

    #[test]
    fn a_channel_that_is_left_out_costs_the_others_nothing() {
        let one = |session: &[f64]| Some(scale(&[session, &[0.5], &[0.1]]));
        let scales = vec![one(&[1.0]), one(&[2.0])];
        let both = Calibration { scales, ..Calibration::default() };
        let p = |calibration: &Calibration| calibration.p(&[0.7, 3.0], 1);
        let alone = both.without(CHANNELS[1].name);
        assert_eq!(p(&both)[0].map(|p| p.p), Some(1.0));
        assert_eq!(p(&alone)[0].map(|p| p.p), Some(0.5));
        assert_eq!((p(&alone)[1], alone.channels()), (None, 1));
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
