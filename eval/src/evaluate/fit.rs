//! Baselines of a corpus: trained on the training split, calibrated on the calibration split.

use super::data::{Data, Group, Key};
use crate::trace::{Trace, Traces};
use event::Tier;
use models::calibration::Calibration;
use models::train::{self, Options, Others, calibrate_with};
use models::{Baseline, Provenance, SESSIONS_MIN};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whose sessions share a baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// One for each agent and task: Wardline's own.
    AgentTask,
    /// One for each agent.
    Agent,
    /// One for each task.
    Task,
    /// One for all.
    Pooled,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 4] = [Scope::AgentTask, Scope::Agent, Scope::Task, Scope::Pooled];

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Scope::AgentTask => "a baseline per agent and task",
            Scope::Agent => "a baseline per agent",
            Scope::Task => "a baseline per task",
            Scope::Pooled => "one baseline for all",
        }
    }

    /// The baseline that a session of this agent and task is scored by.
    pub fn key(self, (agent, task): &Key) -> Key {
        let any = || "any".to_owned();
        match self {
            Scope::AgentTask => (agent.clone(), task.clone()),
            Scope::Agent => (agent.clone(), any()),
            Scope::Task => (any(), task.clone()),
            Scope::Pooled => (any(), any()),
        }
    }
}

/// A baseline with both of its calibrations.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// Its calibration is that of the calibration split, where there is one.
    pub baseline: Arc<Baseline>,
    /// By the folds of the training sessions, as `train` does.
    pub folds: Calibration,
    /// Sessions that calibrated it; 0 for the folds.
    pub calibrated_on: usize,
}

/// Baselines by agent and task.
pub type Fits = BTreeMap<Key, Arc<Fitted>>;

/// Trains one baseline. `None` below three sessions. Names were checked when the corpus was read.
pub fn fit(
    key: &Key,
    train: &[&Trace],
    calibrate: &[&Trace],
    others: Option<Others>,
    seed: u64,
) -> Option<Fitted> {
    if train.len() < SESSIONS_MIN {
        return None;
    }
    let options = Options {
        agent: key.0.parse().ok()?,
        task: key.1.parse().ok()?,
        tier: Tier::common(train.iter().map(|trace| trace.tier)),
        provenance: Provenance {
            used: train.iter().map(|trace| trace.session).collect(),
            left_out: Vec::new(),
        },
        seed,
        others,
        ..Options::default()
    };
    // A corpus in memory cannot fail to be read.
    let mut baseline = train::train(&Traces(train.to_vec()), options, &mut |_| {}).ok()?;
    let folds = baseline.calibration.clone();
    let Ok(enough) = calibrate_with(&mut baseline, &Traces(calibrate.to_vec()));
    let calibrated_on = if enough { calibrate.len() } else { 0 };
    Some(Fitted { baseline: Arc::new(baseline), folds, calibrated_on })
}

/// Trains every baseline of a scope. `chosen` says which sessions of a group teach.
pub fn fit_all(
    data: &Data,
    scope: Scope,
    seed: u64,
    chosen: impl Fn(&Key, &Group) -> Vec<usize> + Sync,
) -> Fits {
    let mut sessions: BTreeMap<Key, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (key, group) in &data.groups {
        let (train, calibrate) = sessions.entry(scope.key(key)).or_default();
        train.extend(chosen(key, group));
        calibrate.extend(&group.calibrate);
    }
    let traces = |all: &[usize]| all.iter().map(|&at| &data.items[at].trace).collect::<Vec<&Trace>>();
    // What lean on their agent's other tasks are the baselines of one task.
    let taught: BTreeMap<Key, Others> = match scope {
        Scope::AgentTask => {
            let learn = |train| {
                let Ok(others) = Others::learn(&Traces(traces(train)));
                others
            };
            sessions.par_iter().map(|(key, (train, _))| (key.clone(), learn(train))).collect()
        }
        Scope::Agent | Scope::Task | Scope::Pooled => BTreeMap::new(),
    };
    let fits: Vec<(Key, Option<Fitted>)> = sessions
        .into_par_iter()
        .map(|(key, (train, calibrate))| {
            let others = taught.iter().filter(|((agent, task), _)| *agent == key.0 && *task != key.1);
            let others = Others::union(others.map(|(_, taught)| taught));
            let fitted = fit(&key, &traces(&train), &traces(&calibrate), others, seed);
            (key, fitted)
        })
        .collect();
    fits.into_iter().filter_map(|(key, fitted)| Some((key, Arc::new(fitted?)))).collect()
}
