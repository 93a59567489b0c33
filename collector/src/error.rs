//! Errors between the kernel and user space.

use std::path::PathBuf;

/// An error of the collector.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// the kernel has no type information at `{0}`: Wardline needs a kernel with CONFIG_DEBUG_INFO_BTF=y
    #[error(
        "the kernel has no type information at `{0}`: Wardline needs a kernel with CONFIG_DEBUG_INFO_BTF=y"
    )]
    NoBtf(PathBuf),
    /// the kernel's type information is malformed: {0}
    #[error("the kernel's type information is malformed: {0}")]
    Btf(String),
    /// this kernel has no field `{0}`, which Wardline needs
    #[error("this kernel has no field `{0}`, which Wardline needs")]
    MissingField(&'static str),
    /// the kernel programs cannot be read from `{0}`: {1}
    #[error("the kernel programs cannot be read from `{0}`: {1}")]
    Object(PathBuf, std::io::Error),
    /// the kernel refused Wardline's programs
    #[error("the kernel refused Wardline's programs: {0}")]
    Load(#[from] aya::EbpfError),
    /// a program could not be loaded or attached
    #[error("the kernel program `{name}` could not be {what}: {source}")]
    Program {
        /// The program.
        name: String,
        /// `loaded`, `attached` or `run`.
        what: &'static str,
        /// Why.
        source: Box<aya::programs::ProgramError>,
    },
    /// the prebuilt object lacks the map or program `{0}`
    #[error("the prebuilt object lacks the map or program `{0}`: rebuild it")]
    Incomplete(&'static str),
    /// a map could not be read or written
    #[error("the map `{name}` could not be {what}: {source}")]
    Map {
        /// The map.
        name: &'static str,
        /// `read` or `written`.
        what: &'static str,
        /// Why.
        source: Box<aya::maps::MapError>,
    },
    /// the deny-list is full
    #[error("the deny-list's map `{0}` is full")]
    Full(&'static str),
    /// a process is inside another session
    #[error("process {0} is inside another session")]
    Taken(u32),
    /// the descriptor is not open, or is no file
    #[error("the kernel does not know descriptor {0} as a file")]
    NotAFile(i32),
    /// a system call failed
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
}
