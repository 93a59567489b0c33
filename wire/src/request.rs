//! Clients' requests to the supervisor.

use crate::{Confinement, GoOn, Way};
use bstr::BString;
use event::{AgentName, Mode, SessionRef, TaskName};
use serde::{Deserialize, Serialize};

/// Asks for a session around a command that the client holds before its `execve`. Carries the command's pidfd.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Begin {
    /// What the session is for.
    pub mode: Mode,
    /// The agent.
    pub agent: AgentName,
    /// The task of the first segment.
    pub task: TaskName,
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
    /// How the command leads to its agent, where it is not the agent itself.
    pub way: Option<Way>,
    /// The user asked for what is refused otherwise: a workspace that is a home, or holds a crown jewel.
    pub force: bool,
    /// The baseline is to refuse, whatever its trial says.
    pub force_baseline: bool,
    /// The command may run as root.
    pub as_root: bool,
    /// What the client can give to the command before its first instruction.
    pub confinement: Confinement,
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

/// A request. One connection carries one request, except for [`Request::Begin`], which [`Request::Ended`] follows.
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
    /// Whether the guard is in time again, on the connection of the session itself: [`Reply::InTime`] follows when whatever the
    /// kernel stopped past a deadline goes on.
    InTime,
    /// The session is to be killed. Follows [`Request::Begin`].
    Kill,
    /// Leaves an attached session: its processes go on, unseen and unguarded. Refused while it is frozen.
    Detach,
    /// Opens a new segment.
    Task {
        /// The session.
        session: SessionRef,
        /// Its user, where that is not plain.
        owner: Option<u32>,
        /// The task of the new segment.
        task: TaskName,
    },
    /// Has running sessions take the rules that hold now: what closes and tells more, at once.
    Rules {
        /// One session; otherwise all that the caller may see.
        session: Option<SessionRef>,
        /// Their user, where that is not plain.
        owner: Option<u32>,
    },
    /// Follows notices: [`Reply::Notice`] until one side hangs up, or where only the past is left.
    Tail {
        /// One session only.
        session: Option<SessionRef>,
        /// So many of the past come first.
        past: usize,
    },
    /// Lists the running sessions that the caller may see.
    Sessions,
    /// Stops, freezes or thaws a session.
    StopSession {
        /// The session.
        session: SessionRef,
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
pub const READING_COMMANDS: [&str; 6] = ["sessions", "show", "why", "export", "baselines", "baseline"];
