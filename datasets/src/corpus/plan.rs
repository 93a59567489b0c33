//! The plan of a corpus: its sessions, as a function of the seed.
#![expect(clippy::indexing_slicing, reason = "a turn goes round the length of its table")]

use super::{Kind, Split, Variant};
use crate::repository::{Ecosystem, Repository};
use crate::scenario::Scenario;
use crate::seed::{Rng, stream};
use crate::template::Family;
use crate::{Error, agent};
use rand::Rng as _;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;

/// A session before it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// See [`super::Run::id`].
    pub id: String,
    /// Name of the agent.
    pub agent: String,
    /// Another version of the agent than the one that baselines are made of.
    pub version: Option<String>,
    /// The task's tag.
    pub task: String,
    /// Name of the repository.
    pub repository: String,
    /// Name of the template.
    pub template: String,
    /// What its script is drawn with.
    pub seed: u64,
    /// What it is for.
    pub split: Split,
    /// Clean, or with an attack.
    pub kind: Kind,
}

/// What a corpus is to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is recorded.
    pub recorded: Vec<Planned>,
    /// What runs once more, guarded.
    pub live: Vec<Planned>,
}

/// What a plan is made of.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'w> {
    /// The agents.
    pub agents: &'w [&'w str],
    /// Agents that take turns at the attacks, whichever of them are wanted.
    pub turns: &'w [&'w str],
    /// The tasks.
    pub families: &'w [Family],
    /// The repositories.
    pub repositories: &'w [Repository],
    /// The attacks; none for normal work only.
    pub scenarios: &'w [Scenario],
    /// Their variants.
    pub variants: &'w [Variant],
    /// Clean sessions of each agent and task.
    pub sessions: usize,
    /// Clean sessions of each that are recorded once more with another version of the agent.
    pub upgraded: usize,
}

impl Wanted<'_> {
    /// The plan.
    pub fn plan(&self, seed: u64) -> Result<Plan, Error> {
        let Wanted { agents, turns, families, repositories, scenarios, variants, .. } = *self;
        let mut recorded = clean(seed, agents, families, repositories, self.sessions)?;
        let versions: Vec<(&str, &str)> = agent::all()?
            .iter()
            .filter(|agent| agents.contains(&agent.name.as_str()))
            .filter_map(|agent| Some((agent.name.as_str(), agent.other_version.as_deref()?)))
            .collect();
        let upgraded = upgraded(&recorded, &versions, self.upgraded);
        let attacks = attacks(seed, turns, families, repositories, scenarios, variants)?;
        recorded.extend(attacks.into_iter().filter(|planned| agents.contains(&planned.agent.as_str())));
        let live = live(&recorded);
        recorded.extend(upgraded);
        Ok(Plan { recorded, live })
    }
}

/// Of five sessions in a row three train, one calibrates and one tests: what was made of an interrupted corpus can be used.
const TURNS: [Split; 5] = [Split::Train, Split::Train, Split::Calibrate, Split::Train, Split::Test];

/// Clean sessions: `sessions` of each agent and task, the agents and tasks taking turns.
pub fn clean(
    seed: u64,
    agents: &[&str],
    families: &[Family],
    repositories: &[Repository],
    sessions: usize,
) -> Result<Vec<Planned>, Error> {
    let mut planned = Vec::new();
    for index in 0..sessions {
        for family in families {
            for agent in agents {
                planned.push(session(seed, agent, family, repositories, index)?);
            }
        }
    }
    Ok(planned)
}

/// How many agents a scenario is tried with in each variant. They take turns, so that in all variants every scenario meets
/// each of five agents.
const AGENTS_OF_AN_ATTACK: usize = 2;

