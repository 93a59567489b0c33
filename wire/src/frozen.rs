//! Messages about a frozen session to its client, and the user's answers.

use event::{AgentName, Stage};
use serde::{Deserialize, Serialize};

/// A session stands still.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frozen {
    /// Which freeze of the session it is, and how much of it was told: an answer says which one it answers.
    pub number: u32,
    /// The session.
    pub session: String,
    /// The agent.
    pub agent: AgentName,
    /// The stage that froze it; `None`: it was asked for from outside, or what guards it has died.
    pub stage: Option<Stage>,
    /// What was done, and what became of it; empty where no single operation froze it.
    pub what: Vec<String>,
    /// Why, in words: at least one.
    pub why: Vec<String>,
    /// It may go on; otherwise it can only be ended.
    pub may_go_on: bool,
}

/// How far a frozen session may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GoOn {
    /// What froze it does not freeze it again; anything else does.
    Once,
    /// Nothing freezes it any more.
    Session,
}
