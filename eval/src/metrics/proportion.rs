//! A share of few, with the interval of Wilson 1927: unlike the bootstrap's, it does not collapse at none and at all.

use serde::{Deserialize, Serialize};
use statistics::bootstrap::Interval;

/// How much higher one share is than another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The one less the other.
    pub share: f64,
    /// Of 95 %.
    pub interval: Interval,
}

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

    /// How much higher it is than a share of others: method 10 of Newcombe 1998, from both intervals of Wilson,
    /// `d - sqrt((p-l)² + (u'-p')²)` to `d + sqrt((u-p)² + (p'-l')²)`.
    pub fn above(self, other: Self) -> Option<Difference> {
        let (p, q) = (self.share()?, other.share()?);
        let (of_p, of_q) = (self.interval()?, other.interval()?);
        let share = p - q;
        let interval = Interval {
            low: share - (p - of_p.low).hypot(of_q.high - q),
            high: share + (of_p.high - p).hypot(q - of_q.low),
        };
        Some(Difference { share, interval })
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

    #[test]
    fn the_difference_is_that_of_the_paper() {
        // 56 of 70 and 48 of 80: Newcombe's first example.
        let difference = Proportion { hits: 56, of: 70 }.above(Proportion { hits: 48, of: 80 }).unwrap();
        assert!((difference.share - 0.2).abs() < 1e-12);
        let Interval { low, high } = difference.interval;
        assert!((low - 0.0524).abs() < 1e-4 && (high - 0.3339).abs() < 1e-4, "{difference:?}");
        assert_eq!(Proportion { hits: 1, of: 2 }.above(Proportion::default()), None);
    }
}
