//! Reference methods for such traces, in the same run: higher is more suspicious.

use models::ngram::{History, Ngram};
use rustc_hash::FxHashSet;

/// Calls in a window of [`Reference::stide`] and of the n-grams.
const WINDOW: usize = 6;

/// Calls of a stretch of [`Reference::stretch`].
const STRETCH: usize = 120;

/// What was learned of the clean traces.
pub struct Reference {
    windows: FxHashSet<[u32; WINDOW]>,
    ngram: Ngram,
}

impl Reference {
    /// Learns.
    pub fn learn<'c>(traces: impl Iterator<Item = &'c [u32]>) -> Self {
        let mut learned = Self { windows: FxHashSet::default(), ngram: Ngram::new(WINDOW) };
        for trace in traces {
            let mut history = History::default();
            for &call in trace {
                learned.ngram.learn(&history, call);
                history.push(call);
            }
            learned.windows.extend(trace.array_windows::<WINDOW>());
        }
        learned
    }

    /// The share of windows of six calls that were never seen (Forrest and others 1996).
    pub fn stide(&self, trace: &[u32]) -> f64 {
        let unseen = trace.array_windows::<WINDOW>().filter(|window| !self.windows.contains(*window));
        unseen.count() as f64 / trace.len().saturating_sub(WINDOW - 1).max(1) as f64
    }

    /// Bits of surprise of a call under Witten-Bell n-grams, on average.
    pub fn mean(&self, trace: &[u32]) -> f64 {
        mean(&self.bits(trace))
    }

    /// The same of the most surprising stretch.
    pub fn stretch(&self, trace: &[u32]) -> f64 {
        let bits = self.bits(trace);
        bits.windows(STRETCH.min(bits.len()).max(1)).map(mean).fold(0.0, f64::max)
    }

    /// The same of the least surprising stretch, which takes a whole trace to know.
    pub fn least(&self, trace: &[u32]) -> f64 {
        let bits = self.bits(trace);
        bits.windows(STRETCH.min(bits.len()).max(1)).map(mean).fold(f64::INFINITY, f64::min)
    }

    fn bits(&self, trace: &[u32]) -> Vec<f64> {
        let mut history = History::default();
        let bits = trace.iter().map(|&call| {
            let bits = self.ngram.surprise(&history, call);
            history.push(call);
            bits
        });
        bits.collect()
    }
}

fn mean(bits: &[f64]) -> f64 {
    bits.iter().sum::<f64>() / bits.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_what_the_papers_say() {
        let learned = Reference::learn([[1, 2, 3, 4, 5, 6, 7].as_slice()].into_iter());
        // Windows of 1..=7 are 1..=6 and 2..=7; of 2..=8 the second is new.
        assert_eq!(learned.stide(&[2, 3, 4, 5, 6, 7, 8]), 0.5);
        assert_eq!(learned.stide(&[1, 2]), 0.0);
        // Seven symbols once each: (1 + 7 / 8) / 14 without a context.
        let first = -f64::log2((1.0 + 7.0 / 8.0) / 14.0);
        assert!((learned.mean(&[1]) - first).abs() < 1e-12);
        let odd: Vec<u32> = [7; 200].into_iter().chain([1, 2, 3, 4, 5, 6].repeat(40)).collect();
        assert!(learned.least(&odd) < learned.mean(&odd) && learned.mean(&odd) < learned.stretch(&odd));
    }
}
