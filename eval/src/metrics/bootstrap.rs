//! Percentile bootstrap (Efron 1979), resampling clusters: sessions that were drawn from the same script, or whose
//! traces are the same, come and go together, since they say less than as many independent ones.

use statistics::bootstrap::{self, Draws, Interval};

/// Resamples: the ends of a 95 % interval then rest on some 25 values each.
const RESAMPLES: usize = 1000;

/// Values with the clusters that they belong to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clustered {
    clusters: Vec<Vec<f64>>,
}

impl Clustered {
    /// Sorts values by the cluster that they name.
    pub fn new<K: Ord>(values: impl IntoIterator<Item = (K, f64)>) -> Self {
        let mut clusters = std::collections::BTreeMap::<K, Vec<f64>>::new();
        for (cluster, value) in values {
            clusters.entry(cluster).or_default().push(value);
        }
        Self { clusters: clusters.into_values().collect() }
    }

    /// Every value, cluster by cluster.
    pub fn values(&self) -> Vec<f64> {
        self.clusters.iter().flatten().copied().collect()
    }

    /// How many clusters there are.
    pub fn clusters(&self) -> usize {
        self.clusters.len()
    }

    /// As many clusters, drawn with replacement.
    fn resample(&self, draws: &mut Draws) -> Vec<f64> {
        draws.resample(&self.clusters).into_iter().flatten().copied().collect()
    }
}

/// The interval of a statistic of clean and attack values, each resampled by itself. `None` where a side has fewer than
/// two clusters: one session has no spread.
pub fn interval(
    clean: &Clustered,
    attack: &Clustered,
    seed: u64,
    statistic: impl Fn(&[f64], &[f64]) -> Option<f64>,
) -> Option<Interval> {
    if clean.clusters() < 2 || attack.clusters() < 2 {
        return None;
    }
    bootstrap::interval(seed, RESAMPLES, |draws| {
        let clean = clean.resample(draws);
        statistic(&clean, &attack.resample(draws))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::roc::auc;

    fn separate(values: &[f64]) -> Clustered {
        Clustered::new(values.iter().copied().enumerate())
    }

    #[test]
    fn the_interval_of_a_mean_is_that_of_theory() {
        // Of 100 values, half 0 and half 1, the mean has a standard error of 0.05.
        let values: Vec<f64> = (0..100).map(|n| f64::from(n % 2)).collect();
        let mean = |_: &[f64], attack: &[f64]| Some(attack.iter().sum::<f64>() / attack.len() as f64);
        let interval = interval(&separate(&[0.0, 1.0]), &separate(&values), 1, mean).unwrap();
        assert!((interval.low - 0.402).abs() < 0.02, "{interval:?}");
        assert!((interval.high - 0.598).abs() < 0.02, "{interval:?}");
    }

    #[test]
    fn copies_of_a_session_do_not_narrow_it() {
        let mean = |_: &[f64], attack: &[f64]| Some(attack.iter().sum::<f64>() / attack.len() as f64);
        let clean = separate(&[0.0, 1.0]);
        let ten: Vec<(usize, f64)> = (0..10).map(|n| (n, (n % 2) as f64)).collect();
        let copied: Vec<(usize, f64)> = (0..100).map(|n| (n % 10, (n % 2) as f64)).collect();
        let width = |attack: &Clustered| {
            let interval = interval(&clean, attack, 1, mean).unwrap();
            interval.high - interval.low
        };
        assert_eq!(width(&Clustered::new(ten)), width(&Clustered::new(copied)));
    }

    #[test]
    fn the_same_seed_gives_the_same_interval_and_one_session_gives_none() {
        let (clean, attack) = (separate(&[1.0, 2.0, 3.0, 4.0]), separate(&[2.5, 3.5, 5.0]));
        assert_eq!(interval(&clean, &attack, 7, auc), interval(&clean, &attack, 7, auc));
        assert_eq!(interval(&clean, &separate(&[5.0]), 7, auc), None);
    }
}
