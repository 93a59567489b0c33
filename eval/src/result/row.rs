//! Rows of the tables.

use crate::metrics::delay::Step;
use crate::metrics::incident::{Outcome, Outcomes};
use crate::metrics::proportion::{Difference, Proportion};
use serde::{Deserialize, Serialize};

/// Where an outcome comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The session ran under `enforce`.
    Live,
    /// Its recording was replayed through the scorer.
    Offline,
}

impl Source {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Source::Live => "live",
            Source::Offline => "replayed",
        }
    }
}

/// One run of the corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// Its id in the corpus.
    pub id: String,
    /// The agent.
    pub agent: String,
    /// Its version.
    pub agent_version: String,
    /// The task.
    pub task: String,
    /// The repository.
    pub repository: String,
    /// The script's template.
    pub template: String,
    /// The script's seed.
    pub seed: u64,
    /// `train`, `calibrate` or `test`.
    pub split: String,
    /// Scenario and variant; `None` for clean work.
    pub attack: Option<(String, String)>,
    /// Live or replayed.
    pub source: Source,
    /// Number in the store.
    pub session: i64,
    /// Exit status of the agent.
    pub exit_status: i32,
    /// Events.
    pub events: u64,
    /// Actions.
    pub actions: u64,
    /// Records lost.
    pub lost: u64,
    /// Duration, ms.
    pub duration_ms: f64,
    /// Why it was left out; `None` where it counts.
    pub left_out: Option<String>,
    /// Its lowest p (of an attack: from the onset on).
    pub p: Option<f64>,
    /// What all stages say in the replay, in bits: -log2 of the lowest p there. Detection at a share of clean sessions is
    /// counted by it.
    #[serde(default)]
    pub bits: Option<f64>,
    /// Stage that first said something (of an attack: from the onset on).
    pub stage: Option<String>,
    /// By what it was stopped.
    pub means: Option<String>,
    /// What became of the attack.
    pub outcome: Option<Outcome>,
    /// From onset to detection, ms.
    pub delay_ms: Option<f64>,
    /// What the observer saw: secret bytes read, bytes sent away, changes.
    pub harm: (u64, u64, u64),
}

/// One baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaselineRow {
    /// The agent.
    pub agent: String,
    /// The task.
    pub task: String,
    /// Sessions that taught it.
    pub sessions: u64,
    /// Sessions that were left out, with the reason.
    pub left_out: Vec<(String, String)>,
    /// Sessions that calibrated it; none where the folds of the training sessions had to do.
    pub calibrated_on: u64,
    /// Events that taught it.
    pub events: u64,
    /// Size, sealed, in bytes.
    pub bytes: u64,
    /// The smallest p that its calibration proves.
    pub smallest_provable: f64,
    /// Why there is none.
    pub missing: Option<String>,
}

/// A table by one dimension.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Breakdown {
    /// `scenario`, `technique`, `agent`, `task`, `variant`, `tier`, `stage`, `means`.
    pub by: String,
    /// A row for each value.
    pub rows: Vec<BreakdownRow>,
    /// Of scenarios: those that are not reported apart, where some are, and all of them; each row says whose it is.
    #[serde(default)]
    pub totals: Vec<BreakdownRow>,
}

/// One value of a dimension.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BreakdownRow {
    /// The value.
    pub key: String,
    /// What it means, in words.
    pub words: String,
    /// What became of live attacks.
    pub live: Outcomes,
    /// What the replay says of recorded attacks.
    pub offline: Outcomes,
    /// Recorded attacks detected at 1, 5 and 10 % of all clean sessions, all stages.
    pub detection: [Proportion; 3],
    /// Recorded attacks that the best trivial floor finds at 5 % of all clean sessions.
    pub floor: Proportion,
    /// Median time to detect, ms, misses censored; `None` where fewer than half are found.
    pub median_ms: Option<f64>,
}

/// Attacks in the variants of the same scenarios.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mimicry {
    /// Scenarios that were recorded in every variant.
    pub scenarios: u64,
    /// A row for each variant, and one for the scenario that is slow mimicry by itself.
    pub rows: Vec<MimicryRow>,
    /// What padding adds to the share that is detected before harm in the replay, against the attack at once; below 0 it
    /// pays for the attacker.
    pub replayed: Option<Difference>,
    /// The same of the share that is prevented or noticed before harm live.
    pub live: Option<Difference>,
}

/// What became of one variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MimicryRow {
    /// The variant, or the scenario.
    pub name: String,
    /// What the replay says of recorded attacks.
    pub replayed: Outcomes,
    /// What became of live attacks.
    pub live: Outcomes,
}

/// Quantiles and curve of time to detect, in one unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// `events`, `actions` or `ms`.
    pub unit: String,
    /// Half are found within.
    pub half: Option<f64>,
    /// Nine in ten are found within.
    pub nine_tenths: Option<f64>,
    /// Share found within a delay.
    pub curve: Vec<Step>,
}

/// From onset to detection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Delays {
    /// Of live attacks.
    pub live: Vec<Quantiles>,
    /// Of replayed ones.
    pub offline: Vec<Quantiles>,
    /// Of replayed ones, by stage of detection, in events.
    pub by_stage: Vec<(String, Quantiles)>,
}
