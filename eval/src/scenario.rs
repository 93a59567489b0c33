//! The incident behind an attack, for reports.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// What happens, in a few words.
    pub title: String,
    /// The incident or published technique that it re-enacts.
    pub incident: String,
    /// ATT&CK techniques, by number.
    pub techniques: Vec<String>,
    /// It is claimed that every run of it is prevented.
    pub claimed: bool,
    /// No kernel can tell it from normal work by what it touches: scored, and reported apart.
    pub apart: bool,
}

/// Scenarios by the name that runs give them.
pub type Scenarios = BTreeMap<String, Scenario>;
