//! A share of few, with the interval of Wilson 1927: unlike the bootstrap's, it does not collapse at none and at all.

use super::bootstrap::Interval;
use serde::{Deserialize, Serialize};

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proportion {
    /// How many.
    pub hits: u64,
    /// Of how many.
    pub of: u64,
}

impl Proportion {
    /// Counts those that are.
    pub fn count(all: impl IntoIterator<Item = bool>) -> Self {
        let mut proportion = Self::default();
        for hit in all {
            proportion.hits += u64::from(hit);
            proportion.of += 1;
        }
        proportion
    }

    /// The share; `None` of nothing.
    pub fn share(self) -> Option<f64> {
        (self.of > 0).then(|| self.hits as f64 / self.of as f64)
    }

    /// `(p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)` with z = 1.96.
    pub fn interval(self) -> Option<Interval> {
        const Z: f64 = 1.959_964;
        let (p, n) = (self.share()?, self.of as f64);
        let centre = p + Z * Z / (2.0 * n);
        let reach = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        Some(Interval { low: ((centre - reach) / scale).max(0.0), high: ((centre + reach) / scale).min(1.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_tables() {
        let interval = Proportion { hits: 8, of: 10 }.interval().unwrap();
        assert!(
            (interval.low - 0.4902).abs() < 1e-3 && (interval.high - 0.9433).abs() < 1e-3,
            "{interval:?}"
        );
        let all = Proportion { hits: 20, of: 20 }.interval().unwrap();
        assert!((all.low - 0.8389).abs() < 1e-3 && all.high > 0.999_999, "{all:?}");
        assert_eq!(Proportion::default().interval(), None);
    }
}
