//! The effects of an event: actions, and notices.

use super::passed::Deed;
use super::standstill::Cause;
use event::{Access, Stage};
use models::Verdict;
use wire::{Denial, Peer};

/// What the supervisor has to do, or to show. Those that stop something are done by [`Live::apply`].
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A stage spoke against an operation.
    Denied(Denial),
    /// The score says something.
    Alert {
        /// CLOCK_BOOTTIME, ns.
        time_ns: u64,
        /// Its verdict.
        verdict: Verdict,
        /// Its p-value.
        p: f64,
        /// In plain words, the weightiest first.
        reasons: Vec<String>,
    },
    /// These accesses are to be refused from now on.
    Restrict(Answer),
    /// The session is to be frozen.
    Freeze(Answer),
    /// The session is to be killed.
    Kill(Answer),
    /// A key of the user was used for the session, or asked for in vain.
    Used {
        /// CLOCK_BOOTTIME, ns.
        time_ns: u64,
        /// What for, and what became of it.
        used: broker::Use,
    },
    /// A process outside of the session was reached, and nothing speaks against it, or not any more.
    Met {
        /// CLOCK_BOOTTIME, ns.
        time_ns: u64,
        /// Who, and where.
        peer: Peer,
    },
    /// What nothing could refuse has happened, as a change of a jewel: who did it is to be ended, or the session frozen.
    Stop {
        /// The process.
        pid: u32,
        /// The whole session, and frozen.
        freeze: bool,
        /// For what.
        cause: Cause,
    },
    /// An agent outside of the session was reached, or what no process of it may have is shared: the session is to be ended.
    End {
        /// CLOCK_BOOTTIME, ns.
        time_ns: u64,
        /// The agent's process.
        pid: u32,
        /// Why, and what to do.
        reason: String,
    },
}

/// What T2 answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// CLOCK_BOOTTIME of the operation that crossed, ns.
    pub time_ns: u64,
    /// Accesses that are taken away.
    pub access: Access,
    /// Number of the reason.
    pub number: u32,
    /// The reason in words.
    pub reason: String,
    /// The operation that crossed, in words.
    pub what: String,
    /// What is let pass if the session is frozen, and goes on.
    pub deed: Deed,
}

impl Answer {
    /// What the session is frozen for.
    pub(super) fn cause(&self) -> Cause {
        let Answer { time_ns, reason, what, deed, .. } = self.clone();
        Cause { time_ns, stage: Some(Stage::T2), what, reason, deed }
    }
}
