//! What can go wrong while training or keeping baselines, and what to do about it.

use event::{AgentName, TASKS_LONGEST, Tasks};
use std::path::PathBuf;

/// Why there is no baseline, or it could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Training.
    #[error(transparent)]
    Train(#[from] models::Error<store::Error>),
    /// Nothing to train on.
    #[error(
        "no session of {agent} for {task}: record some with `wardline record --agent {agent} --task {task} -- COMMAND`"
    )]
    NoSessions {
        /// The agent asked for, or `any agent`.
        agent: String,
        /// The task asked for, or `any task`.
        task: String,
    },
    /// More tasks than a file's name holds.
    #[error("no baseline has the name `{0}`: its tasks have at most {TASKS_LONGEST} letters together")]
    Long(Tasks),
    /// The file system refused.
    #[error("{doing} `{}`: {error}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// No such baseline.
    #[error("no baseline for {agent} and `{task}` at `{}`: train one with `wardline train`", path.display())]
    Missing {
        /// The agent.
        agent: AgentName,
        /// The task.
        task: Tasks,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file is no baseline for this machine and build.
    #[error("the baseline `{}` is refused: {error}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        error: models::Error,
    },
    /// A file under one name holds a baseline of another.
    #[error("the baseline `{}` is refused: it is one of {agent} for `{task}`; train it again", path.display())]
    Misplaced {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        agent: AgentName,
        /// Which task it is for.
        task: Tasks,
    },
    /// A file that others could read or change.
    #[error("`{}` is {problem}: remove it, and train the baselines again", path.display())]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The counter file is malformed or went missing beside baselines that need it.
    #[error("the counter `{}` is {problem}: baselines cannot be told from older ones; remove them and train again", path.display())]
    Counter {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
}
