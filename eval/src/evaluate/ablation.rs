//! Ablation: stages, channels, and baselines that several agents share.

use super::arm::{Entry, arm, score_all};
use super::data::Data;
use super::fit::{Scope, fit_all};
use super::steps::Steps;
use crate::result::Arm;
use crate::score::Stages;
use crate::words;
use models::channel::CHANNELS;

/// Baselines that are trained anew.
pub const STEPS: usize = Scope::ALL.len() - 1;

/// Every arm; the first one is Wardline as it is.
pub fn arms(data: &Data, entries: &[Entry<'_>], tests: &[usize], seed: u64, steps: &Steps<'_>) -> Vec<Arm> {
    let mut arms = Vec::new();
    let stages = [
        ("T0 + T1 + T2: as it ships", Stages::ALL),
        ("T0 alone: the static deny-list", Stages { t1: false, t2: false, ..Stages::ALL }),
        ("T0 + T1: with the compiled baseline", Stages { t2: false, ..Stages::ALL }),
        ("T1 alone", Stages { t0: false, t1: true, t2: false }),
        (words::SCORE_ALONE, Stages::T2),
    ];
    for (name, stages) in stages {
        arms.push(arm("stages", name, entries, seed, |entry| entry.shipped(stages)));
    }
    for channel in CHANNELS {
        arms.push(arm("channels", &format!("{}{}", words::WITHOUT, channel.name), entries, seed, |entry| {
            entry.track(&entry.fitted.baseline.calibration.without(channel.name), Stages::T2)
        }));
    }
    for channel in CHANNELS {
        arms.push(arm("channels", &format!("{}{}", channel.name, words::ALONE), entries, seed, |entry| {
            let others = CHANNELS.iter().filter(|other| other.name != channel.name);
            let alone = others
                .fold(entry.fitted.baseline.calibration.clone(), |rest, other| rest.without(other.name));
            entry.track(&alone, Stages::T2)
        }));
    }
    arms.push(arm("calibration", "T2, calibrated on sessions kept apart", entries, seed, |entry| {
        entry.shipped(Stages::T2)
    }));
    arms.push(arm(
        "calibration",
        "T2, calibrated on folds of the training sessions",
        entries,
        seed,
        |entry| entry.track(&entry.fitted.folds, Stages::T2),
    ));
    for scope in Scope::ALL {
        let scoped;
        let entries = if scope == Scope::AgentTask {
            entries
        } else {
            let fits = fit_all(data, scope, seed, |_, group| group.train.clone());
            scoped = score_all(data, tests, &fits, scope);
            steps.step();
            &scoped
        };
        for (name, stages) in [("T2", Stages::T2), ("all stages", Stages::ALL)] {
            let name = format!("{}, {name}", scope.words());
            arms.push(arm("scope", &name, entries, seed, |entry| entry.shipped(stages)));
        }
    }
    arms
}
