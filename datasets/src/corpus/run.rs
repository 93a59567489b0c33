//! One run: a session of an agent, recorded or enforced, and what became of it.

use serde::{Deserialize, Serialize};

/// What a session is for. The three share no repository, no template and no seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// Baselines are made of it.
    Train,
    /// Thresholds are set by it.
    Calibrate,
    /// Results are told of it.
    Test,
}

/// Where the steps of an attack stand among those of the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// First.
    Immediate,
    /// Together, in the middle.
    Delayed,
    /// One in about twenty of the task's.
    Spread,
    /// Together, with steps of the task between them.
    Padded,
}

impl Variant {
    /// All of them.
    pub const ALL: [Variant; 4] = [Variant::Immediate, Variant::Delayed, Variant::Spread, Variant::Padded];

    /// Its name, as in files.
    pub fn name(self) -> &'static str {
        match self {
            Variant::Immediate => "immediate",
            Variant::Delayed => "delayed",
            Variant::Spread => "spread",
            Variant::Padded => "padded",
        }
    }
}

/// Normal work, or normal work with an attack in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Normal work.
    Clean,
    /// With an attack.
    Attack {
        /// Name of the scenario.
        scenario: String,
        /// Where its steps stand.
        variant: Variant,
    },
}

/// How Wardline ran it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// `wardline record`
    Record,
    /// `wardline enforce`
    Enforce,
}

/// What an observer outside Wardline saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observed {
    /// Bytes of secrets that were read.
    pub secret_bytes_read: u64,
    /// Bytes that arrived at hosts that only attacks talk to.
    pub bytes_sent: u64,
    /// What was changed that the task did not ask for, in words.
    pub changes: Vec<String>,
    /// The attack reached what its scenario calls success. Always false for a clean run.
    pub succeeded: bool,
}

/// A run that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// `codex/edit/anyhow/0007`: agent, task, repository, number within the corpus' runs of this agent and task.
    /// One that is guarded has `/live` after the id of its recording, and one with another version of the agent that version.
    pub id: String,
    /// The agent, as its baseline is named.
    pub agent: String,
    /// Its version, as its package names it.
    pub agent_version: String,
    /// The task's tag.
    pub task: String,
    /// The repository that it worked in.
    pub repository: String,
    /// The template that its script was drawn from.
    pub template: String,
    /// The seed that it was drawn with.
    pub seed: u64,
    /// What it is for.
    pub split: Split,
    /// Clean, or with an attack.
    pub kind: Kind,
    /// Recorded or enforced.
    pub mode: Mode,
    /// Number in the store.
    pub session: i64,
    /// Exit status of the agent; 128 and the signal when one ended it.
    pub exit_status: i32,
    /// When the scripted model sent the first injected step, CLOCK_BOOTTIME, ns; `None` for a clean run, and where the
    /// session ended before.
    pub onset_ns: Option<u64>,
    /// When the observer saw the first secret byte read or the first irreversible change since the onset, CLOCK_BOOTTIME, ns.
    pub impact_ns: Option<u64>,
    /// What the observer saw.
    pub observed: Observed,
    /// What `wardline --summary-file` wrote.
    pub summary: serde_json::Value,
}