/// Sessions with an attack: each scenario in each variant, with agents that take turns, in a session of the test split of a
/// task that the scenario is for.
pub fn attacks(
    seed: u64,
    agents: &[&str],
    families: &[Family],
    repositories: &[Repository],
    scenarios: &[Scenario],
    variants: &[Variant],
) -> Result<Vec<Planned>, Error> {
    let mut planned = Vec::new();
    for scenario in scenarios {
        let fitting: Vec<&Family> =
            families.iter().filter(|family| scenario.tasks.contains(&family.name)).collect();
        for &variant in variants {
            // Whose turn it is does not depend on which scenarios and variants are asked for.
            let round = Variant::ALL.iter().position(|known| *known == variant).unwrap_or(0);
            let first = scenario.id.number() + AGENTS_OF_AN_ATTACK * round;
            let turns = agents.iter().cycle().skip(first % agents.len().max(1));
            for agent in turns.take(AGENTS_OF_AN_ATTACK.min(agents.len())) {
                let name = format!("{}-{}", scenario.id.0, variant.name());
                let mut rng = stream(seed, &format!("{agent}/{name}"), 0);
                // None of the tasks at hand is one of the scenario's: its session would be no normal work.
                let Some(family) = fitting.choose(&mut rng) else { continue };
                let kind = Kind::Attack { scenario: scenario.id.0.clone(), variant };
                planned.push(draw(seed, agent, family, repositories, Split::Test, &name, kind, &mut rng)?);
            }
        }
    }
    Ok(planned)
}

/// What of a plan is recorded once more with another version of its agent: the first `sessions` clean ones of the test
/// split, of each agent that has another version, and each task.
pub fn upgraded(planned: &[Planned], versions: &[(&str, &str)], sessions: usize) -> Vec<Planned> {
    let mut upgraded = Vec::new();
    for &(agent, version) in versions {
        let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
        let is_taken = |planned: &&Planned| {
            planned.agent == agent && planned.split == Split::Test && planned.kind == Kind::Clean
        };
        for planned in planned.iter().filter(is_taken) {
            let taken = taken.entry(&planned.task).or_default();
            if *taken < sessions {
                *taken += 1;
                let (id, version) = (format!("{}/{version}", planned.id), Some(version.to_owned()));
                upgraded.push(Planned { id, version, ..planned.clone() });
            }
        }
    }
    upgraded
}

/// What of a plan runs once more, guarded: every attack, then the clean sessions of the test split. Each is a run of its own.
pub fn live(planned: &[Planned]) -> Vec<Planned> {
    let held_out = planned.iter().filter(|planned| planned.split == Split::Test);
    let (clean, attacks): (Vec<&Planned>, Vec<&Planned>) =
        held_out.partition(|planned| planned.kind == Kind::Clean);
    let guarded = attacks.into_iter().chain(clean);
    guarded.map(|planned| Planned { id: format!("{}/live", planned.id), ..planned.clone() }).collect()
}

/// One session; `index` counts those of its agent and task. In every split the ecosystems take turns: tools leave the
/// same traces in every session of an ecosystem, and what a single session of the training split did is not learned.
fn session(
    seed: u64,
    agent: &str,
    family: &Family,
    repositories: &[Repository],
    index: usize,
) -> Result<Planned, Error> {
    let split = TURNS[index % TURNS.len()];
    let before = (0..index).filter(|before| TURNS[before % TURNS.len()] == split).count();
    let ecosystem = Ecosystem::ALL[before % Ecosystem::ALL.len()];
    let of: Vec<Repository> = repositories.iter().filter(|r| r.ecosystem == ecosystem).cloned().collect();
    let mut rng = stream(seed, &format!("{agent}/{}", family.name), index as u64);
    draw(seed, agent, family, &of, split, &format!("{index:04}"), Kind::Clean, &mut rng)
}

#[expect(clippy::too_many_arguments, reason = "they are what a planned session is made of")]
fn draw(
    seed: u64,
    agent: &str,
    family: &Family,
    repositories: &[Repository],
    split: Split,
    name: &str,
    kind: Kind,
    rng: &mut Rng,
) -> Result<Planned, Error> {
    let pool = repositories_of(split, seed, repositories);
    let names = templates_of(split, seed, family);
    let nothing = || Error::Missing {
        what: format!("a repository or a template of `{}` for each split", family.name),
        detail: "there must be three templates, and three repositories of each ecosystem".into(),
    };
    let repository = pool.choose(rng).ok_or_else(nothing)?;
    let template = names.choose(rng).ok_or_else(nothing)?;
    Ok(Planned {
        id: format!("{agent}/{}/{}/{name}", family.name, repository.name),
        agent: agent.to_owned(),
        version: None,
        task: family.name.clone(),
        repository: repository.name.clone(),
        template: (*template).to_owned(),
        seed: rng.r#gen(),
        split,
        kind,
    })
}

