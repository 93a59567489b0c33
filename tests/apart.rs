//! An attempt in a process of its own: who is ended for it ends nobody else.

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, waitpid};
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
    let status = ended(child)?;
    match (status.exit_status(), status.terminating_signal()) {
        (_, Some(signal)) if signal == Signal::KILL.as_raw() => Err(Error::from_raw_os_error(ENDED)),
        (_, Some(signal)) => Err(Error::other(format!("ended by signal {signal}"))),
        (Some(0), None) => Ok(()),
        (Some(OTHER) | None, None) => Err(Error::other("another error")),
        (Some(errno), None) => Err(Error::from_raw_os_error(errno)),
    }
}

/// How a child of this process has ended, when it has.
pub(crate) fn ended(child: i32) -> io::Result<WaitStatus> {
    let ended = waitpid(Pid::from_raw(child), WaitOptions::empty())?;
    ended.map(|(_, status)| status).ok_or_else(|| Error::other("it runs"))
}
