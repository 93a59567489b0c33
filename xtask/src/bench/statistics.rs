//! Medians with their intervals.

use serde::{Deserialize, Serialize};
use statistics::bootstrap::{self, Interval};

/// Resamples of a bootstrap: enough for the second decimal of a 95 % interval.
const RESAMPLES: usize = 10_000;

/// A median with its 95 % interval, by the percentile bootstrap.
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
    statistics::median(values).unwrap_or_default()
}

/// The median of some values and its interval. The same values give the same interval.
pub fn estimate(values: &[f64]) -> Estimate {
    const SEED: u64 = 1;
    let interval = bootstrap::interval(SEED, RESAMPLES, |draws| {
        let resample: Vec<f64> = draws.resample(values).into_iter().copied().collect();
        statistics::median(&resample)
    });
    let median = median(values);
    let Interval { low, high } = interval.unwrap_or(Interval { low: median, high: median });
    Estimate { median, low, high, values: values.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

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
