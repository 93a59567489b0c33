//! Medians, and how sure they are.

use serde::{Deserialize, Serialize};

/// Resamples of a bootstrap: enough for the second decimal of a 95 % interval.
const RESAMPLES: usize = 10_000;

/// A median with its 95 % interval, by the percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap,
/// 1993, chapter 13).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The median.
    pub median: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
    /// How many values it rests on.
    pub values: usize,
}

impl Estimate {
    /// Median and interval, for tables.
    pub fn text(&self) -> String {
        format!("{:.3} [{:.3}, {:.3}]", self.median, self.low, self.high)
    }
}

/// The median of some values; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    middle(&sorted)
}

fn middle(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// The median of some values and its interval. The same values give the same interval: the draws have a fixed seed.
pub fn estimate(values: &[f64]) -> Estimate {
    let mut draws = Draws(0x9e37_79b9_7f4a_7c15);
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let mut resample: Vec<f64> = values.iter().map(|_| values[draws.below(values.len())]).collect();
            resample.sort_by(f64::total_cmp);
            middle(&resample)
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    let at = |share: f64| medians[((RESAMPLES - 1) as f64 * share).round() as usize];
    Estimate { median: median(values), low: at(0.025), high: at(0.975), values: values.len() }
}

/// Numbers that look drawn by chance (xorshift64*).
struct Draws(u64);

impl Draws {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        drawn as usize % limit.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_lies_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn an_interval_holds_the_median_and_shrinks_with_more_values() {
        let spread = |n: usize| {
            let values: Vec<f64> = (0..n).map(|i| 1.0 + (i * 7 % 11) as f64 / 10.0).collect();
            let found = estimate(&values);
            assert!(found.low <= found.median && found.median <= found.high, "{found:?}");
            assert_eq!(found.values, n);
            found.high - found.low
        };
        assert!(spread(400) < spread(11));
        let same = estimate(&[2.0; 5]);
        assert_eq!((same.low, same.median, same.high), (2.0, 2.0, 2.0));
    }
}
