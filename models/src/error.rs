//! What can go wrong while a baseline is trained, sealed, read and armed, and what to do about it.

use crate::limits::{FORMAT_VERSION, SESSIONS_MIN, SIZE_MAX};
use event::{AgentName, TaskName, Tasks};
use std::convert::Infallible;

/// Why there is no baseline, or none that may be used. `E`: why a session cannot be read, where sessions are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error<E = Infallible> {
    /// Not a baseline at all.
    #[error("this is not a baseline")]
    Foreign,
    /// Shorter than it says.
    #[error("the baseline is cut short: {found} bytes of {expected}")]
    Truncated {
        /// Bytes there are.
        found: usize,
        /// Bytes there should be.
        expected: usize,
    },
    /// Larger than any baseline.
    #[error("the baseline has {0} bytes, and the limit is {SIZE_MAX}")]
    TooLarge(u64),
    /// Written by another version.
    #[error(
        "the baseline has format {found}, and this build reads {FORMAT_VERSION}: use a build that fits, or make it again with `wardline train`"
    )]
    OtherFormat {
        /// Its version.
        found: u32,
    },
    /// Not sealed with this key, or changed since.
    #[error("the baseline's seal does not fit: it comes from another machine or was changed")]
    Seal,
    /// Trained by a build that reads events differently.
    #[error("the baseline was trained by a build that reads events differently: train it again")]
    OtherVocabulary,
    /// An older one was put in its place.
    #[error("the baseline was rolled back: its counter is {found}, and {expected} has been seen")]
    RolledBack {
        /// Its counter.
        found: u64,
        /// The lowest that is accepted.
        expected: u64,
    },
    /// Sealed, and yet not well-formed.
    #[error("the baseline's content is malformed: {0}")]
    Malformed(String),
    /// Too few sessions.
    #[error(
        "{found} usable sessions of {agent} for `{task}`, and a baseline needs {SESSIONS_MIN}: record more"
    )]
    TooFewSessions {
        /// The agent.
        agent: AgentName,
        /// The task.
        task: TaskName,
        /// Usable sessions.
        found: usize,
    },
    /// A session cannot be read.
    #[error("a session cannot be read: {0}")]
    Read(E),
    /// Its training was cut short.
    #[error("the baseline of {0} for `{1}` is partial: train it again with all its sessions")]
    Partial(AgentName, Tasks),
    /// It rests on too few sessions.
    #[error(
        "the baseline of {agent} for `{task}` rests on {sessions} sessions and needs {SESSIONS_MIN}: record more"
    )]
    RestsOnFew {
        /// The agent.
        agent: AgentName,
        /// The task.
        task: Tasks,
        /// Sessions that it has.
        sessions: usize,
    },
    /// Trained by a build that reads events differently.
    #[error(
        "the baseline of {0} for `{1}` was trained by a build that reads events differently: train it again"
    )]
    Outdated(AgentName, Tasks),
}
