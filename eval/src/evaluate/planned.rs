//! What the profile of a corpus plans, against what is there.

use super::data::Data;
use crate::Error;
use datasets::corpus::plan::Plan;
use datasets::corpus::{Description, Kind, Profile};
use std::collections::{BTreeMap, BTreeSet};
use text::count;

/// What a label says of a corpus that lacks some of its plan.
const IN_PART: &str = " (in part)";

/// Kinds of planned runs, in the order in which they are told.
const KINDS: [&str; 4] =
    ["recorded normal session", "recorded attack", "guarded normal session", "guarded attack"];

/// Runs of one kind.
#[derive(Clone, Copy, Default)]
struct Runs {
    planned: u64,
    missing: u64,
}

/// Planned runs by agent and kind.
pub struct Planned {
    profile: String,
    agents: BTreeMap<String, [Runs; KINDS.len()]>,
}

/// The profile that a description names; those of older corpora said so themselves when they were made in part.
pub fn profile(description: &Description) -> &str {
    description.profile.strip_suffix(IN_PART).unwrap_or(&description.profile)
}

impl Planned {
    /// Of all parts of a corpus together, as this build plans it. Of a profile that is not known nothing is.
    pub fn of(description: &Description, data: &Data) -> Result<Planned, Error> {
        let profile = profile(description);
        let plan = Profile::named(profile).map(|known| known.plan(description.seed)).transpose()?;
        let there = data.items.iter().map(|item| item.run.id.as_str()).collect();
        Ok(Planned { profile: profile.to_owned(), agents: counted(&plan.unwrap_or_default(), &there) })
    }

    /// The profile, and whether all of it is there.
    pub fn label(&self) -> String {
        let is_whole = self.agents.values().flatten().all(|runs| runs.missing == 0);
        if is_whole { self.profile.clone() } else { format!("{}{IN_PART}", self.profile) }
    }

    /// What is missing, a line an agent.
    pub fn gaps(&self) -> impl Iterator<Item = String> {
        self.agents.iter().filter_map(|(agent, kinds)| {
            let planned: u64 = kinds.iter().map(|runs| runs.planned).sum();
            let missing: u64 = kinds.iter().map(|runs| runs.missing).sum();
            if missing == planned {
                return Some(format!("{agent} is missing: {} were planned", count(planned, "run")));
            }
            let lacks: Vec<String> = KINDS
                .iter()
                .zip(kinds)
                .filter(|(_, runs)| runs.missing > 0)
                .map(|(kind, runs)| format!("{} of {}", runs.missing, count(runs.planned, kind)))
                .collect();
            (missing > 0).then(|| format!("{agent} lacks what was planned: {}", lacks.join(", ")))
        })
    }
}

fn counted(plan: &Plan, there: &BTreeSet<&str>) -> BTreeMap<String, [Runs; KINDS.len()]> {
    let mut agents: BTreeMap<String, [Runs; KINDS.len()]> = BTreeMap::new();
    for (guarded, runs) in [(false, &plan.recorded), (true, &plan.live)] {
        for planned in runs {
            let kind = 2 * usize::from(guarded) + usize::from(planned.kind != Kind::Clean);
            let runs = &mut agents.entry(planned.agent.clone()).or_default()[kind];
            runs.planned += 1;
            runs.missing += u64::from(!there.contains(planned.id.as_str()));
        }
    }
    agents
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(plan: &Plan, there: &BTreeSet<&str>) -> (String, Vec<String>) {
        let planned = Planned { profile: "smoke".into(), agents: counted(plan, there) };
        (planned.label(), planned.gaps().collect())
    }

    #[test]
    fn what_was_planned_and_is_not_there_is_told_by_agent_and_mode() {
        let plan = Profile::Smoke.plan(1).unwrap();
        let all = || plan.recorded.iter().chain(&plan.live).map(|planned| planned.id.as_str());
        assert_eq!(told(&plan, &all().collect()), ("smoke".to_owned(), Vec::new()));
        let (label, gaps) = told(&plan, &BTreeSet::new());
        assert_eq!(
            (label.as_str(), gaps),
            ("smoke (in part)", vec!["shell is missing: 26 runs were planned".to_owned()])
        );
        let attack = plan.recorded.iter().find(|planned| planned.kind != Kind::Clean).unwrap();
        let there =
            all().filter(|id| *id != attack.id && (!id.ends_with("/live") || id.contains("/S"))).collect();
        let (label, gaps) = told(&plan, &there);
        assert_eq!(label, "smoke (in part)");
        assert_eq!(
            gaps,
            ["shell lacks what was planned: 1 of 4 recorded attacks, 3 of 3 guarded normal sessions"]
        );
    }
}
