//! Windows of actions: distance of the last one to every known kind of window, spreads.

use super::running::{Channel, Running};
use crate::learned::Models;
use crate::reader::Seen;
use crate::window::{Window, feature_words};

/// A dozen sessions have not shown every kind of window: one that is far from all of them is no proof of anything, and says
/// little.
pub(super) const CHANNEL: Channel = Channel {
    bound: 2.0,
    is_silent_at_zero: true,
    is_learned: |models| !models.clusters.is_empty(),
    ..Channel::of_deeds("cluster", 0.25, || Box::new(Cluster::default()))
};

#[derive(Clone, Debug, Default)]
struct Cluster {
    window: Window,
    distance: f64,
}

impl Running for Cluster {
    fn act(&mut self, seen: &Seen<'_>, models: &Models) -> f64 {
        self.window.push(seen.step, seen.first);
        if !models.clusters.is_empty()
            && let Some(features) = self.window.features()
        {
            let distances = models.clusters.iter().map(|clusters| clusters.distance(features));
            self.distance = distances.fold(f64::INFINITY, f64::min);
        }
        self.distance
    }

    fn reasons(&self, models: &Models) -> Vec<String> {
        let Some(features) = self.window.features() else { return Vec::new() };
        let nearest =
            models.clusters.iter().min_by(|a, b| a.distance(features).total_cmp(&b.distance(features)));
        let Some(at) = nearest.and_then(|clusters| clusters.furthest(features)) else { return Vec::new() };
        let what = feature_words(at);
        vec![format!(
            "no stretch of work that was seen while training is like the last one, most of all in {what}"
        )]
    }

    fn copy(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }
}
