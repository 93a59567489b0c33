//! Why a message was not sent, or did not come.

use std::io::{self, ErrorKind};

/// An error of a connection between Wardline's processes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// the socket failed
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// it hung up within a message
    #[error("the other side ended within a message")]
    Cut,
    /// it let a message wait
    #[error("the message did not come in time")]
    Late,
    /// it is another program
    #[error("the other side does not speak Wardline's protocol")]
    Foreign,
    /// it is another version
    #[error(
        "the other side is another version of Wardline: end its supervisor with `wardline stop` and try again"
    )]
    OtherVersion,
    /// a message that is not taken
    #[error("a message of {length} bytes is longer than the {limit} that are taken")]
    TooLong {
        /// How long it is.
        length: usize,
        /// How long it may be.
        limit: usize,
    },
    /// bytes that are no message
    #[error("a message cannot be read: {0}")]
    Malformed(#[from] rmp_serde::decode::Error),
    /// a message that is no bytes
    #[error("a message cannot be written: {0}")]
    Unwritable(#[from] rmp_serde::encode::Error),
    /// a message of several
    #[error("a message is sent by one process")]
    Senders,
    /// more descriptors than a frame carries
    #[error("{0} descriptors are too many for one message")]
    Descriptors(usize),
}

impl Error {
    /// Whether the other side is gone.
    pub fn is_gone(&self) -> bool {
        let gone = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
        matches!(self, Self::Io(error) if gone.contains(&error.kind()))
    }
}

/// For who reads and writes more than messages.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            Error::Cut => Self::new(ErrorKind::UnexpectedEof, error),
            Error::Late => Self::new(ErrorKind::TimedOut, error),
            error => Self::new(ErrorKind::InvalidData, error),
        }
    }
}
