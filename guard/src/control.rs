//! What client and supervisor say to each other over the control socket.
//!
//! A frame is a head of eight bytes (`WL`, the protocol's version, the length of the body, little-endian) and a body in
//! MessagePack. Descriptors travel with the first byte of a frame. A reader bounds what it takes, since the other side
//! may be anybody: [`MAX_REQUEST_BYTES`] and [`MAX_REPLY_BYTES`].

mod fold;
mod frame;
mod frozen;
mod notice;

use crate::Report;
use bstr::BString;
pub use fold::Fold;
pub use frame::{Patience, Received, receive, receive_within, send};
pub use frozen::{Frozen, GoOn};
pub use notice::{Kind, Notice};
use serde::{Deserialize, Serialize};

/// Version of the protocol. Client and supervisor are one binary, so that only a supervisor that outlived an upgrade
/// can differ: it is refused with a plain message.
pub const PROTOCOL: u16 = 3;
/// Bytes of the longest request: an argument list is the longest thing in one, and Linux allows 128 KiB for one
/// argument; a command line beyond a mebibyte is refused.
pub const MAX_REQUEST_BYTES: usize = 1 << 20;
/// Bytes of the longest reply: a report with the first thousand denials of a session.
pub const MAX_REPLY_BYTES: usize = 16 << 20;

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Training: the static deny-list is enforced, everything is written down.
    Record,
    /// Every stage refuses.
    Enforce,
    /// Every stage decides, none refuses.
    Shadow,
}

impl Mode {
    /// Its name, as users see it and as the store keeps it.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Record => "record",
            Mode::Enforce => "enforce",
            Mode::Shadow => "shadow",
        }
    }
}

/// Asks for a session around a command that the client holds before its `execve`. Carries the command's pidfd.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Begin {
    /// What the session is for.
    pub mode: Mode,
    /// The agent, as a tag.
    pub agent: String,
    /// The task of the first segment.
    pub task: String,
    /// The command, argv.
    pub command: Vec<BString>,
    /// Pid of the held process, as the client sees it; verified against the pidfd.
    pub pid: u32,
    /// User that the command runs as; verified against the held process.
    pub uid: u32,
    /// Group that the command runs as; verified against the held process.
    pub gid: u32,
    /// Home of that user; believed from root only, otherwise read from the password file.
    pub home: BString,
    /// Directories that the agent was asked to work in, canonical.
    pub workspaces: Vec<BString>,
    /// Directories in which the agent keeps its own state.
    pub agent_state: Vec<BString>,
    /// Directories of compilers and package managers outside the system's own.
    pub toolchains: Vec<BString>,
    /// The variables of the command's environment that name sockets of delegated authority, and where parts of the home are.
    pub variables: Vec<(BString, BString)>,
    /// The user asked for what is refused otherwise: a workspace that is a home, or holds a crown jewel.
    pub force: bool,
    /// The baseline is to refuse, whatever its trial says.
    pub force_baseline: bool,
    /// The command may run as root.
    pub as_root: bool,
    /// `pid` runs already: it is taken in with everything that descends from it, and nothing is held.
    pub attach: bool,
}

/// What is done to a running session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Every process is killed.
    Kill,
    /// Every process is frozen where it is. Reversible.
    Freeze,
    /// A frozen session goes on: this loosens.
    Thaw(GoOn),
}

/// A request. One connection carries one request, but for [`Request::Begin`], which [`Request::Ended`] follows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Request {
    /// Begins a session.
    Begin(Box<Begin>),
    /// The session's command ended: its code, or 128 and the signal.
    Ended {
        /// The code.
        status: i32,
    },
    /// The process that the session was attached to ended. Follows [`Request::Begin`] like [`Request::Ended`].
    Gone,
    /// The user's answer to [`Reply::Frozen`], on the connection of the session itself: it goes on.
    GoOn {
        /// What it answers: see [`Frozen::number`].
        number: u32,
        /// How far.
        how: GoOn,
    },
    /// The session is to be killed. Follows [`Request::Begin`].
    Kill,
    /// Leaves an attached session: its processes go on, unseen and unguarded. Refused while it is frozen.
    Detach,
    /// Opens a new segment.
    Task {
        /// Its number, or `last`.
        session: String,
        /// Its user, where that is not plain.
        owner: Option<u32>,
        /// The task of the new segment.
        task: String,
    },
    /// Follows notices: [`Reply::Notice`] until one side hangs up, or where only the past is left.
    Tail {
        /// One session only.
        session: Option<String>,
        /// So many of the past come first.
        past: usize,
    },
    /// Lists the running sessions that the caller may see.
    Sessions,
    /// Stops, freezes or thaws a session.
    StopSession {
        /// Its number, or `last`.
        session: String,
        /// Its user, where that is not plain.
        owner: Option<u32>,
        /// What is done.
        action: Action,
    },
    /// Ends the supervisor.
    Stop {
        /// Kill the sessions that still run; otherwise they are a reason to refuse.
        kill_sessions: bool,
    },
    /// Runs a reading command with root's rights and the caller's identity, since store and baselines are root's.
    /// Carries the descriptors of its standard output and standard error.
    Read {
        /// Arguments behind `wardline`; the first is one of [`READING_COMMANDS`].
        args: Vec<String>,
    },
}

/// Commands that a user without root's rights reads through the supervisor.
pub const READING_COMMANDS: [&str; 5] = ["sessions", "show", "export", "baselines", "baseline"];

/// An answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// The session is armed: the command may be released.
    Ready(Ready),
    /// The session stands still, or goes on again: told on its own connection, unasked.
    Frozen(Option<Box<Frozen>>),
    /// The session is over.
    Finished(Box<Finished>),
    /// The running sessions.
    Sessions(Vec<Running>),
    /// Something that `tail` shows.
    Notice(Box<Notice>),
    /// Done, in words.
    Done(String),
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
    /// `lsm` or `tracepoint`.
    pub tier: String,
    /// Its cgroup, where there is one.
    pub cgroup: Option<BString>,
    /// Processes that were taken in by an attachment; 0 for a session that begins with its command.
    pub processes: u32,
    /// Variables that the command gets: by these it finds what uses keys for it.
    pub variables: Vec<(BString, BString)>,
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
    pub agent: String,
    /// The task of the segment that runs.
    pub task: String,
    /// `record`, `enforce` or `shadow`.
    pub mode: String,
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
