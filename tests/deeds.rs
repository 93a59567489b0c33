//! Deeds: one of each operation, done for real by this very program in a session, so that a test knows what must have
//! been recorded.

mod file;
mod interface;
mod narrow;
mod network;
mod process;
mod tools;
mod uring;

pub(crate) use file::by_handle;
pub(crate) use narrow::{bind as bind_narrow, limit as limit_narrow, open as open_narrow};
pub use network::Outside;
pub use tools::IMPOSSIBLE;
use tools::Place;
pub(crate) use tools::in_child;
pub use uring::OPENAT;
pub(crate) use uring::OPENAT2;

use anyhow::Result;
use std::collections::BTreeMap;
use std::process::Output;

/// Names the directory in which it is done, in the environment of the program that does it.
pub const VARIABLE: &str = "WARDLINE_TEST_DEEDS";
/// Files that a deed needs, and that are there before.
pub const FILES: [&str; 31] = [
    "open",
    "cut",
    "openat2",
    "handle",
    "truncate",
    "ftruncate",
    "unlink",
    "unlinkat",
    "rename",
    "over-from",
    "over-to",
    "link",
    "chmod",
    "fchmod",
    "chown",
    "setxattr",
    "removexattr",
    "code",
    "deleted",
    "bound/below",
    "root/inside",
    "u32",
    "o32",
    "full/file",
    "uring",
    "uring-unlink",
    "uring-rename",
    "uring-link",
    "uring-setxattr",
    "uring-ftruncate",
    "uring-full/file",
];
/// Directories that a deed needs, and that are there before.
pub const DIRECTORIES: [&str; 17] = [
    "overlay",
    "overlay-lower",
    "overlay-upper",
    "overlay-work",
    "directory",
    "full",
    "uring-full",
    "rmdir",
    "mnt",
    "moved",
    "tree",
    "root",
    "jail",
    "pivot/old",
    "bound",
    "shown",
    "sub",
];
/// What came of deeds.
#[derive(Debug, Default)]
pub struct Done {
    /// The errno of each, 0 for none.
    pub errnos: BTreeMap<String, i32>,
    /// What a deed only knew when it was done: ports and processes.
    pub values: BTreeMap<String, i64>,
}

impl Done {
    /// Reads what the program printed.
    pub fn read(output: &Output) -> Done {
        let text = String::from_utf8_lossy(&output.stdout);
        let mut done = Done::default();
        for line in text.lines() {
            let Some((name, number)) = line.rsplit_once(' ') else { continue };
            if let (Some(name), Ok(errno)) = (name.strip_prefix('@'), number.parse()) {
                done.errnos.insert(name.to_owned(), errno);
            } else if let (Some(name), Ok(value)) = (name.strip_prefix('='), number.parse()) {
                done.values.insert(name.to_owned(), value);
            }
        }
        done
    }
}

/// Does all of it and ends the process, where it was asked to; returns otherwise.
pub fn serve() -> Result<()> {
    let Some(directory) = std::env::var_os(VARIABLE) else { return Ok(()) };
    let place = Place::at_directory(directory.into());
    println!();
    let deeds = [file::DEEDS, process::DEEDS, network::DEEDS, uring::DEEDS, interface::DEEDS, narrow::DEEDS];
    for (name, deed) in deeds.concat() {
        let came = deed(&place);
        let errno = came.map_or_else(|error| error.raw_os_error().unwrap_or(IMPOSSIBLE), |()| 0);
        println!("@{name} {errno}");
    }
    std::process::exit(0)
}
