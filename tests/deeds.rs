//! Deeds: one of each operation, done for real by this very program in a session, so that a test knows what must have
//! been recorded.

mod file;
mod interface;
mod narrow;
mod network;
mod process;
mod uring;

pub(crate) use file::by_handle;
pub(crate) use narrow::open as open_narrow;
pub use network::Outside;
pub use uring::OPENAT;
pub(crate) use uring::OPENAT2;

use anyhow::Result;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::io::{self, Error};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
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
/// What a deed that cannot be tried here comes to.
pub const IMPOSSIBLE: i32 = -1;

/// Where deeds are done.
pub struct Place {
    directory: PathBuf,
}

impl Place {
    /// A path in it.
    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A path in it, for a system call.
    fn at(&self, name: &str) -> CString {
        c_path(&self.path(name))
    }
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

/// A deed: its name, and how it is done.
type Deed = (&'static str, fn(&Place) -> io::Result<()>);

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
    let place = Place { directory: directory.into() };
    println!();
    let deeds = [file::DEEDS, process::DEEDS, network::DEEDS, uring::DEEDS, interface::DEEDS, narrow::DEEDS];
    for (name, deed) in deeds.concat() {
        let came = deed(&place);
        let errno = came.map_or_else(|error| error.raw_os_error().unwrap_or(IMPOSSIBLE), |()| 0);
        println!("@{name} {errno}");
    }
    std::process::exit(0)
}

/// What only the deed knows.
fn say(name: &str, value: i64) {
    println!("={name} {value}");
}

/// The value of a system call, or its error.
fn check(ret: i64) -> io::Result<i64> {
    if ret < 0 { Err(Error::last_os_error()) } else { Ok(ret) }
}

/// `syscall(2)` with its error.
macro_rules! call {
    ($number:expr $(, $argument:expr)*) => {{
        // SAFETY: arguments are numbers, or pointers to what outlives the call.
        crate::deeds::check(unsafe { libc::syscall($number $(, $argument)*) })
    }};
}
use call;

/// Does something in a process of its own, which ends with what it comes to.
pub(crate) fn in_child(deed: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    // SAFETY: the child makes system calls and ends; it takes no lock that another thread may hold.
    match unsafe { libc::fork() } {
        -1 => Err(Error::last_os_error()),
        0 => {
            let errno = deed().map_or_else(|error| error.raw_os_error().unwrap_or(255), |()| 0);
            // SAFETY: it ends the process and runs nothing of it.
            unsafe { libc::_exit(errno) }
        }
        pid => {
            let code = wait(pid)?;
            if code == 0 { Ok(()) } else { Err(Error::from_raw_os_error(code)) }
        }
    }
}

/// The exit code of a child; 255 where a signal ended it.
fn wait(pid: i32) -> io::Result<i32> {
    let mut status = 0;
    // SAFETY: the status outlives the call.
    check(i64::from(unsafe { libc::waitpid(pid, &mut status, 0) }))?;
    Ok(if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 255 })
}
