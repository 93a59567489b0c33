//! An attempt in a process of its own: who is ended for it ends nobody else.

use std::io::{self, Error};

/// Comes for an attempt that ended who made it, in place of an errno.
pub const ENDED: i32 = -9;
/// Comes from the child for an error that is none of the system's.
const OTHER: i32 = 254;

/// Does something in a child, and returns what came of it.
pub(crate) fn apart(deed: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    // SAFETY: the program that makes attempts has one thread, so that the child misses no lock; it ends here.
    let child = match unsafe { libc::fork() } {
        -1 => return Err(Error::last_os_error()),
        0 => {
            let errno = deed().map_or_else(|error| error.raw_os_error().unwrap_or(OTHER), |()| 0);
            // SAFETY: it ends the process and runs nothing of it.
            unsafe { libc::_exit(errno) }
        }
        child => child,
    };
    let mut status = 0;
    // SAFETY: the status outlives the call.
    if unsafe { libc::waitpid(child, &mut status, 0) } != child {
        return Err(Error::last_os_error());
    }
    match libc::WEXITSTATUS(status) {
        _ if libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL => {
            Err(Error::from_raw_os_error(ENDED))
        }
        _ if libc::WIFSIGNALED(status) => {
            Err(Error::other(format!("ended by signal {}", libc::WTERMSIG(status))))
        }
        0 => Ok(()),
        OTHER => Err(Error::other("another error")),
        errno => Err(Error::from_raw_os_error(errno)),
    }
}
