//! Errors of a store, with advice.

use crate::SessionId;
use rusqlite::ErrorCode;
use rusqlite::ffi;
use std::path::{Path, PathBuf};

/// What the functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a store could not be opened, read or written. Cloneable, since the error that stops a recorder is told to
/// every later caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no file.
    #[error("no store at `{}`: record a session first, or give the path of another store", path.display())]
    Missing {
        /// Where the store was looked for.
        path: PathBuf,
    },
    /// The directory for a new store does not exist.
    #[error("the directory of `{}` does not exist: create it first, owned by the user who records", path.display())]
    NoParent {
        /// Where the store was to be.
        path: PathBuf,
    },
    /// The system refused to read or write it.
    #[error("no permission for the store `{}` ({detail}): run as its owner", path.display())]
    Permission {
        /// The store.
        path: PathBuf,
        /// What was refused.
        detail: String,
    },
    /// The file is something else than a database.
    #[error("`{}` is not a database: give the path of a store, or move the file away", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// A database of another program.
    #[error("`{}` is a database of another program (application id {application_id:#010x}): give another path", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it carries as its application id.
        application_id: i32,
    },
    /// Written by a later version of Wardline.
    #[error("the store `{}` has schema {found}, this version reads up to {supported}: update Wardline", path.display())]
    Newer {
        /// The store.
        path: PathBuf,
        /// Its schema.
        found: i32,
        /// The newest schema that this version knows.
        supported: i32,
    },
    /// Written by an earlier version; a reader does not migrate.
    #[error(
        "the store `{}` has schema {found}, this version reads {supported}: record into it once to migrate it",
        path.display()
    )]
    Outdated {
        /// The store.
        path: PathBuf,
        /// Its schema.
        found: i32,
        /// The schema that this version reads.
        supported: i32,
    },
    /// The file ends before its own header says.
    #[error(
        "the store `{}` is cut off: {size} bytes of {expected}; restore it from a backup, or move it away",
        path.display()
    )]
    Truncated {
        /// The store.
        path: PathBuf,
        /// Its size, bytes.
        size: u64,
        /// The size that its header names, bytes.
        expected: u64,
    },
    /// The content contradicts itself.
    #[error(
        "the store `{}` is damaged ({detail}): restore it from a backup, or move it away together with its `-wal` file",
        path.display()
    )]
    Corrupt {
        /// The store.
        path: PathBuf,
        /// Where it was noticed.
        detail: String,
    },
    /// Another process held the store for longer than the time-out. Nothing was lost: the call can be repeated.
    #[error("the store `{}` is held by another process: wait for its writer to finish, then try again", path.display())]
    Busy {
        /// The store.
        path: PathBuf,
    },
    /// No space is left. What had been committed is kept.
    #[error("no space is left for the store `{}`: free some, or prune it; what was committed is kept", path.display())]
    Full {
        /// The store.
        path: PathBuf,
    },
    /// The store holds no such session.
    #[error("the store `{}` has no session {id}: list its sessions for the ones it has", path.display())]
    NoSession {
        /// The store.
        path: PathBuf,
        /// The session that was asked for.
        id: SessionId,
    },
    /// The numbers of sessions, or of the rows of one, are used up.
    #[error("the store `{}` has no number left for another {what}: begin a new store", path.display())]
    Exhausted {
        /// The store.
        path: PathBuf,
        /// What could not be numbered.
        what: &'static str,
    },
    /// The thread of a [`crate::Writer`] has ended.
    #[error("the writer of the store `{}` has ended: open another one", path.display())]
    Closed {
        /// The store.
        path: PathBuf,
    },
    /// The system failed otherwise.
    #[error("the store `{}` failed: {detail}; look for errors of the disk", path.display())]
    Io {
        /// The store.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// A line of an export that is none.
    #[error("line {line} is no line of an export: {detail}")]
    Line {
        /// Its number, from 1, as the caller counts.
        line: u64,
        /// What is wrong with it.
        detail: String,
    },
    /// Where an export was written to failed.
    #[error("writing the export failed: {detail}; look at what reads it")]
    Sink {
        /// The kind, so that a closed pipe can be told from a full disk.
        kind: std::io::ErrorKind,
        /// What the system said.
        detail: String,
    },
}

impl Error {
    /// The call changed nothing and may be repeated, or was wrong in itself: a recorder goes on after it.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Error::Busy { .. } | Error::NoSession { .. } | Error::Line { .. })
    }

    /// The same of a store that others know by another path.
    pub fn at(mut self, known: &Path) -> Error {
        match &mut self {
            Error::Missing { path }
            | Error::NoParent { path }
            | Error::Permission { path, .. }
            | Error::NotADatabase { path }
            | Error::Foreign { path, .. }
            | Error::Newer { path, .. }
            | Error::Outdated { path, .. }
            | Error::Truncated { path, .. }
            | Error::Corrupt { path, .. }
            | Error::Busy { path }
            | Error::Full { path }
            | Error::NoSession { path, .. }
            | Error::Exhausted { path, .. }
            | Error::Closed { path }
            | Error::Io { path, .. } => *path = known.to_path_buf(),
            Error::Line { .. } | Error::Sink { .. } => {}
        }
        self
    }

    pub(crate) fn corrupt(path: &Path, detail: impl Into<String>) -> Error {
        Error::Corrupt { path: path.into(), detail: detail.into() }
    }

    pub(crate) fn io(path: &Path, error: &std::io::Error) -> Error {
        let (path, detail) = (path.to_path_buf(), error.to_string());
        match error.kind() {
            std::io::ErrorKind::NotFound => Error::Missing { path },
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                Error::Permission { path, detail }
            }
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Error::Full { path },
            _ => Error::Io { path, detail },
        }
    }

    /// What SQLite's error means for a store that was found to be one.
    pub(crate) fn sqlite(path: &Path, error: rusqlite::Error) -> Error {
        let detail = error.to_string();
        let Some(failure) = error.sqlite_error() else {
            // A value of another type or range than the schema writes, or a row that must be there and is not.
            return Error::Corrupt { path: path.into(), detail };
        };
        let path = path.to_path_buf();
        match (failure.code, failure.extended_code) {
            (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => Error::Busy { path },
            (ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => Error::Full { path },
            (ErrorCode::NotADatabase, _) => Error::NotADatabase { path },
            (ErrorCode::DatabaseCorrupt | ErrorCode::ConstraintViolation | ErrorCode::Unknown, _)
            | (_, ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS | ffi::SQLITE_IOERR_DATA) => {
                Error::Corrupt { path, detail }
            }
            (ErrorCode::PermissionDenied | ErrorCode::ReadOnly, _) => Error::Permission { path, detail },
            _ => Error::Io { path, detail },
        }
    }
}
