//! The supervisor's replies.

use crate::{Confinement, Frozen, Notice, Report};
use bstr::BString;
use event::{AgentName, Mode, TaskName, Tier};
use serde::{Deserialize, Serialize};

/// An answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// The session is armed: the command may be released.
    Ready(Ready),
    /// The session stands still, or goes on again: told on its own connection, unasked.
    Frozen(Option<Box<Frozen>>),
    /// What the kernel had stopped past a deadline goes on: who still stands still was stopped by somebody else, or is frozen,
    /// which was told before.
    InTime,
    /// The session is over.
    Finished(Box<Finished>),
    /// The running sessions.
    Sessions(Vec<Running>),
    /// Something that `tail` shows.
    Notice(Box<Notice>),
    /// Done, in words.
    Done(String),
    /// What became of the rules of running sessions.
    Rules(Vec<TookRules>),
    /// The exit code of a reading command.
    Exited(i32),
    /// Refused or failed.
    Refused(Refused),
}

/// A session is armed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ready {
    /// Its id.
    pub session: String,
    /// What its kernel can do.
    pub tier: Tier,
    /// Its cgroup, where there is one.
    pub cgroup: Option<BString>,
    /// Processes that were taken in by an attachment; 0 for a session that begins with its command.
    pub processes: u32,
    /// Variables that the command gets: by these it finds what uses keys for it.
    pub variables: Vec<(BString, BString)>,
    /// What the client gives to the command of what it offered.
    pub confinement: Confinement,
    /// What the user should know, said after the command ended.
    pub notes: Vec<String>,
}

/// A session is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finished {
    /// What it amounted to.
    pub report: Report,
    /// Processes that the command left behind, and that were ended with the session.
    pub left_behind: u32,
}

/// A running session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// Its id.
    pub session: String,
    /// The agent.
    pub agent: AgentName,
    /// The task of the segment that runs.
    pub task: TaskName,
    /// What it is for.
    pub mode: Mode,
    /// `running` or `frozen`.
    pub state: String,
    /// Its user.
    pub uid: u32,
    /// The command.
    pub command: Vec<String>,
    /// Wall clock at the start, ns since 1970.
    pub started_unix_ns: i64,
    /// Processes inside.
    pub processes: u32,
    /// Operations refused so far.
    pub denied: u64,
    /// Operations that happened so far, and that something was stopped for.
    pub stopped: u64,
    /// Alerts so far.
    pub alerts: u64,
}

/// A running session was told of other rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TookRules {
    /// Its id.
    pub session: String,
    /// What became of its rules, in words; `Err`: why it goes on under those of before.
    pub became: Result<String, String>,
    /// What is not closed to it although they say so.
    pub warnings: Vec<String>,
}

/// Why a request was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The caller is inside a session.
    Inside,
    /// The caller is neither root nor the session's owner.
    NotOwner,
    /// Policy: a workspace that is refused, an agent as root.
    Policy,
    /// This kernel or this state of things cannot protect.
    CannotProtect,
    /// No such session.
    NoSuchSession,
    /// Sessions are running.
    Busy,
    /// The request was no request of this protocol, or not in order.
    Protocol,
    /// Something failed.
    Failed,
}

/// A refusal, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its kind.
    pub why: Why,
    /// What happened and what to do.
    pub message: String,
}

impl Refused {
    /// A refusal.
    pub fn new(why: Why, message: impl Into<String>) -> Self {
        Self { why, message: message.into() }
    }
}

impl From<Refused> for Reply {
    fn from(refused: Refused) -> Self {
        Reply::Refused(refused)
    }
}