/// The repositories of a split: of each ecosystem one to calibrate, one to test, and the rest to train.
pub fn repositories_of(split: Split, seed: u64, repositories: &[Repository]) -> Vec<&Repository> {
    let mut pool = Vec::new();
    for ecosystem in Ecosystem::ALL {
        let mut of: Vec<&Repository> = repositories.iter().filter(|r| r.ecosystem == ecosystem).collect();
        of.shuffle(&mut stream(seed, ecosystem.name(), 0));
        pool.extend(share(split, &of));
    }
    pool
}

/// The templates of a split.
pub fn templates_of(split: Split, seed: u64, family: &Family) -> Vec<&str> {
    let mut names: Vec<&str> = family.templates.iter().map(|template| template.name.as_str()).collect();
    names.shuffle(&mut stream(seed, &family.name, 0));
    share(split, &names)
}

fn share<T: Copy>(split: Split, of: &[T]) -> Vec<T> {
    match (of, split) {
        ([_, _, train @ ..], Split::Train) => train.to_vec(),
        ([calibrate, _, _, ..], Split::Calibrate) => vec![*calibrate],
        ([_, test, _, ..], Split::Test) => vec![*test],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{repository, template};
    use std::collections::BTreeSet;

    fn plan(seed: u64) -> Vec<Planned> {
        let (families, repositories) = (template::families().unwrap(), repository::all().unwrap());
        clean(seed, &["codex", "opencode"], &families, &repositories, 40).unwrap()
    }

    #[test]
    fn the_splits_share_no_repository_no_template_and_no_seed() {
        type Of = fn(&Planned) -> String;
        let of: [Of; 3] = [|p| p.repository.clone(), |p| p.template.clone(), |p| p.seed.to_string()];
        for seed in 0..10 {
            let plan = plan(seed);
            for of in of {
                let set = |split| -> BTreeSet<String> {
                    plan.iter().filter(|planned| planned.split == split).map(of).collect()
                };
                let [train, calibrate, test] = [Split::Train, Split::Calibrate, Split::Test].map(set);
                assert!(!train.is_empty() && !calibrate.is_empty() && !test.is_empty());
                assert!(
                    train.is_disjoint(&calibrate) && train.is_disjoint(&test) && calibrate.is_disjoint(&test)
                );
            }
        }
    }

    #[test]
    fn a_corpus_of_twenty_sessions_trains_with_twelve() {
        let plan = plan(1);
        let of = |agent: &str, task: &str, count: usize| {
            let mine = plan.iter().filter(|p| p.agent == agent && p.task == task).take(count);
            mine.filter(|planned| planned.split == Split::Train).count()
        };
        assert_eq!(of("codex", "edit", 20), 12);
        assert_eq!(of("opencode", "review", 40), 24);
    }

    #[test]
    fn fifteen_sessions_have_each_ecosystem_as_often_in_every_split() {
        let repositories = repository::all().unwrap();
        let plan = plan(1);
        let mine: Vec<&Planned> =
            plan.iter().filter(|p| p.agent == "codex" && p.task == "edit").take(15).collect();
        for (split, each) in [(Split::Train, 3), (Split::Calibrate, 1), (Split::Test, 1)] {
            for ecosystem in Ecosystem::ALL {
                let is = |p: &&&Planned| {
                    p.split == split
                        && repositories.iter().any(|r| r.name == p.repository && r.ecosystem == ecosystem)
                };
                assert_eq!(mine.iter().filter(is).count(), each, "{split:?} {}", ecosystem.name());
            }
        }
    }

    #[test]
    fn what_runs_guarded_is_what_was_held_out_by_another_name() {
        let recorded = plan(1);
        let live = live(&recorded);
        // One of five, of two agents and every task.
        assert_eq!(live.len(), recorded.len() / 5);
        for guarded in live {
            let id = guarded.id.strip_suffix("/live").unwrap();
            let held_out = recorded.iter().find(|planned| planned.id == id).unwrap();
            assert_eq!(held_out.split, Split::Test);
            assert_eq!(Planned { id: id.to_owned(), ..guarded }, *held_out);
        }
    }

    #[test]
    fn another_version_repeats_sessions_of_the_test_split_of_its_agent() {
        let recorded = plan(1);
        let upgraded = upgraded(&recorded, &[("codex", "9.1")], 2);
        // Two of the forty of each task, of one of the two agents.
        assert_eq!(upgraded.len(), recorded.len() / 40);
        for planned in &upgraded {
            let id = planned.id.strip_suffix("/9.1").unwrap();
            let held_out = recorded.iter().find(|planned| planned.id == id).unwrap();
            assert_eq!((held_out.agent.as_str(), held_out.split), ("codex", Split::Test));
            let version = Some("9.1".to_owned());
            assert_eq!(*planned, Planned { id: planned.id.clone(), version, ..held_out.clone() });
        }
    }

    #[test]
    fn attacks_are_in_sessions_of_the_test_split_of_their_tasks() {
        let (families, repositories) = (template::families().unwrap(), repository::all().unwrap());
        let scenarios = crate::scenario::all().unwrap();
        let plan =
            attacks(1, &["codex", "shell"], &families, &repositories, &scenarios, &Variant::ALL).unwrap();
        assert_eq!(plan.len(), scenarios.len() * Variant::ALL.len() * 2);
        for planned in &plan {
            let Kind::Attack { scenario, .. } = &planned.kind else { panic!("{planned:?}") };
            let scenario = scenarios.iter().find(|known| known.id.0 == *scenario).unwrap();
            assert!(scenario.tasks.contains(&planned.task), "{planned:?}");
            assert_eq!(planned.split, Split::Test);
        }
    }

    #[test]
    fn agents_take_turns_at_the_attacks_and_every_scenario_meets_each() {
        let (families, repositories) = (template::families().unwrap(), repository::all().unwrap());
        let scenarios = crate::scenario::all().unwrap();
        let agents = ["a", "b", "c", "d", "e"];
        let plan = attacks(1, &agents, &families, &repositories, &scenarios, &Variant::ALL).unwrap();
        for scenario in &scenarios {
            let of = |in_variant: Option<Variant>| -> BTreeSet<&str> {
                let is = |planned: &&Planned| match &planned.kind {
                    Kind::Attack { scenario: id, variant } => {
                        *id == scenario.id.0 && in_variant.is_none_or(|wanted| wanted == *variant)
                    }
                    Kind::Clean => false,
                };
                plan.iter().filter(is).map(|planned| planned.agent.as_str()).collect()
            };
            assert_eq!(of(None).len(), agents.len(), "{:?}", scenario.id);
            for variant in Variant::ALL {
                assert_eq!(of(Some(variant)).len(), 2, "{:?}", scenario.id);
            }
        }
        let part =
            attacks(1, &agents, &families, &repositories, &scenarios[4..6], &[Variant::Padded]).unwrap();
        assert_eq!(part.len(), 4);
        assert!(part.iter().all(|planned| plan.contains(planned)), "a part of the plan is another plan");
        for agent in agents {
            let share = plan.iter().filter(|planned| planned.agent == agent).count();
            assert!(share.abs_diff(plan.len() / agents.len()) <= 4, "{agent}: {share}");
        }
    }

    #[test]
    fn ids_are_unique_and_the_plan_repeats() {
        let ids: BTreeSet<String> = plan(1).into_iter().map(|planned| planned.id).collect();
        assert_eq!(ids.len(), plan(1).len());
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
    }
}
