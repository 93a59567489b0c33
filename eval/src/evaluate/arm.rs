//! One arm of a comparison: the test sessions under certain baselines, channels and stages, and what they detect.

use super::data::{Data, Item, Key};
use super::fit::{Fits, Fitted, Scope};
use crate::metrics::bootstrap::{Clustered, interval};
use crate::metrics::operating::Track;
use crate::metrics::proportion::Proportion;
use crate::metrics::roc;
use crate::result::{Arm, FPRS};
use crate::score::{self, Scored, Stages};
use models::Thresholds;
use models::calibration::Calibration;
use rayon::prelude::*;
use std::sync::Arc;

/// A test session under its baseline.
pub struct Entry<'d> {
    /// The session.
    pub item: &'d Item,
    /// Its baseline.
    pub fitted: Arc<Fitted>,
    /// What it scored.
    pub scored: Scored,
}

impl Entry<'_> {
    /// Its agent and task.
    pub fn key(&self) -> Key {
        (self.item.run.agent.clone(), self.item.run.task.clone())
    }

    /// Its running p under these stages and this calibration.
    pub fn track(&self, calibration: &Calibration, stages: Stages) -> Track {
        let item = self.item;
        self.scored.track(&item.trace, calibration, stages, item.is_attack(), item.run.onset_ns)
    }

    /// Its running p as Wardline has it.
    pub fn shipped(&self, stages: Stages) -> Track {
        self.track(&self.fitted.baseline.calibration, stages)
    }
}

/// Scores sessions by the baselines of a scope, two at a time on two cores, in order. Those without a baseline are
/// passed over.
pub fn score_all<'d>(data: &'d Data, which: &[usize], fits: &Fits, scope: Scope) -> Vec<Entry<'d>> {
    which
        .par_iter()
        .filter_map(|&at| {
            let item = &data.items[at];
            let key: Key = (item.run.agent.clone(), item.run.task.clone());
            let fitted = Arc::clone(fits.get(&scope.key(&key))?);
            let scored =
                score::score(&item.trace, &fitted.baseline, Thresholds::default(), item.counts_from_ns());
            Some(Entry { item, fitted, scored })
        })
        .collect()
}

/// An arm: `track` says how an entry is read.
pub fn arm<'e, 'd: 'e>(
    family: &str,
    name: &str,
    entries: impl IntoIterator<Item = &'e Entry<'d>>,
    seed: u64,
    track: impl Fn(&Entry<'d>) -> Track,
) -> Arm {
    let threshold = Thresholds::default().alert;
    let (mut clean, mut attack) = (Vec::new(), Vec::new());
    let (mut alerted, mut false_alarms) = (Proportion::default(), Proportion::default());
    for entry in entries {
        let track = track(entry);
        let value = (entry.item.cluster.as_str(), score::bits(track.lowest()));
        if entry.item.is_attack() {
            alerted.of += 1;
            alerted.hits += u64::from(track.lowest() <= threshold);
            attack.push(value);
        } else {
            false_alarms.of += 1;
            false_alarms.hits += u64::from(track.lowest() <= threshold);
            clean.push(value);
        }
    }
    let (clean, attack) = (Clustered::new(clean), Clustered::new(attack));
    let (c, a) = (clean.values(), attack.values());
    Arm {
        family: family.to_owned(),
        name: name.to_owned(),
        sessions: (c.len() as u64, a.len() as u64),
        auc: roc::auc(&c, &a),
        auc_interval: interval(&clean, &attack, seed, roc::auc),
        average_precision: roc::average_precision(&c, &a),
        detection: FPRS.map(|fpr| roc::detection_at(&c, &a, fpr)),
        detection_intervals: FPRS
            .map(|fpr| interval(&clean, &attack, seed, |c, a| roc::detection_at(c, a, fpr))),
        alerted,
        false_alarms,
        roc: roc::thinned_curve(&c, &a),
        precision_recall: roc::thinned_precision_recall(&c, &a),
    }
}
