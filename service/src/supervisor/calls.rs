//! The system calls that the supervisor makes, once it has started who starts others for it. Whoever takes it over starts no
//! program by itself, traces nobody, mounts nothing, takes no other user's ids and loads no module.
//!
//! A call that is not in the list is answered as by a kernel that does not know it (`ENOSYS`), and logged where the kernel audits: a library
//! of another version that tries a newer call first goes on with the older one.

use crate::Error;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use std::collections::BTreeMap;
use std::io;

/// From here on no thread makes another call than these, nor does one that is started later.
pub(super) fn confine() -> Result<(), Error> {
    let wrong = |e: io::Error| Error::io("the supervisor's system calls could not be bounded", e);
    apply(&filter().map_err(io::Error::other).map_err(wrong)?).map_err(wrong)
}

/// include/uapi/linux/prctl.h
const PR_GET_AUXV: i32 = 0x4155_5856;

fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut calls: BTreeMap<i64, Vec<SeccompRule>> = CALLS.iter().map(|call| (*call, Vec::new())).collect();
    let only = |number, argument: i32| {
        SeccompRule::new(vec![SeccompCondition::new(number, Dword, Eq, u64::from(argument.unsigned_abs()))?])
    };
    // Names of threads, and of memory in glibc; what the kernel told the process when it began.
    let named = [libc::PR_SET_NAME, libc::PR_SET_VMA, PR_GET_AUXV].map(|what| only(0, what));
    calls.insert(libc::SYS_prctl, named.into_iter().collect::<Result<_, _>>()?);
    // A thread that answers permission events has descriptors of its own; nothing else is unshared.
    calls.insert(libc::SYS_unshare, vec![only(0, libc::CLONE_FILES)?]);
    let unknown = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    SeccompFilter::new(calls, unknown, SeccompAction::Allow, TargetArch::x86_64)?.try_into()
}

/// Holds for all threads, and has the kernel log what is not let through.
fn apply(filter: &[seccompiler::sock_filter]) -> io::Result<()> {
    let len = u16::try_from(filter.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut().cast() };
    let flags = libc::SECCOMP_FILTER_FLAG_TSYNC | libc::SECCOMP_FILTER_FLAG_LOG;
    // SAFETY: the program and what it points to live until the call returns, which copies them; both crates' instructions have
    // the layout of linux/filter.h.
    match unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    } {
        0 => Ok(()),
        -1 => Err(io::Error::last_os_error()),
        thread => Err(io::Error::other(format!("thread {thread} has another filter"))),
    }
}

