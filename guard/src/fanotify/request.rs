//! What a thread that waits for a permission asked for: fanotify itself does not tell reading from writing.
//!
//! The registers of the blocked call say it; they are the kernel's copy, and cannot change while the thread is blocked.
//! Arguments in memory (openat2) could, so that such a call counts as asking for everything. So does a request through io_uring:
//! a worker has the registers of whatever call its ring's owner was in, and so has the owner who works at one behind its call.

use abi::access::{EXEC, READ, WRITE};
use std::fs;
use std::time::Duration;
use sys::process;

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

/// Whether what a blocked thread asks for is the call that its registers say, and no request through io_uring. Where the kernel
/// shows no stacks, workers alone are known.
pub(super) fn is_call(tid: u32) -> bool {
    match fs::read_to_string(format!("/proc/{tid}/stack")) {
        Ok(stack) => is_stack_of_call(&stack),
        Err(_) => process::Stat::read(tid).is_some_and(|stat| !stat.of_ring),
    }
}

/// Reads `/proc/TID/stack`: a line for each function, the innermost first. Those of io_uring have a prefix of their own.
fn is_stack_of_call(stack: &str) -> bool {
    let mut functions = stack.lines().filter_map(|line| line.split_once(' ')).map(|(_, function)| function);
    !stack.is_empty() && functions.all(|function| !function.starts_with("io_"))
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
    fn a_request_of_a_ring_is_no_call() {
        let stack = |functions: &[&str]| {
            functions.iter().map(|function| format!("[<0>] {function}+0x6e/0xd0\n")).collect::<String>()
        };
        let open =
            ["fanotify_handle_event", "do_dentry_open", "path_openat", "do_sys_openat2", "do_syscall_64"];
        let request = ["fanotify_handle_event", "path_openat", "io_openat2", "io_issue_sqe", "io_wq_worker"];
        assert!(is_stack_of_call(&stack(&open)));
        assert!(!is_stack_of_call(&stack(&request)) && !is_stack_of_call(""));
        assert!(is_call(rustix::thread::gettid().as_raw_pid() as u32), "a stack can be read");
    }

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
