//! What a thread that waits for a permission asked for: fanotify itself does not tell reading from writing.
//!
//! The registers of the blocked call say it; they are the kernel's copy, and cannot change while the thread is blocked.
//! Arguments in memory (openat2) could, so that such a call counts as asking for everything.

use abi::access::{EXEC, READ, WRITE};
use std::fs;
use std::time::Duration;

/// How long is waited for a thread that has asked, and is not yet asleep: it will be as soon as it has a processor, which
/// takes its time on a crowded machine. What is not known then counts as [`UNKNOWN`].
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// Everything.
pub(super) const UNKNOWN: u32 = READ | WRITE;

/// What a thread asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// This access.
    For(u32),
    /// It is not asleep yet.
    NotYet,
}

/// The access that a blocked thread asks for.
pub(super) fn access_of(tid: u32) -> Asked {
    match fs::read_to_string(format!("/proc/{tid}/syscall")) {
        Ok(call) if call.starts_with("running") => Asked::NotYet,
        Ok(call) => Asked::For(access_of_call(&call)),
        Err(_) => Asked::For(UNKNOWN),
    }
}

/// Reads a line of `/proc/TID/syscall`: the call's number and six arguments in hexadecimal. Numbers of 32-bit calls that
/// are equal to one of these never open a file.
fn access_of_call(line: &str) -> u32 {
    let mut fields = line.split_ascii_whitespace();
    let Some(number) = fields.next().and_then(|number| number.parse::<i64>().ok()) else {
        return READ | WRITE;
    };
    let mut argument = |index: usize| {
        let field = fields.nth(index)?;
        u64::from_str_radix(field.strip_prefix("0x")?, 16).ok()
    };
    let flags = match number {
        libc::SYS_execve | libc::SYS_execveat => return EXEC,
        libc::SYS_openat => argument(2),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open => argument(1),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_creat => return WRITE,
        _ => None,
    };
    let Some(flags) = flags.and_then(|flags| i32::try_from(flags & 0xffff_ffff).ok()) else {
        return READ | WRITE;
    };
    let mut access = match flags & libc::O_ACCMODE {
        libc::O_RDONLY => READ,
        libc::O_WRONLY => WRITE,
        _ => READ | WRITE,
    };
    if flags & libc::O_TRUNC != 0 {
        access |= WRITE;
    }
    access
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_tell_reading_from_writing_and_memory_is_not_believed() {
        let line = |number: i64, arguments: &str| format!("{number} {arguments} 0x0 0x7ffd 0x7f00\n");
        let openat = |flags: i32| line(libc::SYS_openat, &format!("0xffffff9c 0x5581 {flags:#x} 0x0 0x0"));
        assert_eq!(access_of_call(&openat(libc::O_RDONLY)), READ);
        assert_eq!(access_of_call(&openat(libc::O_WRONLY | libc::O_CREAT)), WRITE);
        assert_eq!(access_of_call(&openat(libc::O_RDONLY | libc::O_TRUNC)), READ | WRITE);
        assert_eq!(access_of_call(&openat(libc::O_RDWR)), READ | WRITE);
        assert_eq!(access_of_call(&line(libc::SYS_execve, "0x1 0x2 0x3 0x0 0x0")), EXEC);
        assert_eq!(access_of_call(&line(libc::SYS_openat2, "0xffffff9c 0x1 0x2 0x18 0x0")), READ | WRITE);
        for odd in ["running", "-1 0x7ffd 0x7f00", "", "257", "257 0x1 0x2 zz"] {
            assert_eq!(access_of_call(odd), READ | WRITE, "{odd:?}");
        }
    }
}
