//! The findings of `doctor`.

use super::agent::Agent;
use super::facts::Facts;
use collector::{Attached, Offsets};
use event::Tier;
use guard::canary::Row;
use serde::Serialize;

/// Everything that was found.
#[derive(Debug, Serialize)]
pub(super) struct Findings {
    pub(super) tier: Option<Tier>,
    pub(super) can_prevent: bool,
    pub(super) facts: Facts,
    pub(super) programs: Vec<Attached>,
    pub(super) offsets: Option<Offsets>,
    pub(super) probes: Vec<Row>,
    pub(super) problem: Option<String>,
    pub(super) words: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) agent: Option<Agent>,
}
