//! What can go wrong while deciding and while arming.

use std::path::PathBuf;

/// An error of the guard.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// the kernel side failed
    #[error(transparent)]
    Kernel(#[from] collector::Error),
    /// a file could not be read, written or opened
    #[error("`{path}` could not be {what}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// `opened`, `read`, `written`, ...
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// a system call failed
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// a baseline needs more entries than the kernel's maps take
    #[error(
        "the baseline of a {normal} needs {wanted} {what} in the kernel's deny-list, which takes {limit}: nothing was \
         armed; `--shadow` only watches, and recording with a smaller home or fewer open directories needs fewer"
    )]
    TooBig {
        /// Whose baseline.
        normal: String,
        /// `labels` or `networks`.
        what: &'static str,
        /// How many it needs.
        wanted: usize,
        /// How many there can be.
        limit: usize,
    },
    /// looking at the jewels took too long
    #[error(
        "looking through what is guarded in the home took longer than {} s: a file system there is slow, or a directory of \
         credentials holds far too many files",
        .0.as_secs()
    )]
    TooLong(std::time::Duration),
    /// a baseline arms nothing
    #[error(transparent)]
    Unfit(#[from] models::Error),
    /// nobody answers permission events
    #[error(
        "nobody answers permission events any more: end the supervisor with `wardline stop`, and try again"
    )]
    Unanswered,
    /// a user's sessions hold as much of the deny-list as one user may
    #[error(
        "sessions of user {uid} hold {held} {what} of the kernel's deny-list, as many as one user may: end one of them, or have \
         fewer files below directories of credentials"
    )]
    Quota {
        /// Whose.
        uid: u32,
        /// What they hold.
        what: &'static str,
        /// How many.
        held: usize,
    },
    /// a session took other rules as often as one may
    #[error(
        "this session took other rules {0} times, as often as one may: they count from the next session on"
    )]
    Taken(u32),
    /// what is left of the deny-list is root's
    #[error(
        "sessions of all users hold {held} {what} of the kernel's deny-list, and the rest is root's: end one of them"
    )]
    Full {
        /// What they hold.
        what: &'static str,
        /// How many.
        held: usize,
    },
    /// files of rules that are none
    #[error("these rules cannot be obeyed, so that nothing was started:\n{0}")]
    Rules(#[from] policy::Wrong),
    /// somebody else may have written a file
    #[error("`{file}` is not believed: {why}; {help}", file = file.display())]
    NotBelieved {
        /// The file, or a directory on the way to it.
        file: PathBuf,
        /// Why.
        why: String,
        /// What to do.
        help: &'static str,
    },
    /// a user's own rule would hold for others
    #[error(
        "rule `{rule}` closes `{path}`, which does not belong to you, and would hold in other users' sessions, too: root may put \
         such a rule into `{directory}`", path = path.display()
    )]
    NotOwn {
        /// Its id.
        rule: String,
        /// What it closes.
        path: PathBuf,
        /// Where root's rules for all are.
        directory: &'static str,
    },
    /// a link may be a session's
    #[error(
        "`{}` is a link, which a session may have made, and was not followed: what it leads to is closed from the next session on",
        .0.display()
    )]
    Linked(PathBuf),
    /// somebody outside took a place while what lay there was put back
    #[error(
        "`{}`, which somebody outside put at `{}` meanwhile, could not be moved back there: {source}; move it yourself, with `mv -n`",
        .lies.display(), .belongs.display()
    )]
    Misplaced {
        /// Where it lies.
        lies: PathBuf,
        /// Where it was.
        belongs: PathBuf,
        /// Why it stays.
        source: std::io::Error,
    },
    /// a live probe could not be made
    #[error("the live probe could not be made: {0}")]
    Probe(&'static str),
}

impl Error {
    /// An error of a system call on a file.
    pub fn file(path: impl Into<PathBuf>, what: &'static str, source: impl Into<std::io::Error>) -> Self {
        Self::File { path: path.into(), what, source: source.into() }
    }

    /// An error of a system call.
    pub fn io(what: &'static str, source: impl Into<std::io::Error>) -> Self {
        Self::Io { what, source: source.into() }
    }
}
