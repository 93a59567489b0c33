//! How much: counts of what cannot be undone, or is rarely done, against what sessions of this baseline do.
//!
//! A session that is asked to edit may remove a file; one that removes ten removes the workspace file by file, and each
//! removal is normal by itself. Counts of a session are over-dispersed (some sessions have none, some have many), so
//! each is modelled as a Gamma-Poisson mixture, the negative binomial (Greenwood and Yule 1920), its dispersion by
//! moments. The surprise of a count is that of its upper tail, -log2 P(X >= count).
#![expect(
    clippy::cast_possible_truncation,
    reason = "counts are bounded, and steps of a logarithm are small"
)]
#![expect(clippy::indexing_slicing, reason = "there is a count for each group")]

use crate::group::{Belief, Group};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Groups, each with two counts: of the session, and of its last actions.
const COUNTS: usize = 2 * Group::ALL.len();

/// The surprise of a count as it was worked out last: it changes with a new occurrence, or a session that is much longer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Told {
    count: u32,
    longer: i32,
    bits: f64,
}

/// What was worked out last of every count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recall([Told; COUNTS]);

/// Actions that the second count of a group looks back on: a burst, however long the session was.
const BURST_ACTIONS: usize = 64;

/// The counts of one session, as they grow.
#[derive(Clone, Debug)]
pub struct Tally {
    recent: VecDeque<Option<usize>>,
    counts: [u32; COUNTS],
    most: [u32; COUNTS],
    actions: u32,
}

impl Default for Tally {
    fn default() -> Self {
        let recent = VecDeque::with_capacity(BURST_ACTIONS);
        Self { recent, counts: [0; COUNTS], most: [0; COUNTS], actions: 0 }
    }
}

impl Tally {
    /// Takes in an action, and the group that it counts for.
    pub fn push(&mut self, group: Option<Group>) {
        let at = group.map(|group| group as usize);
        self.actions = self.actions.saturating_add(1);
        if self.recent.len() == BURST_ACTIONS
            && let Some(Some(old)) = self.recent.pop_front()
        {
            self.counts[Group::ALL.len() + old] -= 1;
        }
        self.recent.push_back(at);
        if let Some(at) = at {
            for count in [at, Group::ALL.len() + at] {
                self.counts[count] = self.counts[count].saturating_add(1);
                self.most[count] = self.most[count].max(self.counts[count]);
            }
        }
    }

    /// How many of a group the session has had.
    pub fn total(&self, group: Group) -> u32 {
        self.counts[group as usize]
    }

    /// What the session amounts to, to learn from.
    pub fn sample(&self) -> Sample {
        Sample { most: self.most.to_vec(), actions: self.actions }
    }
}

/// The highest counts of one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    most: Vec<u32>,
    actions: u32,
}

/// Sessions' worth of the believed over-dispersion: a dozen counts estimate a variance badly.
const BELIEF_SESSIONS: f64 = 12.0;

/// The smallest size: a single outlier must not flatten the tail to nothing.
const SIZE_MIN: f64 = 0.4;

/// How many, per session, learned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Sample>", into = "Vec<Sample>")]
pub struct Volume {
    samples: Vec<Sample>,
    /// Mean and size of each count's distribution.
    fits: Vec<(f64, f64)>,
    /// Actions of the longest session.
    longest: u32,
}

impl From<Vec<Sample>> for Volume {
    fn from(mut samples: Vec<Sample>) -> Self {
        samples.retain(|sample| sample.most.len() == COUNTS);
        let longest = samples.iter().map(|sample| sample.actions).max().unwrap_or(0);
        let fits = (0..COUNTS)
            .map(|at| fit(samples.iter().map(|sample| f64::from(sample.most[at])), group(at).belief()))
            .collect();
        Self { samples, fits, longest }
    }
}

impl From<Volume> for Vec<Sample> {
    fn from(volume: Volume) -> Self {
        volume.samples
    }
}

/// The group of a count.
fn group(at: usize) -> Group {
    Group::ALL[at % Group::ALL.len()]
}

