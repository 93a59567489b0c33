//! The request of a thread that waits for a permission: fanotify itself does not distinguish reading from writing.
//!
//! The registers of the blocked call say it; they are the kernel's copy, and cannot change while the thread is blocked.
//! Arguments in memory (openat2) could, so that such a call counts as asking for everything. So does a request through io_uring:
//! a worker has the registers of whatever call its ring's owner was in, and so has the owner who works at one behind its call.
//! Such a request is known by the thread's stack in the kernel.

use abi::access::{EXEC, READ, WRITE};
use std::fs;
use std::sync::LazyLock;
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
    let access = match fs::read_to_string(format!("/proc/{tid}/syscall")) {
        Ok(call) if call.starts_with("running") => return Asked::NotYet,
        Ok(call) => access_of_call(&call),
        Err(_) => UNKNOWN,
    };
    if access == UNKNOWN {
        return Asked::For(access);
    }
    match asker_of(tid) {
        Asker::Call => Asked::For(access),
        Asker::Other => Asked::For(UNKNOWN),
        Asker::Runs => Asked::NotYet,
    }
}

/// Who asks by a thread's hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asker {
    /// The call that its registers tell of.
    Call,
    /// A request through io_uring, or the kernel itself, which writes a dump.
    Other,
    /// Nobody knows, since the thread runs. Whoever is answered wakes all who wait, for a moment.
    Runs,
}

/// Who asks by the hands of a thread that waits. Where the kernel shows no stacks, or names no functions, io_uring's workers
/// alone are known.
fn asker_of(tid: u32) -> Asker {
    static OUTERMOST: LazyLock<Option<String>> = LazyLock::new(|| {
        let stack = fs::read_to_string("/proc/thread-self/stack").ok()?;
        functions(&stack).last().filter(|function| !function.starts_with("0x")).map(str::to_owned)
    });
    match (fs::read_to_string(format!("/proc/{tid}/stack")), OUTERMOST.as_deref()) {
        (Ok(stack), Some(outermost)) => asker_in(&stack, outermost),
        _ if process::Stat::read(tid).is_none_or(|stat| stat.of_ring) => Asker::Other,
        _ => Asker::Call,
    }
}

/// Who asks, from `/proc/TID/stack`, whatever call the registers tell of. The stack of a thread that runs is empty, or ends early: one that waits for an answer has
/// fanotify's functions in it, and one in a call of its own has those of a call as its `outermost`.
fn asker_in(stack: &str, outermost: &str) -> Asker {
    if functions(stack).any(|function| function.starts_with("io_") || function.ends_with("_coredump")) {
        return Asker::Other;
    }
    let waits = functions(stack).any(|function| function.starts_with("fanotify_"));
    match waits && functions(stack).last() == Some(outermost) {
        true => Asker::Call,
        false => Asker::Runs,
    }
}

/// The functions of a stack, the innermost first: `[<0>] path_openat+0x6e/0xd0`.
fn functions(stack: &str) -> impl Iterator<Item = &str> {
    stack.lines().filter_map(|line| line.split_once(' ')?.1.split('+').next())
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
    fn what_is_no_call_is_told_from_one_and_from_a_thread_that_runs() {
        let asker = |functions: &[&str]| {
            let line = |function: &&str| format!("[<0>] {function}+0x6e/0xd0\n");
            asker_in(&functions.iter().map(line).collect::<String>(), "entry_SYSCALL_64")
        };
        let open = ["fanotify_handle_event", "path_openat", "do_sys_openat2", "entry_SYSCALL_64"];
        assert_eq!(asker(&open), Asker::Call);
        assert_eq!(asker(&["fanotify_handle_event", "io_openat2", "io_wq_worker"]), Asker::Other);
        assert_eq!(asker(&["fanotify_handle_event", "io_openat2", "entry_SYSCALL_64"]), Asker::Other);
        assert_eq!(asker(&["fanotify_handle_event", "do_coredump", "entry_SYSCALL_64"]), Asker::Other);
        for runs in [&open[..0], &open[..1], &open[1..], &open[3..]] {
            assert_eq!(asker(runs), Asker::Runs, "{runs:?}");
        }
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
