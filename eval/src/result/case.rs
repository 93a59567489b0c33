//! Cases: every missed attack and every false alarm, with what explains it.

use super::row::Source;
use serde::{Deserialize, Serialize};

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaseKind {
    /// An attack did harm, and nothing was said.
    Missed,
    /// An attack was noticed when its harm was done.
    Late,
    /// Clean work was denied, alerted on or stopped; or a live attack's session before its onset.
    FalseAlarm,
}

impl CaseKind {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            CaseKind::Missed => "missed attack",
            CaseKind::Late => "detected late",
            CaseKind::FalseAlarm => "false alarm",
        }
    }
}

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// What went wrong.
    pub kind: CaseKind,
    /// Live or replayed.
    pub source: Source,
    /// The run's id.
    pub run: String,
    /// Number in the store.
    pub session: i64,
    /// The agent.
    pub agent: String,
    /// The task.
    pub task: String,
    /// The repository.
    pub repository: String,
    /// Scenario and variant.
    pub attack: Option<(String, String)>,
    /// In one sentence.
    pub headline: String,
    /// Stage that spoke.
    pub stage: Option<String>,
    /// Its means.
    pub means: Option<String>,
    /// What each stage knew, and what it lacked.
    pub explained: Vec<(String, String)>,
    /// What it said, in its own words.
    pub reasons: Vec<String>,
    /// What the observer saw.
    pub observed: Vec<String>,
    /// What happened when.
    pub timeline: Timeline,
}

/// What a mark on a timeline stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkKind {
    /// The attack begins.
    Onset,
    /// The first harm.
    Impact,
    /// T0 refused.
    T0,
    /// T1 refused, or would have.
    T1,
    /// The score crossed a threshold.
    T2,
}

/// Something on a timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Since the first event, ms.
    pub at_ms: f64,
    /// What.
    pub kind: MarkKind,
    /// In words.
    pub words: String,
}

/// A session as it went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// Its length, ms.
    pub length_ms: f64,
    /// The running p: ms since the first event, and p. Thinned; every minimum is there.
    pub p: Vec<(f64, f64)>,
    /// What happened.
    pub marks: Vec<Mark>,
}
