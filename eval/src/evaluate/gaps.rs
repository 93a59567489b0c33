//! What could not be measured, and what to mind.

use super::arm::Entry;
use super::data::{Data, Item};
use super::fit::Fits;
use super::incident::{First, first_live, first_replayed, judge};
use crate::metrics::incident::Outcome;
use crate::scenario::Scenarios;
use datasets::agent;
use datasets::corpus::{Mode, Split};
use models::SESSIONS_MIN;
use std::collections::{BTreeMap, BTreeSet};

/// What could not be measured, and what to mind.
pub fn gaps(
    data: &Data,
    fits: &Fits,
    attacks: &[&Entry<'_>],
    live: &[&Item],
    scenarios: &Scenarios,
) -> Vec<String> {
    let mut gaps = Vec::new();
    for (key, group) in &data.groups {
        let name = format!("{}/{}", key.0, key.1);
        if !fits.contains_key(key) {
            gaps.push(format!(
                "{name} has {} usable sessions to train on and needs {SESSIONS_MIN}: its test sessions count nowhere",
                group.train.len()
            ));
        } else if group.calibrate.len() < SESSIONS_MIN {
            gaps.push(format!(
                "{name} has {} sessions to calibrate on: the folds of its training sessions had to do",
                group.calibrate.len()
            ));
        }
    }
    let tests: Vec<&Item> = data.items.iter().filter(|item| item.run.split == Split::Test).collect();
    let never = data.items.iter().filter(|item| item.is_attack() && item.run.onset_ns.is_none()).count();
    if never > 0 {
        gaps.push(format!("{never} attacks never began: their sessions ended before the injected steps"));
    }
    let replayed = attacks.iter().map(|entry| (entry.item, first_replayed(entry)));
    gaps.extend(inert("replayed", replayed));
    gaps.extend(inert("live", live.iter().map(|item| (*item, first_live(item, item.counts_from_ns())))));
    if !data.items.iter().any(|item| item.is_attack()) {
        gaps.push("the corpus has no attacks: nothing is said of detection".to_owned());
    } else {
        gaps.push(
            "mimicry was written beforehand, as the variant `padded` and the scenario S26: no attacker asked a baseline for its score and adapted, and of one who does less may be detected"
                .to_owned(),
        );
    }
    if !tests.iter().any(|item| item.run.mode == Mode::Enforce) {
        gaps.push("the corpus has no enforced sessions: nothing is said of prevention".to_owned());
    }
    let versions: BTreeMap<&str, BTreeSet<&str>> =
        data.items.iter().fold(BTreeMap::new(), |mut all, item| {
            all.entry(item.run.agent.as_str()).or_default().insert(item.run.agent_version.as_str());
            all
        });
    if versions.values().all(|versions| versions.len() < 2) {
        gaps.push(
            "one version of each agent was recorded: drift by a new version was not measured".to_owned(),
        );
    }
    let known: BTreeSet<&str> =
        data.items.iter().filter_map(|item| item.attack().map(|attack| attack.0)).collect();
    let undescribed: Vec<&str> = known.into_iter().filter(|name| !scenarios.contains_key(*name)).collect();
    if !undescribed.is_empty() {
        gaps.push(format!(
            "no description of the scenarios {}: they have no technique",
            undescribed.join(", ")
        ));
    }
    gaps.push(
        "nothing in Wardline is learned from attacks, so that every technique is left out by construction: the tables by technique are the leave-one-technique-out result"
            .to_owned(),
    );
    gaps.push(
        "the agents were driven by a scripted model that answers at once: an hour of them holds far more work than an hour of a person's agent, and rates per agent-hour are higher for it"
            .to_owned(),
    );
    gaps
}

/// Attacks that came to nothing by themselves, though no sandbox of the agent kept them from anything.
fn inert<'i>(how: &str, attacks: impl Iterator<Item = (&'i Item, Option<First>)>) -> Option<String> {
    let is_sandboxed = |item: &Item| agent::named(&item.run.agent).is_ok_and(|agent| agent.is_sandboxed);
    let named: Vec<String> = attacks
        .filter(|(item, first)| !is_sandboxed(item) && judge(item, *first) == Outcome::Inert)
        .filter_map(|(item, _)| {
            let (scenario, variant) = item.attack()?;
            Some(format!("{scenario} {variant} with {}", item.run.agent))
        })
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "{} came to nothing though the agent has no sandbox of its own: {}",
            text::count(named.len() as u64, &format!("{how} attack")),
            named.join(", ")
        )
    })
}
