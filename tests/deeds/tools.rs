//! Helpers of deeds, and their places.

use crate::apart::ended;
use std::ffi::CString;
use std::io::{self, Error};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What a deed that cannot be tried here comes to.
pub const IMPOSSIBLE: i32 = -1;

/// Where deeds are done.
pub struct Place {
    directory: PathBuf,
}

impl Place {
    /// There.
    pub(super) fn at_directory(directory: PathBuf) -> Place {
        Place { directory }
    }

    /// A path in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A path in it, for a system call.
    pub(super) fn at(&self, name: &str) -> CString {
        c_path(&self.path(name))
    }
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

/// A deed: its name, and how it is done.
pub(super) type Deed = (&'static str, fn(&Place) -> io::Result<()>);

/// What only the deed knows.
pub(super) fn say(name: &str, value: i64) {
    println!("={name} {value}");
}

/// The value of a system call, or its error.
pub(super) fn check(ret: i64) -> io::Result<i64> {
    if ret < 0 { Err(Error::last_os_error()) } else { Ok(ret) }
}

/// `syscall(2)` with its error.
macro_rules! call {
    ($number:expr $(, $argument:expr)*) => {{
        // SAFETY: arguments are numbers, or pointers to what outlives the call.
        crate::deeds::tools::check(unsafe { libc::syscall($number $(, $argument)*) })
    }};
}
pub(super) use call;

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
pub(super) fn wait(pid: i32) -> io::Result<i32> {
    Ok(ended(pid)?.exit_status().unwrap_or(255))
}
