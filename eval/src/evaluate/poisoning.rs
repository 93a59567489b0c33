//! Recording is believed, so what if it was led astray? Attacks take the place of some training sessions, and other
//! attacks of the same scenarios are looked for.
//!
//! Of each agent's attacks of a scenario, half may teach and half are looked for, whatever the task: what is looked for has
//! taught no baseline of its agent. A group can be poisoned where it has an attack to look for whose scenario has one to
//! teach; only such groups are measured. Their sessions are whole, so that the smallest share of 24 is 1 of 24: a row says
//! the share that was realised, and shares that come to the same sessions are one set of rows.
#![expect(
    clippy::cast_possible_truncation,
    reason = "a share of a length is no longer, and none is negative"
)]

use super::arm::{arm, score_all};
use super::data::{Data, Group, Key};
use super::fit::{Fits, Scope, fit_all};
use super::steps::Steps;
use crate::result::Poisoned;
use crate::score::Stages;
use crate::words;
use models::SESSIONS_MIN;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::BTreeMap;

/// Shares of training sessions that are asked for.
const SHARES: [f64; 3] = [0.01, 0.05, 0.1];

/// One group's poison.
#[derive(Clone, Debug, Default, PartialEq)]
struct Poison {
    /// Attacks that teach.
    teach: Vec<usize>,
    /// Attacks of the same scenarios that are looked for.
    look_for: Vec<usize>,
}

/// The poison of every group that can be poisoned.
#[derive(Clone, Debug, PartialEq)]
pub struct Poisons {
    /// Shares that were asked for, and come to this.
    asked: Vec<f64>,
    groups: BTreeMap<Key, Poison>,
}

/// Rows of each set of poisons that train baselines anew.
pub const STEPS: usize = 2;

/// The poisons of every share, each set once.
pub fn poisons(data: &Data, seed: u64) -> Vec<Poisons> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut by_scenario: BTreeMap<(&str, &str), Poison> = BTreeMap::new();
    for group in data.groups.values() {
        for &at in &group.attacks {
            if let Some((scenario, _)) = data.items[at].attack() {
                let agent = data.items[at].run.agent.as_str();
                by_scenario.entry((agent, scenario)).or_default().look_for.push(at);
            }
        }
    }
    for poison in by_scenario.values_mut() {
        poison.look_for.shuffle(&mut random);
        poison.teach = poison.look_for.split_off(poison.look_for.len().div_ceil(2));
    }
    let mut all: Vec<Poisons> = Vec::new();
    for share in SHARES {
        let draw = |(key, group): (&Key, &Group)| {
            let of_agent = by_scenario.iter().filter(|((agent, _), _)| *agent == key.0);
            let poison = draw(of_agent.map(|(_, poison)| poison), group, share, seed)?;
            Some((key.clone(), poison))
        };
        let groups: BTreeMap<Key, Poison> = data.groups.iter().filter_map(draw).collect();
        match all.iter_mut().find(|known| known.groups == groups) {
            Some(known) => known.asked.push(share),
            None if groups.is_empty() => {}
            None => all.push(Poisons { asked: vec![share], groups }),
        }
    }
    all
}

/// Draws whole scenarios that the group has an attack of to look for, until there are enough attacks to teach: at least
/// one. `None` where there is none, or where too few sessions would be left once it is screened.
fn draw<'p>(
    scenarios: impl Iterator<Item = &'p Poison>,
    group: &Group,
    share: f64,
    seed: u64,
) -> Option<Poison> {
    let wanted = ((share * group.train.len() as f64).round() as usize).max(1);
    let here = |poison: &Poison| Poison {
        teach: poison.teach.clone(),
        look_for: poison.look_for.iter().copied().filter(|at| group.attacks.contains(at)).collect(),
    };
    let usable = |poison: &Poison| !poison.teach.is_empty() && !poison.look_for.is_empty();
    let mut scenarios: Vec<Poison> = scenarios.map(here).filter(usable).collect();
    scenarios.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
    let mut drawn = Poison::default();
    for scenario in scenarios {
        let missing = wanted - drawn.teach.len();
        if missing == 0 {
            break;
        }
        drawn.teach.extend(scenario.teach.iter().take(missing));
        drawn.look_for.extend(scenario.look_for);
    }
    let enough = group.train.len() >= SESSIONS_MIN + drawn.teach.len();
    (enough && !drawn.teach.is_empty()).then_some(drawn)
}

/// Each set of poisons three times: the same groups without it (`fits` are the baselines that nothing poisoned), believed
/// as it is, and screened as `train` does.
pub fn poisoning(data: &Data, fits: &Fits, all: &[Poisons], seed: u64, steps: &Steps<'_>) -> Vec<Poisoned> {
    let mut rows = Vec::new();
    for poisons in all {
        rows.push(row(data, poisons, fits, None, seed));
        for screened in [false, true] {
            let fits = poisoned(data, poisons, screened, seed);
            rows.push(row(data, poisons, &fits, Some(screened), seed));
            steps.step();
        }
    }
    rows
}

/// Whether a session of poison is let in.
fn admitted(data: &Data, screened: bool, at: usize) -> bool {
    !screened || data.items[at].trace.left_out.is_none()
}

/// Baselines in which the last sessions of every poisoned group gave way to its poison.
fn poisoned(data: &Data, poisons: &Poisons, screened: bool, seed: u64) -> Fits {
    fit_all(data, Scope::AgentTask, seed, |key, group| {
        let teach = poisons.groups.get(key).map_or(&[][..], |poison| &poison.teach);
        let kept = &group.train[..group.train.len() - teach.len()];
        let teach = teach.iter().filter(|&&at| admitted(data, screened, at));
        kept.iter().chain(teach).copied().collect()
    })
}

/// What baselines detect of the attacks that are looked for in the poisoned groups, beside the clean sessions there.
/// `screened` is `None` where nothing is poisoned.
fn row(data: &Data, poisons: &Poisons, fits: &Fits, screened: Option<bool>, seed: u64) -> Poisoned {
    let groups = || poisons.groups.iter().map(|(key, poison)| (&data.groups[key], poison));
    let tests: Vec<usize> =
        groups().flat_map(|(group, poison)| group.clean.iter().chain(&poison.look_for)).copied().collect();
    let entries = score_all(data, &tests, fits, Scope::AgentTask);
    let teach = || groups().flat_map(|(_, poison)| &poison.teach);
    let of: usize = groups().map(|(group, _)| group.train.len()).sum();
    let (poisoned, trained) = match screened {
        None => (0, 0),
        Some(screened) => (teach().count(), teach().filter(|&&at| admitted(data, screened, at)).count()),
    };
    let share = poisoned as f64 / of.max(1) as f64;
    let name = match screened {
        None => format!("0 of {of} training sessions poisoned, the same baselines"),
        Some(screened) => format!(
            "{poisoned} of {of} training sessions poisoned ({}){}",
            words::percent(Some(share)),
            if screened { ", screened" } else { "" }
        ),
    };
    Poisoned {
        share,
        asked: poisons.asked.clone(),
        groups: poisons.groups.len() as u64,
        poisoned: poisoned as u64,
        of: of as u64,
        screened: screened == Some(true),
        trained: trained as u64,
        arm: arm("poisoning", &name, &entries, seed, |entry| entry.shipped(Stages::ALL)),
    }
}
