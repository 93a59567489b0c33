//! The percentile bootstrap (Efron 1979; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

/// A 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// 2.5 % of resamples are below.
    pub low: f64,
    /// 2.5 % of resamples are above.
    pub high: f64,
}

/// The source of random numbers of one bootstrap.
pub struct Draws(Xoshiro256PlusPlus);

impl Draws {
    /// As many values as there are, drawn with replacement.
    pub fn resample<'v, T>(&mut self, values: &'v [T]) -> Vec<&'v T> {
        values.iter().filter_map(|_| values.get(self.0.gen_range(0..values.len()))).collect()
    }
}

/// The interval of a statistic, which is computed of this many resamples. The same seed gives the same interval. `None` where
/// no resample has a value.
pub fn interval(
    seed: u64,
    resamples: usize,
    mut statistic: impl FnMut(&mut Draws) -> Option<f64>,
) -> Option<Interval> {
    let mut draws = Draws(Xoshiro256PlusPlus::seed_from_u64(seed));
    let mut values: Vec<f64> = (0..resamples).filter_map(|_| statistic(&mut draws)).collect();
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a share of an index is no larger, and none is negative"
    )]
    let at = |share: f64| values.get((share * last as f64).round() as usize).copied();
    Some(Interval { low: at(0.025)?, high: at(0.975)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_mean_is_that_of_theory() {
        // Of 100 values, half 0 and half 1, the mean has a standard error of 0.05.
        let values: Vec<f64> = (0..100).map(|n| f64::from(n % 2)).collect();
        let mean = |draws: &mut Draws| {
            let resample = draws.resample(&values);
            Some(resample.iter().copied().sum::<f64>() / resample.len() as f64)
        };
        let found = interval(1, 1_000, mean).unwrap();
        assert!((found.low - 0.402).abs() < 0.02, "{found:?}");
        assert!((found.high - 0.598).abs() < 0.02, "{found:?}");
        assert_eq!(interval(1, 1_000, mean), Some(found));
    }

    #[test]
    fn a_statistic_without_a_value_has_no_interval() {
        assert_eq!(interval(1, 1_000, |_| None), None);
    }
}
