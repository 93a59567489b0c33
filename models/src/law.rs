//! From the evidence of a session to a p-value: what share of clean sessions would ever have come to as much.
//!
//! Up to the highest clean session the p-value is conformal (Vovk, Gammerman and Shafer 2005), valid of a session that
//! is exchangeable with the clean ones: `(1 + clean sessions that came to as much) / (1 + clean sessions)`. Between two clean sessions it runs
//! in a straight line that lies above those steps, so that it is no less valid and two sessions that differ have two
//! p-values.
//!
//! Past the highest one it is extrapolated, and says so: a generalised Pareto tail of a stated shape, which is heavier
//! than the exponential tail of a bounded sum, the more so the fewer sessions there were, and a spread that is the upper
//! end of its interval ([`crate::spread`]).

use crate::spread::spread;
use serde::{Deserialize, Serialize};

/// Sessions below which nothing is extrapolated.
const SESSIONS_MIN: usize = 3;

/// The shape of the tail that many sessions teach. A value that an exponential tail gives to one session in ten thousand
/// has one in seven hundred.
const SHAPE: f64 = 0.1;

/// What is added to the shape, by the number of sessions: three say next to nothing of a tail, and a hundred some.
const SHAPE_OF_ONE: f64 = 0.5;

/// Spreads past the highest clean session from which on nothing gets rarer: enough that five sessions freeze who is so far
/// out, and three do not.
const SPREADS_MAX: f64 = 64.0;

/// Extrapolated p-values end here: nothing that a dozen sessions taught is rarer than one in a million.
const P_MIN: f64 = 1e-6;

/// A p-value, and whether it rests on an extrapolation of the tail.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct P {
    /// The p-value, in (0, 1].
    pub p: f64,
    /// Smaller than what held-out sessions can prove.
    pub extrapolated: bool,
}

/// What the evidence of clean sessions came to at its highest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Law {
    /// By session, ascending.
    sums: Vec<f64>,
    /// The spread past them.
    spread: f64,
}

impl Law {
    /// From the highest evidence of each clean session, which is the sum of so many kinds, each with a spread of one unit
    /// at least.
    pub fn fit(mut sums: Vec<f64>, kinds: f64) -> Self {
        sums.sort_unstable_by(f64::total_cmp);
        let spread = spread(&sums, kinds.sqrt());
        Self { sums, spread }
    }

    /// The p-value of a session that has come to `sum`, where a usual one has `tries` times fewer chances to.
    pub fn p(&self, sum: f64, tries: f64) -> P {
        let below = self.sums.partition_point(|&clean| clean < sum);
        let reached = (self.sums.len() - below) as f64;
        let share = match (below.checked_sub(1).and_then(|at| self.sums.get(at)), self.sums.get(below)) {
            (None, _) => reached + 1.0,
            (Some(lower), Some(upper)) => reached + 1.0 + (upper - sum) / (upper - lower),
            (Some(highest), None) => 2.0 * self.tail((sum - highest) / self.spread),
        };
        let share = if self.sums.len() < SESSIONS_MIN { share.max(1.0) } else { share };
        let p = share * self.smallest() * tries;
        P { p: p.clamp(P_MIN, 1.0), extrapolated: share < 1.0 }
    }

    /// What a session would have to come to for a p-value that is a tenth of that of `sum`, or of that of the highest clean
    /// session, if that is more.
    pub fn ten_times_worse(&self, sum: f64) -> f64 {
        let highest = self.sums.last().copied().unwrap_or(0.0);
        let (sum, shape) = (sum.max(highest), self.shape());
        sum + (10f64.powf(shape) - 1.0) * (self.spread / shape + sum - highest)
    }

    /// The share of the tail that goes so many spreads past its beginning.
    fn tail(&self, spreads: f64) -> f64 {
        (1.0 + self.shape() * spreads.min(SPREADS_MAX)).powf(-1.0 / self.shape())
    }

    fn shape(&self) -> f64 {
        SHAPE + SHAPE_OF_ONE / self.sums.len().max(1) as f64
    }

    /// The smallest p that clean sessions prove.
    pub fn smallest(&self) -> f64 {
        1.0 / (self.sums.len() as f64 + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn law() -> Law {
        Law::fit(vec![3.0, 1.0, 2.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], 6.0)
    }

    #[test]
    fn p_is_the_share_of_clean_sessions_that_came_to_as_much() {
        let p = |sum| law().p(sum, 1.0).p;
        assert_eq!((p(0.5), p(1.0)), (1.0, 1.0));
        assert_eq!((p(7.0), p(9.0)), (0.4, 0.2));
        assert_eq!(p(6.5), 0.45, "between the two, and no less than either step");
        assert_eq!(law().p(7.0, 2.0).p, 0.8, "who has twice as many chances comes to it twice as often");
        assert_eq!(law().smallest(), 0.1);
    }

    #[test]
    fn past_the_highest_it_goes_on_falling_and_says_that_it_extrapolates() {
        let p: Vec<P> = (0..4000).map(|n| law().p(f64::from(n) * 0.05, 1.0)).collect();
        assert!(p.windows(2).all(|pair| pair[0].p >= pair[1].p));
        let mut told = p[20..].windows(2).filter(|pair| pair[0].p > P_MIN);
        assert!(told.all(|pair| pair[0].p > pair[1].p), "no two are the same");
        assert!(p.iter().all(|p| p.extrapolated == (p.p < 0.1)));
        assert!(p[3999].p >= P_MIN && p[3999].p < 1e-5);
    }

    #[test]
    fn ten_times_worse_is_a_tenth_of_the_p() {
        for sum in [9.0, 12.0, 20.0] {
            let (p, tenth) = (law().p(sum + 1e-9, 1.0).p, law().p(law().ten_times_worse(sum), 1.0).p);
            assert!((tenth / p * 10.0 - 1.0).abs() < 1e-6, "{sum}: {p} {tenth}");
        }
        assert_eq!(law().ten_times_worse(1.0), law().ten_times_worse(9.0), "below, nothing is extrapolated");
        assert!(Law::default().ten_times_worse(1.0).is_finite());
    }

    #[test]
    fn three_sessions_freeze_nobody_however_far_out() {
        let (contain, freeze) = (1e-4, 1e-5);
        let p = |sessions| Law::fit(vec![0.0; sessions], 1.0).p(1e9, 3.0);
        assert!(p(3).p > freeze && p(3).p <= contain && p(3).extrapolated, "{:?}", p(3));
        assert!(p(5).p <= freeze, "{:?}", p(5));
    }

    #[test]
    fn two_sessions_are_not_extrapolated_from() {
        assert_eq!(Law::fit(vec![1.0, 2.0], 6.0).p(1e9, 1.0), P { p: 1.0 / 3.0, extrapolated: false });
        assert_eq!(Law::default().p(1e9, 1.0), P { p: 1.0, extrapolated: false });
    }
}
