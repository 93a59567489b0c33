//! Errors in facts about this machine.

use std::io;
use std::path::PathBuf;

/// An error of what the kernel says.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// a file of the kernel's could not be read
    #[error("`{}` could not be read: {source}", .path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// there is no cgroup v2
    #[error("no cgroup v2 file system is mounted: mount one with `mount -t cgroup2 none /sys/fs/cgroup`")]
    NoCgroups,
}

/// For who reads more than what the kernel says.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Unread { source, .. } => source.kind(),
            Error::NoCgroups => io::ErrorKind::NotFound,
        };
        Self::new(kind, error)
    }
}