/// Mean and size by moments, each leaning on what is believed.
fn fit(counts: impl ExactSizeIterator<Item = f64> + Clone, belief: Belief) -> (f64, f64) {
    let n = counts.len() as f64;
    let mean = counts.clone().sum::<f64>() / n.max(1.0);
    let variance = counts.clone().map(|count| (count - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let seen = if mean > 0.0 { (variance - mean) / mean.powi(2) } else { 0.0 };
    let believed = 1.0 / belief.size;
    let over = (n * seen + BELIEF_SESSIONS * believed) / (n + BELIEF_SESSIONS);
    ((counts.sum::<f64>() + belief.count) / (n + 1.0), (1.0 / over.max(believed)).max(SIZE_MIN))
}

impl Volume {
    /// Sessions that taught it.
    pub fn sessions(&self) -> usize {
        self.samples.len()
    }

    /// Adds the sessions of `other`.
    pub fn merge(&mut self, other: &Volume) {
        let mut samples = std::mem::take(&mut self.samples);
        samples.extend(other.samples.iter().cloned());
        *self = samples.into();
    }

    /// The same model as if the sessions with these numbers (in the order of learning) had never been seen.
    pub fn without(&self, sessions: &[u32]) -> Self {
        let kept = self.samples.iter().enumerate().filter(|(at, _)| !sessions.contains(&(*at as u32)));
        kept.map(|(_, sample)| sample.clone()).collect::<Vec<_>>().into()
    }

    /// Surprise of a session's counts: the greatest over the counts, less what looking at several of them costs, in
    /// bits; and the group that it comes from.
    pub fn surprise(&self, tally: &Tally) -> (f64, Option<Group>) {
        self.recalled(tally, &mut Recall::default())
    }

    /// The same, with what was worked out last in the same session under the same model: the work is in proportion to a count,
    /// and next to none where none changed.
    pub fn recalled(&self, tally: &Tally, recall: &mut Recall) -> (f64, Option<Group>) {
        let mut greatest = (0.0, None);
        let longer = self.longer(tally.actions);
        for (at, (&count, told)) in tally.counts.iter().zip(&mut recall.0).enumerate() {
            // A session that goes on for longer than any before may have more, in proportion. A burst may not, and has more
            // chances to come.
            let (longer, chances) =
                if at < Group::ALL.len() { (longer, 0.0) } else { (0, f64::from(longer) / LONGER_STEPS) };
            if (told.count, told.longer) != (count, longer) {
                *told = Told { count, longer, bits: self.bits(at, count, longer) };
            }
            // The session's count and the burst's are two looks at one group.
            let bits = told.bits + (group(at).belief().share / 2.0).log2() - chances;
            if bits > greatest.0 {
                greatest = (bits, Some(group(at)));
            }
        }
        greatest
    }

    /// The highest count of a group that any session had.
    pub fn highest(&self, group: Group) -> u32 {
        self.samples.iter().map(|sample| sample.most[group as usize]).max().unwrap_or(0)
    }

    /// By how much a session is longer than the longest that taught, in steps.
    fn longer(&self, actions: u32) -> i32 {
        let longer = f64::from(actions) / f64::from(self.longest.max(1));
        (LONGER_STEPS * longer.max(1.0).log2()).floor() as i32
    }

    fn bits(&self, at: usize, count: u32, longer: i32) -> f64 {
        let Some(&(mean, size)) = self.fits.get(at).filter(|_| count > 0 && !self.samples.is_empty()) else {
            return 0.0;
        };
        tail_bits(count, mean * (f64::from(longer) / LONGER_STEPS).exp2(), size)
    }
}

/// Steps of a doubling in which a session gets longer.
const LONGER_STEPS: f64 = 16.0;

/// Counts past this are as surprising as this: the work of a tail is in proportion to the count.
const COUNT_MAX: u32 = 2048;

/// -log2 P(X >= count) for a negative binomial of this mean and size.
fn tail_bits(count: u32, mean: f64, size: f64) -> f64 {
    let q = mean / (mean + size);
    if f64::from(count) <= mean {
        return 0.0;
    }
    let count = count.min(COUNT_MAX.max(mean.min(f64::from(u32::MAX)) as u32));
    // log of P(X = count), built up by the ratio of neighbours, then the tail as a sum of falling terms.
    let mut log = size * (1.0 - q).ln();
    for k in 0..count {
        log += (q * (f64::from(k) + size) / (f64::from(k) + 1.0)).ln();
    }
    let (mut sum, mut term, mut k) = (1.0, 1.0, f64::from(count));
    while term > 1e-9 && k < 1e7 {
        term *= q * (k + size) / (k + 1.0);
        sum += term;
        k += 1.0;
    }
    (-(log + f64::ln(sum)) / std::f64::consts::LN_2).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_that_of_the_distribution() {
        // Size 1 is the geometric distribution: P(X >= k) = q^k, q = mean / (mean + 1).
        for k in 1..30 {
            let expected = f64::from(k) * -(0.5f64 / 1.5).log2();
            assert!((tail_bits(k, 0.5, 1.0) - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn more_is_never_less_surprising() {
        for (mean, size) in [(0.15, 3.0), (2.0, 0.4), (40.0, 3.0)] {
            let bits: Vec<f64> = (0..300).map(|count| tail_bits(count, mean, size)).collect();
            assert!(bits.windows(2).all(|pair| pair[0] <= pair[1]), "{mean} {size}");
            assert!(bits.iter().all(|bits| bits.is_finite()));
        }
    }

    #[test]
    fn what_never_happened_in_a_dozen_sessions_still_takes_a_handful_to_be_impossible() {
        let (mean, size) = fit([0.0; 12].into_iter(), Group::Removals.belief());
        assert!(tail_bits(1, mean, size) < 4.0);
        assert!(tail_bits(6, mean, size) > 14.0);
    }
}
