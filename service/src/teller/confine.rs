//! Confines a teller: no capability, no path outside its user's directory, no call that it does not need. Calls that could
//! reach other processes of root's uid reach itself alone. Who takes it over from what it reads has a store of one user.

use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq,
    SeccompCondition, SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads,
};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Nothing lies outside of the directory any more, and root's capabilities are gone for good. Threads that are made later
/// have none either.
pub(super) fn shut_in(directory: &Path) -> io::Result<()> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    rustix::process::chroot(directory)?;
    rustix::process::chdir("/")?;
    rustix::thread::set_no_new_privs(true)?;
    for capability in CapabilitySet::all().iter() {
        // Numbers that this kernel does not know are no capabilities.
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(e) => return Err(e.into()),
        }
    }
    rustix::thread::clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(())
}

/// From here on no thread makes another call than these: any other fails with `EPERM`.
pub(super) fn confine() -> io::Result<()> {
    let mut calls: BTreeMap<i64, Vec<SeccompRule>> = CALLS.iter().map(|call| (*call, Vec::new())).collect();
    calls.extend(itself_alone(std::process::id()).map_err(io::Error::other)?);
    let filter = SeccompFilter::new(
        calls,
        SeccompAction::Errno(libc::EPERM as u32),
        SeccompAction::Allow,
        TargetArch::x86_64,
    );
    let filter: BpfProgram = filter.and_then(TryInto::try_into).map_err(io::Error::other)?;
    apply_filter_all_threads(&filter).map_err(io::Error::other)
}

/// Calls that are told by their arguments, too: by each of the rules one may be made.
fn itself_alone(pid: u32) -> Result<[(i64, Vec<SeccompRule>); 3], seccompiler::BackendError> {
    // To end itself when something is wrong, abort(3).
    let signal = SeccompRule::new(vec![SeccompCondition::new(0, Dword, Eq, pid.into())?])?;
    // To ask for a limit of its own.
    let limit = vec![SeccompCondition::new(0, Dword, Eq, 0)?, SeccompCondition::new(2, Qword, Eq, 0)?];
    // No signal comes of a descriptor, and no lease is taken.
    let descriptor = [
        libc::F_DUPFD_CLOEXEC,
        libc::F_GETFD,
        libc::F_SETFD,
        libc::F_GETFL,
        libc::F_SETFL,
        libc::F_GETLK,
        libc::F_SETLK,
    ];
    let descriptor = descriptor
        .map(|command| SeccompRule::new(vec![SeccompCondition::new(1, Dword, Eq, command as u64)?]))
        .into_iter()
        .collect::<Result<_, _>>()?;
    Ok([
        (libc::SYS_tgkill, vec![signal]),
        (libc::SYS_prlimit64, vec![SeccompRule::new(limit)?]),
        (libc::SYS_fcntl, descriptor),
    ])
}

/// Files in its directory, memory, its threads' locks and clocks, and the socket that it has.
const CALLS: &[i64] = &[
    libc::SYS_access,
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fadvise64,
    libc::SYS_fallocate,
    libc::SYS_fchmod,
    libc::SYS_fchown,
    libc::SYS_fdatasync,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_futex,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_lseek,
    libc::SYS_lstat,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_newfstatat,
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_readlink,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_stat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_sysinfo,
    libc::SYS_time,
    libc::SYS_uname,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_utimensat,
    libc::SYS_write,
    libc::SYS_writev,
];

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::{WaitStatus, waitpid};
    use rustix::io::Errno;

    /// What a confined child says; it speaks by its exit status.
    fn confined(is_so: impl Fn() -> bool) -> bool {
        // SAFETY: the child makes system calls, and ends without returning to what was going on in other threads.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            let confined = rustix::thread::set_no_new_privs(true).is_ok() && confine().is_ok();
            // SAFETY: the call does not return, and runs nothing of others'.
            unsafe { libc::_exit(i32::from(!(confined && is_so()))) };
        }
        let child = nix::unistd::Pid::from_raw(child);
        waitpid(child, None) == Ok(WaitStatus::Exited(child, 0))
    }

    /// The error of a system call; 0: there is none.
    fn errno(call: i64, arguments: [i64; 4]) -> i32 {
        let [first, second, third, fourth] = arguments;
        // SAFETY: none of the calls made here is given an address but that of a limit that outlives it, or null.
        match unsafe { libc::syscall(call, first, second, third, fourth) } {
            -1 => Errno::from_io_error(&io::Error::last_os_error()).map_or(-1, Errno::raw_os_error),
            _ => 0,
        }
    }

    #[test]
    fn what_it_need_not_do_fails() {
        let is_so = || {
            let socket =
                rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None);
            let signalled = rustix::process::test_kill_process(rustix::process::getpid());
            let root = rustix::process::chroot("/");
            let refused = socket.is_err_and(|e| e == Errno::PERM)
                && signalled == Err(Errno::PERM)
                && root == Err(Errno::PERM);
            refused && std::fs::metadata("/").is_ok()
        };
        assert!(confined(is_so));
    }

    #[test]
    fn no_call_reaches_another_process() {
        let parent = i64::from(std::process::id());
        let own = || i64::from(std::process::id());
        assert!(confined(|| errno(libc::SYS_tgkill, [own(), own(), 0, 0]) == 0));
        assert!(confined(|| errno(libc::SYS_tgkill, [parent, parent, 0, 0]) == libc::EPERM));
        let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
        let at = &raw mut limit as i64;
        let files = i64::from(libc::RLIMIT_NOFILE);
        assert!(confined(|| errno(libc::SYS_prlimit64, [0, files, 0, at]) == 0));
        assert!(confined(|| errno(libc::SYS_prlimit64, [0, files, at, 0]) == libc::EPERM));
        assert!(confined(|| errno(libc::SYS_prlimit64, [parent, files, 0, at]) == libc::EPERM));
    }

    #[test]
    fn no_descriptor_sends_signals() {
        let fcntl = |command, argument| {
            confined(move || errno(libc::SYS_fcntl, [0, i64::from(command), argument, 0]) == 0)
        };
        let own = i64::from(std::process::id());
        assert!(fcntl(libc::F_GETFL, 0) && fcntl(libc::F_GETFD, 0));
        /// include/uapi/asm-generic/fcntl.h
        const F_SETSIG: i32 = 10;
        const F_SETOWN_EX: i32 = 15;
        for command in [libc::F_SETOWN, F_SETSIG, F_SETOWN_EX, libc::F_SETLEASE, libc::F_NOTIFY] {
            assert!(
                confined(|| errno(libc::SYS_fcntl, [0, i64::from(command), own, 0]) == libc::EPERM),
                "{command}"
            );
        }
    }
}
