//! How much of everything a corpus has.

use super::Variant;
use super::plan::{Plan, Wanted};
use crate::template::Family;
use crate::{Error, repository, scenario, template};

/// The agents of the largest profile, in the order in which they take turns.
const FULL: [&str; 5] = ["shell", "codex", "codex-sandbox", "opencode", "mini-swe-agent"];

/// How large a corpus is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// One agent, one task, 15 sessions, four scenarios.
    Smoke,
    /// Two agents, three tasks, 20 sessions of each, ten scenarios in two variants.
    Quick,
    /// Five agents, every task, 40 sessions of each, every scenario in every variant with two agents in turn.
    Full,
}

impl Profile {
    /// All of them.
    pub const ALL: [Profile; 3] = [Profile::Smoke, Profile::Quick, Profile::Full];

    /// The profile of that name.
    pub fn named(name: &str) -> Option<Profile> {
        Profile::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// Everything that a whole corpus of this profile has.
    pub fn plan(self, seed: u64) -> Result<Plan, Error> {
        let mut families = template::families()?;
        let tasks = self.tasks(&families);
        families.retain(|family| tasks.contains(&family.name));
        let (wanted, variants) = self.attacks();
        let mut scenarios = scenario::all()?;
        scenarios.retain(|scenario| wanted.is_empty() || wanted.contains(&scenario.id.0.as_str()));
        let wanted = Wanted {
            agents: &self.agents(),
            turns: &self.agents(),
            families: &families,
            repositories: &repository::all()?,
            scenarios: &scenarios,
            variants,
            sessions: self.sessions(),
            upgraded: self.upgraded(),
        };
        wanted.plan(seed)
    }

    /// Its name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Smoke => "smoke",
            Profile::Quick => "quick",
            Profile::Full => "full",
        }
    }

    /// Its agents.
    pub fn agents(self) -> Vec<&'static str> {
        match self {
            Profile::Smoke => vec!["shell"],
            Profile::Quick => vec!["codex", "shell"],
            Profile::Full => FULL.to_vec(),
        }
    }

    /// Its tasks.
    pub fn tasks(self, families: &[Family]) -> Vec<String> {
        match self {
            Profile::Smoke => vec!["edit".into()],
            Profile::Quick => ["summarize", "edit", "review"].map(String::from).to_vec(),
            Profile::Full => families.iter().map(|family| family.name.clone()).collect(),
        }
    }

    /// Scenarios of attacks, and in which variants: those of the smaller profiles are for tasks that these profiles have.
    /// No scenario means all of them.
    pub fn attacks(self) -> (&'static [&'static str], &'static [Variant]) {
        const QUICK: [&str; 10] = ["S01", "S04", "S08", "S15", "S25", "S03", "S06", "S26", "S05", "S09"];
        match self {
            Profile::Smoke => (&QUICK[..4], &[Variant::Immediate]),
            Profile::Quick => (&QUICK, &[Variant::Immediate, Variant::Delayed]),
            Profile::Full => (&[], &Variant::ALL),
        }
    }

    /// Clean sessions of each agent and task.
    pub fn sessions(self) -> usize {
        match self {
            // Three of them calibrate, which is the least that a scale is made of.
            Profile::Smoke => 15,
            Profile::Quick => 20,
            Profile::Full => 40,
        }
    }

    /// How many clean sessions of the test split of each agent and task are recorded once more with another version of the
    /// agent.
    pub fn upgraded(self) -> usize {
        match self {
            Profile::Smoke | Profile::Quick => 0,
            Profile::Full => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent;
    use crate::corpus::{Kind, Split};

    #[test]
    fn a_plan_has_what_its_profile_says() {
        let plan = Profile::Smoke.plan(1).unwrap();
        let clean = plan.recorded.iter().filter(|planned| planned.kind == Kind::Clean);
        assert_eq!((clean.clone().count(), plan.recorded.len()), (15, 19));
        let held_out = clean.filter(|planned| planned.split == Split::Test).count();
        assert_eq!(plan.live.len(), 4 + held_out);
        // Forty sessions of each of five agents and eleven tasks, two of them again of each agent with another version.
        let plan = Profile::Full.plan(1).unwrap();
        let of = |version: bool, kind: bool| {
            let is = |planned: &&crate::corpus::plan::Planned| {
                planned.version.is_some() == version && (planned.kind == Kind::Clean) == kind
            };
            plan.recorded.iter().filter(is).count()
        };
        let versions = FULL.iter().filter(|name| agent::named(name).unwrap().other_version.is_some()).count();
        assert_eq!((of(false, true), of(true, true)), (40 * 5 * 11, 2 * versions * 11));
        assert!(Profile::ALL.into_iter().all(|profile| Profile::named(profile.name()) == Some(profile)));
    }
}
