//! What the channels said, to be kept.
#![expect(
    clippy::cast_possible_truncation,
    reason = "what a channel says is kept as precisely as a baseline keeps it"
)]

use super::arm::Entry;
use super::data::Data;
use super::fit::Fits;
use crate::channels::{Channels, Measure, Session};

/// Of every session that was scored under its own baseline.
pub fn channels(data: &Data, fits: &Fits, entries: &[Entry<'_>], commit: Option<&String>) -> Channels {
    let keys: Vec<_> = fits.keys().collect();
    let measure = |(agent, task): &(String, String), fitted: &super::fit::Fitted| Measure {
        agent: agent.clone(),
        task: task.clone(),
        calibration: fitted.baseline.calibration.clone(),
    };
    let baselines = fits.iter().map(|(key, fitted)| measure(key, fitted)).collect();
    let session = |entry: &Entry<'_>| {
        let run = &entry.item.run;
        let key = (run.agent.clone(), run.task.clone());
        let samples = &entry.scored.samples;
        let from_ns = entry.item.counts_from_ns();
        Some(Session {
            run: run.id.clone(),
            baseline: keys.binary_search(&&key).ok()?,
            repository: run.repository.clone(),
            attack: entry.item.attack().map(|(scenario, variant)| (scenario.to_owned(), variant.to_owned())),
            from: samples.partition_point(|sample| sample.time_ns < from_ns),
            values: samples.iter().map(|sample| sample.values.map(|value| value as f32)).collect(),
        })
    };
    Channels::of(data.hash.clone(), commit.cloned(), baselines, entries.iter().filter_map(session).collect())
}
