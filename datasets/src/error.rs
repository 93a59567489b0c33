//! Errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

/// Why a world could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the world could not be written, read or changed.
    #[error("cannot {doing} `{}`", path.display())]
    File {
        /// What was tried: "write", "read", ...
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The network namespace could not be made.
    #[error("the network of the demo could not be made ({step})")]
    Network {
        /// Which step failed.
        step: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// A program that every session needs is missing.
    #[error("`{0}` is not installed in /usr/local/bin, /usr/bin or /bin; install it and try again")]
    NoTool(&'static str),
    /// A helper program failed.
    #[error("{what} failed ({status}): {output}")]
    Failed {
        /// What was being done.
        what: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it printed.
        output: String,
    },
    /// A file of a corpus, of scripts or of a package holds something else than it should.
    #[error("`{}` cannot be read: {detail}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A corpus of another format.
    #[error("`{}` has format {format}, and this program reads format {known}: make or import the corpus again", path.display())]
    Format {
        /// The description of the corpus.
        path: PathBuf,
        /// Its format.
        format: u32,
        /// What is read here.
        known: u32,
    },
    /// The world of recordings is in use.
    #[error("`{}` is in use: another process makes or replays a corpus on this machine; wait for it", path.display())]
    Taken {
        /// The world.
        path: PathBuf,
    },
    /// An agent, a package or a tool that is needed is not there.
    #[error("{what} is missing: {detail}")]
    Missing {
        /// What.
        what: String,
        /// Why, and what to do.
        detail: String,
    },
    /// A file is to be handed out by an address that is none of the hostile hosts.
    #[error("no host answers at {0}: see the table of hosts in `datasets/scenarios/README.md`")]
    NoHost(std::net::SocketAddrV4),
    /// No user id could be found that nobody uses.
    #[error("no unused user id was found for the pretended agent")]
    NoUser,
}

/// Names the file in an I/O error.
pub(crate) fn at<T>(doing: &'static str, path: &Path, result: io::Result<T>) -> Result<T, Error> {
    result.map_err(|source| Error::File { doing, path: path.to_owned(), source })
}
