//! Notices of a running session: in `tail`, and in the file of notices.

use event::{Fate, Means, Stage, Told};
use serde::{Deserialize, Serialize};

/// What a notice tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A stage spoke against an operation.
    Denial,
    /// The score says something.
    Alert,
    /// Accesses were taken away from the whole session.
    Restricted,
    /// The session was frozen.
    Frozen,
    /// A frozen session goes on.
    GoesOn,
    /// The session was killed.
    Killed,
    /// A key of the user was used for the session.
    KeyUsed,
    /// A key was asked for in vain.
    KeyRefused,
    /// A process outside of the session was reached.
    Met,
}

/// Something that happened in a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The session.
    pub session: String,
    /// What it tells of.
    pub kind: Kind,
    /// Wall clock, ns since 1970.
    pub unix_ns: i64,
    /// The stage; `None`: it was asked for from outside.
    pub stage: Option<Stage>,
    /// By what the operation was, or would have been, stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub means: Option<Means>,
    /// The operation; empty where it is about none.
    pub op: String,
    /// What it acted on; of an alert its verdict.
    pub object: String,
    /// Why, in words; never empty.
    pub reason: String,
    /// What became of the operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fate: Option<Fate>,
    /// The p-value of an alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// How often the same was said.
    pub times: u64,
    /// The process; 0 where it is about none.
    pub pid: u32,
}

impl Notice {
    /// Whether it tells how a session stands: whoever looks later must find it.
    pub fn is_of_state(&self) -> bool {
        matches!(self.kind, Kind::Restricted | Kind::Frozen | Kind::GoesOn | Kind::Killed)
    }

    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.session.len() + self.op.len() + self.object.len() + self.reason.len()
    }

    /// What was done, and what became of it; `None` where it is about no operation.
    pub fn told(&self) -> Option<Told<'_>> {
        let (op, object, times) = (self.op.as_str(), self.object.as_str(), self.times);
        Some(Told { fate: self.fate?, stage: self.stage?, means: self.means?, op, object, times })
    }
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(told) = self.told() {
            return write!(f, "{told}: {}", self.reason);
        }
        let by = self.stage.map_or_else(|| "from outside".to_owned(), |stage| format!("by {}", stage.name()));
        match self.kind {
            Kind::Denial | Kind::Alert => write!(f, "alert {by}, `{}`: {}", self.object, self.reason),
            Kind::Restricted => write!(f, "restricted {by}: {}", self.reason),
            Kind::Frozen => write!(f, "FROZEN {by}: {}", self.reason),
            Kind::GoesOn => write!(f, "goes on: {}", self.reason),
            Kind::Killed => write!(f, "killed {by}: {}", self.reason),
            Kind::Met => write!(f, "reached outside: {}", self.reason),
            Kind::KeyUsed => write!(f, "signed: {} with {}", self.op, self.object),
            Kind::KeyRefused => write!(f, "not signed: {} with {}: {}", self.op, self.object, self.reason),
        }
    }
}
