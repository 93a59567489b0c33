//! Recording is believed, so what if it was led astray? Attacks take the place of some training sessions, and further
//! attacks of the same scenarios are looked for.

use super::arm::{arm, score_all};
use super::data::{Data, Group};
use super::fit::{Scope, fit_all};
use super::steps::Steps;
use crate::result::Poisoned;
use crate::score::Stages;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::{BTreeMap, BTreeSet};

/// Shares of training sessions.
const SHARES: [f64; 3] = [0.01, 0.05, 0.1];

/// Rows of the result.
pub const STEPS: usize = 2 * SHARES.len();

/// One group's poison.
struct Poison {
    /// Attacks that teach.
    teach: Vec<usize>,
    /// Attacks of the same scenarios that are looked for.
    look_for: Vec<usize>,
}

/// Every share, believed as it is and screened as `train` does.
pub fn poisoning(data: &Data, seed: u64, steps: &Steps<'_>) -> Vec<Poisoned> {
    let mut rows = Vec::new();
    for share in SHARES {
        for screened in [false, true] {
            rows.push(poisoned(data, share, screened, seed));
            steps.step();
        }
    }
    rows
}

fn poisoned(data: &Data, share: f64, screened: bool, seed: u64) -> Poisoned {
    let poisons: BTreeMap<_, Poison> = data
        .groups
        .iter()
        .map(|(key, group)| {
            // At least one: less than one session in the set is no poison.
            let wanted = ((share * group.train.len() as f64).round() as usize).max(1);
            (key.clone(), draw(data, group, wanted, seed))
        })
        .collect();
    let admitted = |at: &usize| !screened || data.items[*at].trace.left_out.is_none();
    let fits = fit_all(data, Scope::AgentTask, seed, |key, group| {
        let teach = &poisons[key].teach;
        let kept = group.train.len().saturating_sub(teach.len());
        let clean = group.train[..kept].iter().copied();
        clean.chain(teach.iter().copied().filter(admitted)).collect()
    });
    let tests: Vec<usize> = data
        .groups
        .iter()
        .flat_map(|(key, group)| group.clean.iter().chain(&poisons[key].look_for))
        .copied()
        .collect();
    let entries = score_all(data, &tests, &fits, Scope::AgentTask);
    let name =
        format!("{:.0} % of training sessions{}", share * 100.0, if screened { ", screened" } else { "" });
    Poisoned {
        share,
        poisoned: poisons.values().map(|poison| poison.teach.len() as u64).sum(),
        of: data.groups.values().map(|group| group.train.len() as u64).sum(),
        screened,
        trained: poisons.values().flat_map(|poison| &poison.teach).filter(|at| admitted(at)).count() as u64,
        arm: arm("poisoning", &name, &entries, seed, |entry| entry.shipped(Stages::ALL)),
    }
}

/// Draws whole scenarios until there are enough attacks, and leaves at least one of each to look for.
fn draw(data: &Data, group: &Group, wanted: usize, seed: u64) -> Poison {
    let mut by_scenario: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for &at in &group.attacks {
        if let Some((scenario, _)) = data.items[at].attack() {
            by_scenario.entry(scenario).or_default().push(at);
        }
    }
    let mut scenarios: Vec<Vec<usize>> = by_scenario.into_values().filter(|all| all.len() > 1).collect();
    scenarios.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
    let mut poison = Poison { teach: Vec::new(), look_for: Vec::new() };
    for all in scenarios {
        let missing = wanted - poison.teach.len();
        if missing == 0 {
            break;
        }
        let (teach, rest) = all.split_at(missing.min(all.len() - 1));
        poison.teach.extend(teach);
        let known: BTreeSet<usize> = poison.teach.iter().copied().collect();
        poison.look_for.extend(rest.iter().filter(|at| !known.contains(at)));
    }
    poison
}
