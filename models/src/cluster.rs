//! A slow channel: how far the last window of actions is from every kind of window that the baseline knows.
//!
//! k-means (Lloyd 1982, seeded by k-means++, Arthur and Vassilvitskii 2007; linfa) on windows whose features are scaled
//! by their spread. The distance is Euclidean, divided by the square root of the number of features.
#![expect(clippy::cast_possible_truncation, reason = "a root of a number of rows")]

use crate::window::{FEATURES, Features};
use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_clustering::KMeans;
use ndarray::{Array2, Axis};
use rand_xoshiro::Xoshiro256Plus;
use rand_xoshiro::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

/// Windows below which nothing is clustered: fewer say nothing of a spread.
const WINDOWS_MIN: usize = 12;

/// Windows that are clustered at most; past it every n-th is taken. k-means gains nothing from more.
const WINDOWS_MAX: usize = 1024;

/// Most clusters: tool calls of a coding agent come in about as many kinds.
const CLUSTERS_MAX: usize = 8;

/// The least spread of a feature, in log counts: one that never varied must not weigh without bound when it does.
const SPREAD_MIN: f32 = 0.35;

/// Centroids of windows, with the scale that they were measured on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clusters {
    /// One over the spread of each feature.
    scale: Vec<f32>,
    /// The centroids, scaled.
    centroids: Vec<Vec<f32>>,
}

impl Clusters {
    /// Clusters windows. `None` when there are too few of them.
    pub fn fit(windows: &[&Features], seed: u64) -> Option<Self> {
        let usable: Vec<&Features> =
            windows.iter().copied().filter(|window| window.0.len() == FEATURES).collect();
        if usable.len() < WINDOWS_MIN {
            return None;
        }
        let step = usable.len().div_ceil(WINDOWS_MAX);
        let rows: Vec<&Features> = usable.into_iter().step_by(step).collect();
        let mut data = Array2::<f32>::zeros((rows.len(), FEATURES));
        for (mut row, window) in data.axis_iter_mut(Axis(0)).zip(&rows) {
            row.iter_mut().zip(&window.0).for_each(|(cell, value)| *cell = *value);
        }
        let scale: Vec<f32> =
            data.std_axis(Axis(0), 0.0).iter().map(|spread| 1.0 / spread.max(SPREAD_MIN)).collect();
        for mut row in data.axis_iter_mut(Axis(0)) {
            row.iter_mut().zip(&scale).for_each(|(cell, scale)| *cell *= scale);
        }
        let count = ((rows.len() as f64 / 4.0).sqrt() as usize).clamp(1, CLUSTERS_MAX);
        let model = KMeans::params_with_rng(count, Xoshiro256Plus::seed_from_u64(seed))
            .n_runs(3)
            .max_n_iterations(100)
            .fit(&DatasetBase::from(data))
            .ok()?;
        let centroids = model.centroids().axis_iter(Axis(0)).map(|row| row.to_vec()).collect();
        Some(Self { scale, centroids })
    }

    /// Distance of a window to the nearest centroid, in spreads per feature.
    pub fn distance(&self, window: &Features) -> f64 {
        let mut scaled = [0.0f32; FEATURES];
        for (cell, (value, scale)) in scaled.iter_mut().zip(window.0.iter().zip(&self.scale)) {
            *cell = value * scale;
        }
        let distances = self.centroids.iter().map(|centroid| squared(&scaled, centroid));
        let nearest = distances.fold(f32::INFINITY, f32::min);
        if nearest.is_finite() { f64::from(nearest / FEATURES as f32).sqrt() } else { 0.0 }
    }

    /// The feature in which a window is furthest from the nearest centroid.
    pub(crate) fn furthest(&self, window: &Features) -> Option<usize> {
        let scaled: Vec<f32> = window.0.iter().zip(&self.scale).map(|(value, scale)| value * scale).collect();
        let near = |a: &&Vec<f32>, b: &&Vec<f32>| squared(&scaled, a).total_cmp(&squared(&scaled, b));
        let nearest = self.centroids.iter().min_by(near)?;
        let apart = scaled.iter().zip(nearest).map(|(one, other)| (one - other).abs()).enumerate();
        Some(apart.max_by(|a, b| a.1.total_cmp(&b.1))?.0)
    }

    /// How many clusters there are.
    pub fn len(&self) -> usize {
        self.centroids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.centroids.is_empty()
    }
}

/// Sums that are kept beside each other, so that a processor adds as many at once.
const LANES: usize = 8;

/// The square of the distance of two points.
fn squared(one: &[f32], other: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (ones, rest) = one.as_chunks::<LANES>();
    let (others, other_rest) = other.as_chunks::<LANES>();
    for (one, other) in ones.iter().zip(others) {
        for (sum, (one, other)) in sums.iter_mut().zip(one.iter().zip(other)) {
            *sum += (one - other) * (one - other);
        }
    }
    let rest: f32 = rest.iter().zip(other_rest).map(|(one, other)| (one - other) * (one - other)).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(kind: usize, wobble: usize) -> Features {
        let mut features = vec![0.0; FEATURES];
        features[kind] = 3.0;
        features[(kind + wobble) % FEATURES] += 0.5;
        Features(features)
    }

    #[test]
    fn windows_of_a_known_kind_are_near_and_others_far_and_a_seed_gives_one_result() {
        let windows: Vec<Features> =
            (0..40).map(|i| window(if i % 2 == 0 { 1 } else { 20 }, i % 5)).collect();
        let windows: Vec<&Features> = windows.iter().collect();
        let clusters = Clusters::fit(&windows, 7).unwrap();
        assert_eq!(clusters, Clusters::fit(&windows, 7).unwrap());
        let (near, far) = (clusters.distance(&window(20, 2)), clusters.distance(&window(50, 2)));
        assert!(far > 2.0 * near, "{near} {far}");
        assert_eq!(clusters.furthest(&window(50, 2)), Some(50));
    }

    #[test]
    fn a_few_windows_are_not_clustered() {
        let few = window(1, 1);
        assert_eq!(Clusters::fit(&[&few; WINDOWS_MIN - 1], 7), None);
    }
}
