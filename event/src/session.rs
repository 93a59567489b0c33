//! A session, its segments, and the events in it.

use crate::{Access, AgentName, Decision, Fate, Mode, Object, Op, Stage, TaskName, Tier};
use serde::{Deserialize, Serialize};

/// One run of one agent: what was said about it when it began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionMeta {
    /// The agent.
    pub agent: AgentName,
    /// The task of the first segment.
    pub task: TaskName,
    /// The command, argv.
    pub command: Vec<String>,
    /// Where the objects of this session lie: see [`crate::Context`].
    pub context: crate::Context,
    /// What it is for.
    pub mode: Mode,
    /// What its kernel could do.
    pub tier: Tier,
    /// `uname -r`
    pub kernel: String,
    /// Wall clock at the start, ns since 1970.
    pub started_unix_ns: i64,
    /// CLOCK_BOOTTIME at the start, ns.
    pub started_boot_ns: u64,
}

/// A stretch of a session with one task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Counted from 0 within the session.
    pub index: u32,
    /// The task.
    pub task: TaskName,
    /// CLOCK_BOOTTIME, ns.
    pub started_boot_ns: u64,
}

/// How a session ended, and what it amounted to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Exit status of the command: its code, or 128 and the signal. `None`: Wardline ended before it.
    pub exit_status: Option<i32>,
    /// Operations recorded.
    pub events: u64,
    /// System calls recorded.
    pub syscalls: u64,
    /// Records lost, all kinds.
    pub lost: u64,
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
    #[serde(default)]
    pub stopped: u64,
    /// T0 labels that were met: such a session never trains.
    pub t0_hits: u64,
    /// Alerts of the score.
    pub alerts: u64,
    /// Events whose path could not be resolved.
    pub unresolved: u64,
    /// Smallest p-value that the score reached; `None` without a baseline.
    pub score: Option<f64>,
    /// The strongest verdict, by name.
    pub verdict: String,
    /// Duration, ns.
    pub duration_ns: u64,
    /// What came before; `None` for a session that began with its command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Unseen>,
}

/// Something that the user should see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// CLOCK_BOOTTIME, ns.
    pub time_ns: u64,
    /// Segment of the session.
    pub segment: u32,
    /// Which decision it comes from.
    pub stage: Stage,
    /// Name of the verdict: `alert`, `restrict`, ...
    pub verdict: String,
    /// The score: a p-value; `None` where no score was involved. NaN is stored as `None`.
    pub p: Option<f64>,
    /// Why, in plain words, the weightiest first.
    pub reasons: Vec<String>,
}

/// What a session that was attached to a running process tree did not see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unseen {
    /// Processes that ran before they were taken in.
    pub processes: u32,
    /// How long the oldest of them had run, ns.
    pub since_ns: u64,
}

/// How an operation came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The kernel let it through; what it returned, where that was seen (0 otherwise).
    Done(i64),
    /// It failed with this errno (positive), Wardline's refusals included.
    Failed(i32),
}

/// A process or thread was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fork {
    /// tgid of the child.
    pub pid: u32,
    /// tid of the child; equal to `pid` for a process.
    pub tid: u32,
}

/// One operation that the kernel saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// CLOCK_BOOTTIME, ns.
    pub time_ns: u64,
    /// Segment of the session.
    pub segment: u32,
    /// Process (tgid).
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// What was done.
    pub op: Op,
    /// What it wanted.
    pub access: Access,
    /// What it acted on.
    pub object: Object,
    /// Target of a rename, link or symlink; of an exec the script that the program interprets; of a connection through a
    /// unix socket the process on the other side.
    pub second: Option<Object>,
    /// How it came out.
    pub outcome: Outcome,
    /// What a stage decided, if one did.
    pub decision: Option<Decision>,
    /// The child of a fork.
    pub fork: Option<Fork>,
    /// `O_*` flags of an open, mode of a chmod, exit code of an exit, `FORK_*` bits of a fork.
    pub detail: u32,
}

impl Event {
    /// One that came through, of which no more is known than this.
    pub fn of(op: Op, access: Access, object: Object) -> Event {
        Event {
            time_ns: 0,
            segment: 0,
            pid: 0,
            tid: 0,
            op,
            access,
            object,
            second: None,
            outcome: Outcome::Done(0),
            decision: None,
            fork: None,
            detail: 0,
        }
    }

    /// What became of it, where a stage spoke against it; `None` where none did, and where it failed by itself.
    pub fn fate(&self) -> Option<Fate> {
        let fate = self.decision?.fate();
        let failed = fate == Fate::Happened && matches!(self.outcome, Outcome::Failed(_));
        (!failed).then_some(fate)
    }
}

/// One system call of the raw sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Syscall {
    /// CLOCK_BOOTTIME, ns.
    pub time_ns: u64,
    /// Thread.
    pub tid: u32,
    /// Its number.
    pub number: u32,
    /// A 32-bit call, with the numbers of that architecture.
    pub compat: bool,
    /// What it returned.
    pub ret: i64,
}

/// Records that did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// CLOCK_BOOTTIME when it was noticed, ns.
    pub time_ns: u64,
    /// CPU that lost them.
    pub cpu: u32,
    /// Kind of record: `abi::kind`, `abi::LOSS_*`, or [`Loss::UNSTORED`].
    pub kind: u32,
    /// How many.
    pub count: u64,
}

impl Loss {
    /// The kind of records that arrived and were not kept: they went past the limit of the store, or its disk stood still. Far from
    /// the kernel's.
    pub const UNSTORED: u32 = 1000;

    /// What was lost, or why, in words.
    pub fn what(&self) -> &'static str {
        const KINDS: [&str; 15] = [
            "",
            "forks",
            "execs",
            "exits",
            "system calls",
            "operations on files",
            "operations on claimed paths",
            "operations on sockets",
            "operations on processes or the kernel",
            "no buffer was free",
            "processes without room in the map of members",
            "changed inodes",
            "packets",
            "what they tell of could not be read",
            "missing, and not counted by the kernel side",
        ];
        if self.kind == Self::UNSTORED {
            return "counted and not kept: past the limit of the store, or while its disk stood still";
        }
        KINDS.get(self.kind as usize).copied().filter(|what| !what.is_empty()).unwrap_or("unknown")
    }
}

/// What the collector hands on, in the order of the rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Captured {
    /// An operation.
    Event(Box<Event>),
    /// A raw system call.
    Syscall(Syscall),
    /// A loss.
    Loss(Loss),
}