/// By what they are for.
const CALLS: &[i64] = &[
    // The kernel side: programs, maps and rings, permission marks.
    libc::SYS_bpf,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_ioctl,
    libc::SYS_perf_event_open,
    // Sessions' processes and its own children.
    libc::SYS_getpgid,
    libc::SYS_getpgrp,
    libc::SYS_getppid,
    libc::SYS_getsid,
    libc::SYS_kill,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_wait4,
    libc::SYS_waitid,
    // Files: looked through, marked, put back.
    libc::SYS_access,
    libc::SYS_chdir,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_copy_file_range,
    libc::SYS_creat,
    libc::SYS_dup,
    libc::SYS_dup2,
    libc::SYS_dup3,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fadvise64,
    libc::SYS_fallocate,
    libc::SYS_fchdir,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_fcntl,
    libc::SYS_fdatasync,
    libc::SYS_fgetxattr,
    libc::SYS_flistxattr,
    libc::SYS_flock,
    libc::SYS_fremovexattr,
    libc::SYS_fsetxattr,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_getxattr,
    libc::SYS_lchown,
    libc::SYS_lgetxattr,
    libc::SYS_link,
    libc::SYS_linkat,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_lseek,
    libc::SYS_lsetxattr,
    libc::SYS_lstat,
    libc::SYS_mkdir,
    libc::SYS_mkdirat,
    libc::SYS_name_to_handle_at,
    libc::SYS_newfstatat,
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_read,
    libc::SYS_readlink,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_rmdir,
    libc::SYS_sendfile,
    libc::SYS_setxattr,
    libc::SYS_splice,
    libc::SYS_stat,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_symlink,
    libc::SYS_symlinkat,
    libc::SYS_truncate,
    libc::SYS_umask,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_utimensat,
    libc::SYS_write,
    libc::SYS_writev,
    // Clients, brokers, resolvers; one probe before a session.
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_listen,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_socket,
    libc::SYS_socketpair,
    // Waiting.
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd2,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    libc::SYS_pipe,
    libc::SYS_pipe2,
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_select,
    libc::SYS_time,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    // Threads, and the copy of itself that makes a probe; neither becomes another program.
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fork,
    libc::SYS_futex,
    libc::SYS_futex_waitv,
    libc::SYS_get_robust_list,
    libc::SYS_getcpu,
    libc::SYS_getpid,
    libc::SYS_getpriority,
    libc::SYS_gettid,
    libc::SYS_membarrier,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getattr,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_setpriority,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    libc::SYS_tkill,
    // Memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // The machine and who it is itself.
    libc::SYS_capget,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getgroups,
    libc::SYS_getrandom,
    libc::SYS_getrlimit,
    libc::SYS_getrusage,
    libc::SYS_getuid,
    libc::SYS_prlimit64,
    libc::SYS_setrlimit,
    libc::SYS_sysinfo,
    libc::SYS_times,
    libc::SYS_uname,
];

#[cfg(test)]
#[expect(clippy::let_underscore_must_use, reason = "what does not arrive fails the test that reads it")]
mod tests {
    use super::*;

    /// The errors of system calls, made in a confined child.
    fn errnos<const N: usize>(calls: [(i64, [i64; 3]); N]) -> [i32; N] {
        let (mut heard, said) = io::pipe().unwrap();
        let program = filter().unwrap();
        // SAFETY: the child makes system calls, and ends without returning to what was going on in other threads.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            let confined = rustix::thread::set_no_new_privs(true).is_ok() && apply(&program).is_ok();
            for (call, [first, second, third]) in calls {
                // SAFETY: none of the calls that are made here is given an address but null.
                let failed = unsafe { libc::syscall(call, first, second, third) } == -1;
                let errno = if failed { nix::errno::Errno::last_raw() } else { 0 };
                let _ = rustix::io::write(&said, &(if confined { errno } else { -1 }).to_ne_bytes());
            }
            // SAFETY: the call does not return, and runs nothing of others'.
            unsafe { libc::_exit(0) };
        }
        drop(said);
        nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child), None).unwrap();
        let mut errnos = [0; N];
        for errno in &mut errnos {
            let mut bytes = [0; 4];
            io::Read::read_exact(&mut heard, &mut bytes).unwrap();
            *errno = i32::from_ne_bytes(bytes);
        }
        errnos
    }

    #[test]
    fn a_call_that_is_not_in_the_list_fails_and_the_caller_goes_on() {
        let none = [0; 3];
        let calls = [
            (libc::SYS_execve, none),
            (libc::SYS_execveat, [-1, 0, 0]),
            (libc::SYS_ptrace, none),
            (libc::SYS_mount, none),
            (libc::SYS_setuid, none),
            (libc::SYS_chroot, none),
            (libc::SYS_init_module, none),
            (libc::SYS_io_uring_setup, none),
            (libc::SYS_unshare, [i64::from(libc::CLONE_NEWNS), 0, 0]),
            (libc::SYS_prctl, [i64::from(libc::PR_SET_DUMPABLE), 1, 0]),
            (libc::SYS_unshare, [i64::from(libc::CLONE_FILES), 0, 0]),
            (libc::SYS_getpid, none),
        ];
        let mut wanted = [libc::ENOSYS; 12];
        wanted[10..].fill(0);
        assert_eq!(errnos(calls), wanted);
    }
}
