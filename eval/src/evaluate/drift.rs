//! Clean sessions where something is new: what a promise made on known repositories and versions is worth there.

use super::arm::{Entry, score_all};
use super::data::Data;
use super::fit::{Scope, fit_all};
use super::steps::Steps;
use crate::metrics::calibrated::calibrated;
use crate::metrics::proportion::Proportion;
use crate::result::Drifted;
use crate::score::Stages;
use models::Thresholds;
use std::collections::BTreeMap;

/// Parts that the training sessions are held out in, to see known repositories.
const FOLDS: usize = 4;

/// Baselines that are trained anew.
pub const STEPS: usize = FOLDS;

/// Known repositories; new ones, each by its name; and versions of agents that taught nothing.
/// `entries` are the test sessions, and `upgraded` those with such versions, under what every training session taught.
pub fn drift(
    data: &Data,
    entries: &[Entry<'_>],
    upgraded: &[Entry<'_>],
    seed: u64,
    steps: &Steps<'_>,
) -> Vec<Drifted> {
    let mut known = Vec::new();
    for fold in 0..FOLDS {
        let in_fold = |at: usize| at % FOLDS == fold;
        let fits = fit_all(data, Scope::AgentTask, seed, |_, group| {
            let kept = group.train.iter().enumerate().filter(|(at, _)| !in_fold(*at));
            kept.map(|(_, &item)| item).collect()
        });
        let held_out: Vec<usize> = data
            .groups
            .values()
            .flat_map(|group| {
                group.train.iter().enumerate().filter(|(at, _)| in_fold(*at)).map(|(_, &item)| item)
            })
            .collect();
        known.extend(score_all(data, &held_out, &fits, Scope::AgentTask));
        steps.step();
    }
    let clean: Vec<&Entry<'_>> = entries.iter().filter(|entry| !entry.item.is_attack()).collect();
    let mut rows = vec![
        drifted("repositories that taught", &known.iter().collect::<Vec<_>>()),
        drifted("new repositories", &clean),
    ];
    let mut by_repository: BTreeMap<&str, Vec<&Entry<'_>>> = BTreeMap::new();
    for entry in &clean {
        by_repository.entry(&entry.item.run.repository).or_default().push(entry);
    }
    for (repository, entries) in by_repository {
        rows.push(drifted(&format!("new repository {repository}"), &entries));
    }
    rows.extend(versions(upgraded));
    rows
}

/// Versions of agents that taught nothing, each by its name.
fn versions(entries: &[Entry<'_>]) -> Vec<Drifted> {
    if entries.is_empty() {
        return Vec::new();
    }
    let mut rows =
        vec![drifted("new versions of agents, new repositories", &entries.iter().collect::<Vec<_>>())];
    let mut by_version: BTreeMap<(&str, &str), Vec<&Entry<'_>>> = BTreeMap::new();
    for entry in entries {
        let run = &entry.item.run;
        by_version.entry((&run.agent, &run.agent_version)).or_default().push(entry);
    }
    for ((agent, version), entries) in by_version {
        rows.push(drifted(&format!("new version {agent} {version}"), &entries));
    }
    rows
}

fn drifted(what: &str, entries: &[&Entry<'_>]) -> Drifted {
    let lowest: Vec<f64> = entries.iter().map(|entry| entry.shipped(Stages::T2).lowest()).collect();
    Drifted {
        what: what.to_owned(),
        sessions: entries.len() as u64,
        alerted: Proportion::count(lowest.iter().map(|&p| p <= Thresholds::default().alert)),
        denied: Proportion::count(entries.iter().map(|entry| !entry.scored.touches.is_empty())),
        calibrated: calibrated(&lowest),
    }
}
