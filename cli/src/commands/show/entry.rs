//! One line of a session's timeline.

use event::{Fate, Means, Stage, Told};
use serde::Serialize;

/// One thing that happened.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    /// Since the session began, ns.
    pub(super) at_ns: u64,
    /// `operation`, `denial`, `alert`, `segment` or `loss`.
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) op: Option<&'static str>,
    pub(super) what: String,
    /// How often the same happened; equal entries are one, at the time of the first.
    pub(super) times: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stage: Option<Stage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) means: Option<Means>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fate: Option<Fate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) errno: Option<i32>,
}

impl Entry {
    pub(super) fn new(at_ns: u64, kind: &'static str, what: String) -> Self {
        Self {
            at_ns,
            kind,
            pid: None,
            op: None,
            what,
            times: 1,
            stage: None,
            means: None,
            fate: None,
            reason: None,
            errno: None,
        }
    }
}

impl Entry {
    /// In words, with when it was.
    pub(super) fn line(&self) -> String {
        let at = self.at_ns as f64 / 1e9;
        let reason = self.reason.as_deref().filter(|reason| !reason.is_empty());
        if let (Some(stage), Some(means), Some(fate)) = (self.stage, self.means, self.fate) {
            let op = self.op.unwrap_or(self.kind);
            let told = Told { fate, stage, means, op, object: &self.what, times: self.times };
            return format!("{at:>10.3}  {told}: {}", reason.unwrap_or("no reason was stored"));
        }
        let times = if self.times > 1 { format!(", {} times", self.times) } else { String::new() };
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("{at:>10.3}  {:<10}  {}{times}{reason}", self.op.unwrap_or(self.kind), self.what)
    }
}
