//! Errors of an evaluation.

use std::path::PathBuf;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The corpus.
    #[error(transparent)]
    Corpus(#[from] datasets::Error),
    /// A run names a session that the store does not have.
    #[error(
        "the run `{run}` names session {session}, and the corpus' store has none of that number: make the corpus again"
    )]
    NoSession {
        /// The run.
        run: String,
        /// The session.
        session: i64,
    },
    /// A run of an agent or a task that has no name.
    #[error("the run `{run}` has an agent or a task without a name: {error}; make the corpus again")]
    Name {
        /// The run.
        run: String,
        /// Why.
        error: event::NoName,
    },
    /// Corpora that are no parts of one.
    #[error("`{}` and `{}` are no parts of one corpus: {why}", first.display(), other.display())]
    Apart {
        /// One of them.
        first: PathBuf,
        /// The other.
        other: PathBuf,
        /// In what they differ.
        why: String,
    },
    /// No group can be evaluated.
    #[error("nothing can be evaluated: {0}")]
    Nothing(String),
    /// A file.
    #[error("{doing} `{}`: {error}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A result that cannot be read.
    #[error("`{}` is no result of an evaluation: {detail}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A line of a file of cases.
    #[error("`{}`, line {line}: {detail}", path.display())]
    Case {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        detail: String,
    },
    /// A curve cannot be drawn.
    #[error("a plot cannot be drawn: {0}")]
    Plot(String),
}
