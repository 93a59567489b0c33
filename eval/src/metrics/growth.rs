//! Whether sessions differ: objects of a held-out clean session that no earlier one had, and how the vocabulary grows.
//!
//! A corpus of copies would be easy: the growth is read as `V(n) = k n^beta` (Heaps 1978) by least squares on logarithms;
//! beta near 0 means copies, near 1 that every session brings as much that is new as the first.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How a vocabulary grows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// Distinct objects after so many sessions, from one session on.
    pub distinct: Vec<u64>,
    /// Exponent of Heaps' law; `None` below three sessions.
    pub beta: Option<f64>,
    /// For each held-out session, its objects that no training session had.
    pub fresh: Vec<u64>,
    /// Their median.
    pub median_fresh: Option<f64>,
}

/// From the objects of training sessions in order, and those of held-out clean sessions.
pub fn growth<T: Ord + Clone>(train: &[BTreeSet<T>], held_out: &[BTreeSet<T>]) -> Growth {
    let mut known = BTreeSet::new();
    let distinct = train
        .iter()
        .map(|objects| {
            known.extend(objects.iter().cloned());
            known.len() as u64
        })
        .collect::<Vec<u64>>();
    let fresh: Vec<u64> = held_out.iter().map(|objects| objects.difference(&known).count() as u64).collect();
    let counts: Vec<f64> = fresh.iter().map(|&count| count as f64).collect();
    Growth { beta: heaps(&distinct), median_fresh: statistics::median(&counts), distinct, fresh }
}

fn heaps(distinct: &[u64]) -> Option<f64> {
    if distinct.len() < 3 {
        return None;
    }
    let points: Vec<(f64, f64)> =
        distinct.iter().enumerate().map(|(n, &v)| (((n + 1) as f64).ln(), (v.max(1) as f64).ln())).collect();
    let n = points.len() as f64;
    let (mx, my) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / n, y + point.1 / n));
    let (xy, xx) = points.iter().fold((0.0, 0.0), |(xy, xx), point| {
        (xy + (point.0 - mx) * (point.1 - my), xx + (point.0 - mx).powi(2))
    });
    Some(xy / xx)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_do_not_grow_and_strangers_grow_in_proportion() {
        let copies: Vec<BTreeSet<u32>> = (0..8).map(|_| (0..10).collect()).collect();
        let strangers: Vec<BTreeSet<u32>> = (0..8).map(|n| (n * 10..n * 10 + 10).collect()).collect();
        assert!(growth(&copies, &[]).beta.unwrap().abs() < 1e-9);
        assert!((growth(&strangers, &[]).beta.unwrap() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_held_out_session_counts_what_no_other_had() {
        let train = [BTreeSet::from([1, 2]), BTreeSet::from([2, 3])];
        let grown = growth(&train, &[BTreeSet::from([1, 4, 5]), BTreeSet::from([3])]);
        assert_eq!((grown.distinct, grown.fresh, grown.median_fresh), (vec![2, 3], vec![2, 0], Some(1.0)));
    }
}
