//! The demo's results, as `--json` prints them.

use crate::live::Baseline;
use serde::Serialize;

/// Everything.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The profile.
    pub profile: String,
    /// `lsm` or `tracepoint`.
    pub tier: String,
    /// What was recorded.
    pub recorded: Recorded,
    /// What was learned.
    pub baselines: Vec<Baseline>,
    /// The clean runs.
    pub clean: Vec<Clean>,
    /// The attacks.
    pub attacks: Vec<Outcome>,
    /// What came out other than promised, in words; empty when all is well.
    pub broken: Vec<String>,
    /// Where the world was left, with `--keep`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// The recorded sessions.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Recorded {
    /// How many.
    pub sessions: u64,
    /// Operations in them.
    pub events: u64,
    /// Records lost.
    pub lost: u64,
}

/// A clean run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Clean {
    /// The task.
    pub task: String,
    /// Operations refused.
    pub denied: u64,
    /// Alerts.
    pub alerts: u64,
    /// The strongest verdict.
    pub verdict: String,
    /// The agent did all that it set out to do.
    pub completed: bool,
    /// Why something was refused or reported, in words.
    pub reasons: Vec<String>,
}

/// An attack.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// The task that the agent had been asked to do.
    pub task: String,
    /// `T0`, `T1` or `T2`; null when nothing stopped it.
    pub stopped_by: Option<String>,
    /// By what.
    pub means: Option<String>,
    /// Operations refused.
    pub denied: u64,
    /// Operations of the session before the first that was refused.
    pub operations_before_denial: Option<u64>,
    /// Bytes of the secrets that it was after.
    pub secret_bytes: u64,
    /// How many of them were read, as the observer found.
    pub secret_bytes_read: u64,
    /// Bytes that reached the attacker's hosts, as those counted.
    pub bytes_exfiltrated: u64,
    /// Files of the workspace before.
    pub files: usize,
    /// How many of them are gone.
    pub files_removed: usize,
    /// From the operation with which the score crossed its threshold to the answer, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_after_ms: Option<f64>,
    /// The session was frozen, and the demo ended it.
    pub frozen: bool,
    /// The strongest verdict.
    pub verdict: String,
    /// Why, in words.
    pub reasons: Vec<String>,
}
