//! The reasons for which a session is frozen.

use super::passed::Deed;
use event::Stage;

/// What a session is frozen for.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// CLOCK_BOOTTIME, ns.
    pub time_ns: u64,
    /// The stage; `None`: it was asked for from outside, or what guards the session has died.
    pub stage: Option<Stage>,
    /// What was done, and what became of it; empty where no single operation is meant.
    pub what: String,
    /// Why, in words.
    pub reason: String,
    /// What is let pass if the session goes on.
    pub deed: Deed,
}

/// A session that stands still.
#[derive(Debug)]
pub(crate) struct Standstill {
    pub(super) stage: Option<Stage>,
    pub(super) what: Vec<String>,
    pub(super) why: Vec<String>,
    pub(super) deeds: Vec<Deed>,
    /// What was refused to the whole session before: access bits, and the number of the reason.
    pub(super) restricted: (u32, u32),
}
