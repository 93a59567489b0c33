//! How much of everything a corpus has.

use datasets::agent;
use datasets::corpus::Variant;
use datasets::template::Family;

/// How large a corpus is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// One agent, one task, 15 sessions, four scenarios: a few minutes
    Smoke,
    /// Two agents, three tasks, 20 sessions of each, ten scenarios in two variants: half an hour
    Quick,
    /// Every agent, every task, 40 sessions of each, every scenario in every variant with two agents in turn: hours
    Full,
}

impl Profile {
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
            Profile::Full => agent::all().iter().map(|agent| agent.name()).collect(),
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
