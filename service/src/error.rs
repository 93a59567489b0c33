//! Errors of the processes beside the sessions.

use std::io;
use std::path::PathBuf;

/// An error of the service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// a stage or a means failed
    #[error(transparent)]
    Guard(#[from] guard::Error),
    /// a file could not be read, written or opened
    #[error("`{path}` could not be {what}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// `opened`, `read`, `written`, ...
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// a system call failed
    #[error("{what}: {source}")]
    Io {
        /// What could not be done.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// the supervisor says nothing that can be understood, or takes nothing
    #[error("the supervisor cannot be spoken with: {0}")]
    Supervisor(#[from] wire::Error),
    /// sessions are not written down
    #[error("{0}")]
    Teller(String),
}

impl Error {
    /// An error of a system call on a file.
    pub(crate) fn file(path: impl Into<PathBuf>, what: &'static str, source: impl Into<io::Error>) -> Self {
        Self::File { path: path.into(), what, source: source.into() }
    }

    /// An error of a system call.
    pub(crate) fn io(what: &'static str, source: impl Into<io::Error>) -> Self {
        Self::Io { what, source: source.into() }
    }
}

/// The kernel side's.
impl From<collector::Error> for Error {
    fn from(error: collector::Error) -> Self {
        Self::Guard(error.into())
    }
}
