//! From the evidence of a session to a p-value: what share of clean sessions would ever have come to as much.
//!
//! Up to the highest clean session the p-value is conformal (Vovk, Gammerman and Shafer 2005), valid of a session that
//! is exchangeable with the clean ones: `(1 + clean sessions that came to as much) / (1 + clean sessions)`. Between two clean sessions it runs
//! in a straight line that lies above those steps, so that it is no less valid and two sessions that differ have two
//! p-values.
//!
//! A session of another task of the same agent counts as half of one (weighted conformal prediction; Barber, Candès, Ramdas
//! and Tibshirani 2023): a dozen sessions of a task prove next to nothing alone, and where its sessions come to more than
//! the others' do, its own still have the say.
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

/// Extrapolated p-values end here: nothing that a dozen sessions taught is rarer than one in a million.
const P_MIN: f64 = 1e-6;

/// What a session of another task counts for.
const OTHERS_WEIGHT: f64 = 0.5;

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
    /// What they and all below them count for, in the same order.
    weights: Vec<f64>,
    /// Of them, sessions of the task itself.
    own: usize,
    /// The spread past them.
    spread: f64,
}

impl Law {
    /// From the highest evidence of each clean session, and of those of the agent's other tasks, which is the sum of so many
    /// kinds, each with a spread of one at least.
    pub fn fit(own: &[f64], others: &[f64], kinds: f64) -> Self {
        let own_sums = own.iter().map(|sum| (*sum, 1.0));
        let mut all: Vec<(f64, f64)> =
            own_sums.chain(others.iter().map(|sum| (*sum, OTHERS_WEIGHT))).collect();
        // Of equal ones those that count more come last: in which order they were held out makes no difference.
        all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let sums: Vec<f64> = all.iter().map(|(sum, _)| *sum).collect();
        let count = |below: &mut f64, (_, weight): &(f64, f64)| {
            *below += weight;
            Some(*below)
        };
        let weights = all.iter().scan(0.0, count).collect();
        let (_, spread) = spread(&sums, kinds.sqrt());
        Self { sums, weights, own: own.len(), spread }
    }

    /// The p-value of a session that has come to `sum`, where a usual one has `tries` times fewer chances to.
    pub fn p(&self, sum: f64, tries: f64) -> P {
        let below = self.sums.partition_point(|&clean| clean < sum);
        let reached = self.weight() - self.weight_below(below);
        let lower = below
            .checked_sub(1)
            .and_then(|at| Some((*self.sums.get(at)?, self.weight_below(below) - self.weight_below(at))));
        let share = match (lower, self.sums.get(below)) {
            (None, _) => reached + 1.0,
            (Some((lower, weight)), Some(upper)) => reached + 1.0 + weight * (upper - sum) / (upper - lower),
            (Some((highest, weight)), None) => (1.0 + weight) * self.tail((sum - highest) / self.spread),
        };
        let share = if self.own < SESSIONS_MIN { share.max(1.0) } else { share };
        let p = share * self.smallest() * tries;
        P { p: p.clamp(P_MIN, 1.0), extrapolated: share < 1.0 }
    }

    /// The share of the tail that goes so many spreads past its beginning.
    fn tail(&self, spreads: f64) -> f64 {
        let shape = SHAPE + SHAPE_OF_ONE / self.sums.len() as f64;
        (1.0 + shape * spreads).powf(-1.0 / shape)
    }

    /// The smallest p that clean sessions prove.
    pub fn smallest(&self) -> f64 {
        1.0 / (self.weight() + 1.0)
    }

    /// What all sessions count for.
    fn weight(&self) -> f64 {
        self.weights.last().copied().unwrap_or(0.0)
    }

    /// What so many of the lowest count for.
    fn weight_below(&self, count: usize) -> f64 {
        count.checked_sub(1).and_then(|at| self.weights.get(at)).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn law() -> Law {
        Law::fit(&[3.0, 1.0, 2.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], &[], 6.0)
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
    fn two_sessions_are_not_extrapolated_from() {
        let two = Law::fit(&[1.0, 2.0], &[], 6.0);
        assert_eq!(two.p(1e9, 1.0), P { p: 1.0 / 3.0, extrapolated: false });
        let many = Law::fit(&[1.0, 2.0], &[1.0; 40], 6.0);
        assert_eq!(many.p(1e9, 1.0), P { p: 1.0 / 23.0, extrapolated: false }, "whatever other tasks say");
        assert_eq!(Law::default().p(1e9, 1.0), P { p: 1.0, extrapolated: false });
    }

    #[test]
    fn sessions_of_other_tasks_count_as_half_of_one() {
        let law = Law::fit(&[1.0, 2.0, 3.0], &[2.5, 4.0], 6.0);
        let (p, proved) = (|sum| law.p(sum, 1.0), law.smallest());
        assert_eq!(proved, 1.0 / 5.0);
        let steps = [(1.0, 5.0), (2.0, 4.0), (2.5, 3.0), (3.0, 2.5), (4.0, 1.5)];
        assert!(steps.iter().all(|(sum, share)| p(*sum).p == share * proved));
        assert_eq!(p(3.5).p, 2.0 * proved, "half-way between, and no less than either step");
        assert!(p(4.1).p < p(4.0).p && !p(4.1).extrapolated && p(99.0).extrapolated);
        assert_eq!(Law::fit(&[3.0, 1.0, 2.0], &[4.0, 2.5], 6.0), law, "in any order");
    }
}
