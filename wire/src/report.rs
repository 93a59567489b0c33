//! The report of a session, as the client prints it when the command has ended.

use crate::{Delegate, GoOn, Lag, Latency, Peer};
use event::{AgentName, Fate, Means, Mode, Stage, TaskName, Tier, Told, Unseen};
use models::State;
use serde::{Deserialize, Serialize};

/// Denials that a report carries one by one; more are only counted.
pub const DENIALS_MAX: usize = 1_000;

/// One operation that a stage spoke against, however often it was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Denial {
    /// CLOCK_BOOTTIME, ns.
    pub time_ns: u64,
    /// Which decision.
    pub stage: Stage,
    /// By what it was stopped, or would have been.
    pub means: Means,
    /// The operation.
    pub op: String,
    /// What it acted on, for people.
    pub object: String,
    /// Process.
    pub pid: u32,
    /// What became of it.
    pub fate: Fate,
    /// How often it was tried: the same process or another, with the same object and the same fate.
    pub times: u64,
    /// Number of the reason.
    pub number: u32,
    /// The reason in words.
    pub reason: String,
}

impl Denial {
    /// What was done, and what became of it.
    pub fn told(&self) -> Told<'_> {
        Told {
            fate: self.fate,
            stage: self.stage,
            means: self.means,
            op: &self.op,
            object: &self.object,
            times: self.times,
        }
    }
}

/// The session was frozen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Freeze {
    /// CLOCK_BOOTTIME, ns.
    pub time_ns: u64,
    /// The stage; `None`: it was asked for from outside, or what guarded the session had died.
    pub stage: Option<Stage>,
    /// What was done, and what became of it; empty where no single operation is meant.
    pub what: String,
    /// Why, in words.
    pub reason: String,
    /// How far its owner let it go on; `None`: it did not.
    pub went_on: Option<GoOn>,
}

/// A use of the user's keys, by the session's broker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyUse {
    /// What for, and what became of it.
    pub used: broker::Use,
    /// How often.
    pub count: u64,
}

/// The operation that T2 stopped, and how many of its kind had passed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeated {
    /// The operation.
    pub op: String,
    /// Where its object lay.
    pub class: String,
    /// How many of these the session did and got through with.
    pub passed: u64,
}

/// What a session amounted to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its id.
    pub session: String,
    /// The agent.
    pub agent: AgentName,
    /// The task of its last segment.
    pub task: TaskName,
    /// What it is for.
    pub mode: Mode,
    /// What its kernel can do.
    pub tier: Tier,
    /// What the baseline did: refuse, or watch; `None` without one.
    pub baseline: Option<State>,
    /// Operations that were seen.
    pub events: u64,
    /// System calls that were seen.
    pub syscalls: u64,
    /// Records that were lost.
    pub lost: u64,
    /// Operations whose path could not be resolved.
    pub unresolved: u64,
    /// Distinct files.
    pub files: u64,
    /// Distinct hosts.
    pub hosts: u64,
    /// Distinct programs.
    pub programs: u64,
    /// Programs started.
    pub execs: u64,
    /// Operations that were refused: they did not happen.
    pub denied: u64,
    /// Operations that happened, and that a process or the session was stopped for.
    pub stopped: u64,
    /// Operations that happened although a stage spoke against them: in a shadow session, or since the owner let them pass.
    pub happened: u64,
    /// Alerts of the score.
    pub alerts: u64,
    /// Operations on a crown jewel, except for a tool's look at its own credentials that was refused.
    pub t0_hits: u64,
    /// Times that `ssh` looked at its keys, or would have noted a host's, as it does whenever it runs: refused, and counted
    /// nowhere else.
    pub looks: u64,
    /// Uses of the user's keys, each kind once.
    pub keys: Vec<KeyUse>,
    /// Smallest p-value of the score; `None` without a baseline.
    pub score: Option<f64>,
    /// The strongest verdict: `allow`; `routine` where only a tool's look at its own credentials was refused; `deny` where
    /// other operations were refused or stopped; `would-deny` where that is only said; or what the score led to.
    pub verdict: String,
    /// Exit status of the command: its code, or 128 and the signal.
    pub exit_status: Option<i32>,
    /// Duration, ns.
    pub duration_ns: u64,
    /// What came before the session was attached.
    pub unseen: Option<Unseen>,
    /// Who listens outside of the session where it has connected to, or was kept from: the first 256.
    pub peers: Vec<Peer>,
    /// The agent outside of the session that was reached, and for which the session was ended.
    pub delegate: Option<Delegate>,
    /// The stage that refused or stopped something first; whether the agent went on is another question.
    pub stopped_by: Option<Stage>,
    /// By what.
    pub means: Option<Means>,
    /// Actions of the session that got through before that; all of them where nothing was stopped.
    pub operations_before_denial: u64,
    /// What T2 stopped.
    pub repeated: Option<Repeated>,
    /// From the operation that crossed the threshold to the answer of T2, ns.
    pub t2_latency_ns: Option<u64>,
    /// The first thousand denials, equal ones once.
    pub denials: Vec<Denial>,
    /// When it was frozen, for what, and whether it went on: the first hundred times.
    pub freezes: Vec<Freeze>,
    /// Why, each reason once, in the order of their first use.
    pub reasons: Vec<String>,
    /// What the user should know: what was not guarded, and what a baseline would add.
    pub notes: Vec<String>,
    /// How far the score was behind the kernel; `None` without a baseline.
    pub lag: Option<Lag>,
    /// How long fanotify's answers took; `None` where it is not used.
    pub fanotify: Option<Latency>,
}
