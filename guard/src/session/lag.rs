//! How far the score is behind the kernel: from an operation to its score.

use hdrhistogram::Histogram;
use sys::clock::boot_ns;
use wire::Lag;

/// Shortest and longest that are told apart, ns; what is longer counts as the longest.
const RANGE: (u64, u64) = (1_000, 60_000_000_000);
/// Decimal digits that are kept of each.
const DIGITS: u8 = 2;

/// The lags of a session.
#[derive(Debug)]
pub struct Lags(Histogram<u32>);

impl Lags {
    /// None so far. `None` itself where they cannot be kept.
    pub fn new() -> Option<Self> {
        Histogram::new_with_bounds(RANGE.0, RANGE.1, DIGITS).ok().map(Self)
    }

    /// An operation of this time, CLOCK_BOOTTIME in ns, was scored now.
    pub fn note(&mut self, time_ns: u64) {
        self.0.saturating_record(boot_ns().saturating_sub(time_ns));
    }

    /// All of them.
    pub fn sum(&self) -> Lag {
        Lag {
            operations: self.0.len(),
            p50_ns: self.0.value_at_quantile(0.5),
            p99_ns: self.0.value_at_quantile(0.99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_hundred_is_slower() {
        let mut lags = Lags::new().unwrap();
        let now = boot_ns();
        (0..985).for_each(|_| lags.note(now));
        (0..15).for_each(|_| lags.note(now - 5_000_000_000));
        let Lag { operations, p50_ns, p99_ns } = lags.sum();
        assert_eq!(operations, 1000);
        assert!(p50_ns < 1_000_000_000, "{p50_ns}");
        assert!((5_000_000_000..6_000_000_000).contains(&p99_ns), "{p99_ns}");
    }
}
