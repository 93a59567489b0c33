//! Attempts of root in a session against the guard itself, by the kernel's own interfaces.

use std::fs::{self, OpenOptions};
use std::io::{self, Error, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Does what a word says to what is named: a link, a process, or a number of seconds.
pub(crate) fn tamper(how: &str, of: &str) -> io::Result<()> {
    let number = || of.parse::<i64>().map_err(Error::other);
    match how {
        "detach" => detach(number()? as u32),
        "first-to-go" => {
            OpenOptions::new().write(true).open(format!("/proc/{of}/oom_score_adj"))?.write_all(b"1000")
        }
        _ => {
            use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
            let now = clock_gettime(ClockId::Realtime);
            let then = Timespec { tv_sec: now.tv_sec - number()?, tv_nsec: now.tv_nsec };
            Ok(clock_settime(ClockId::Realtime, then)?)
        }
    }
}

/// The links of programs that a process holds.
pub fn links(pid: u32) -> io::Result<Vec<u32>> {
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo"))?.flatten();
    let texts = entries.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let links = texts
        .filter_map(|text| text.lines().find_map(|line| line.strip_prefix("link_id:")?.trim().parse().ok()));
    Ok(links.collect())
}

/// Takes a program off its hook: bpf(2).
fn detach(link: u32) -> io::Result<()> {
    const GET_BY_ID: libc::c_long = 30;
    const DETACH: libc::c_long = 34;
    let call = |command: libc::c_long, attributes: &[u32; 3]| {
        // SAFETY: the attributes outlive the call, and are so long.
        let came =
            unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), size_of_val(attributes)) };
        if came < 0 { Err(Error::last_os_error()) } else { Ok(came as i32) }
    };
    // SAFETY: the call has just returned it.
    let link = unsafe { OwnedFd::from_raw_fd(call(GET_BY_ID, &[link, 0, 0])?) };
    call(DETACH, &[link.as_raw_fd() as u32, 0, 0]).map(drop)
}
