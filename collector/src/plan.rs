//! How to read the arguments of each system call: the table that the kernel side follows.
//!
//! Numbers: arch/x86/entry/syscalls/syscall_64.tbl. 32-bit calls have no plans: their raw sequence is recorded, and in
//! the LSM tier their operations are, since hooks do not depend on the call.

use abi::{NO_ARG, Plan, access as a, form, op};

const NONE: u8 = NO_ARG;

/// Acts on a path, relative to a directory descriptor or the working directory.
const fn path(op: u16, dir: u8, path: u8, access: u32) -> Plan {
    Plan { op, form: form::PATH, dir, path, second_dir: NONE, second: NONE, detail: NONE, access }
}

/// Acts on two paths.
const fn paths(op: u16, dir: u8, first: u8, second_dir: u8, second: u8, access: u32) -> Plan {
    Plan { op, form: form::PATH, dir, path: first, second_dir, second, detail: NONE, access }
}

/// Acts on a descriptor.
const fn fd(op: u16, access: u32) -> Plan {
    Plan { op, form: form::FD, dir: 0, path: NONE, second_dir: NONE, second: NONE, detail: NONE, access }
}

/// Told by its first two arguments.
const fn raw(op: u16) -> Plan {
    Plan { op, form: form::RAW, dir: 0, path: NONE, second_dir: NONE, second: 1, detail: NONE, access: 0 }
}

const fn open(dir: u8, path: u8, detail: u8) -> Plan {
    Plan { op: op::OPEN, form: form::OPEN, dir, path, second_dir: NONE, second: NONE, detail, access: 0 }
}

const fn socket(op: u16, form: u8) -> Plan {
    Plan { op, form, dir: 0, path: NONE, second_dir: NONE, second: NONE, detail: NONE, access: 0 }
}

const fn with_detail(mut plan: Plan, detail: u8) -> Plan {
    plan.detail = detail;
    plan
}

/// A plan with the places of its arguments in the saved registers instead of their numbers.
pub(crate) fn placed(plan: Plan, registers: [u8; 5]) -> Plan {
    let place = |argument: u8| registers.get(usize::from(argument)).copied().unwrap_or(NO_ARG);
    Plan {
        dir: place(plan.dir),
        path: place(plan.path),
        second_dir: place(plan.second_dir),
        second: place(plan.second),
        detail: place(plan.detail),
        ..plan
    }
}

/// Every system call that is more than a number to Wardline.
pub(crate) const PLANS: &[(u32, Plan)] = &[
    (libc::SYS_open as u32, open(NONE, 0, 1)),
    (libc::SYS_creat as u32, open(NONE, 0, NONE)),
    (libc::SYS_openat as u32, open(0, 1, 2)),
    (libc::SYS_openat2 as u32, open(0, 1, NONE)),
    (libc::SYS_truncate as u32, path(op::TRUNCATE, NONE, 0, a::WRITE)),
    (libc::SYS_ftruncate as u32, fd(op::TRUNCATE, a::WRITE)),
    (libc::SYS_unlink as u32, path(op::UNLINK, NONE, 0, a::REMOVE)),
    (libc::SYS_unlinkat as u32, with_detail(path(op::UNLINK, 0, 1, a::REMOVE), 2)),
    (libc::SYS_rmdir as u32, path(op::RMDIR, NONE, 0, a::REMOVE | a::DIR)),
    (libc::SYS_rename as u32, paths(op::RENAME, NONE, 0, NONE, 1, a::REMOVE)),
    (libc::SYS_renameat as u32, paths(op::RENAME, 0, 1, 2, 3, a::REMOVE)),
    (libc::SYS_renameat2 as u32, paths(op::RENAME, 0, 1, 2, 3, a::REMOVE)),
    (libc::SYS_link as u32, paths(op::LINK, NONE, 0, NONE, 1, a::LINK)),
    (libc::SYS_linkat as u32, paths(op::LINK, 0, 1, 2, 3, a::LINK)),
    (libc::SYS_symlink as u32, paths(op::SYMLINK, NONE, 1, NONE, 0, a::CREATE)),
    (libc::SYS_symlinkat as u32, paths(op::SYMLINK, 1, 2, NONE, 0, a::CREATE)),
    (libc::SYS_mkdir as u32, with_detail(path(op::MKDIR, NONE, 0, a::CREATE | a::DIR), 1)),
    (libc::SYS_mkdirat as u32, with_detail(path(op::MKDIR, 0, 1, a::CREATE | a::DIR), 2)),
    (libc::SYS_mknod as u32, with_detail(path(op::CREATE, NONE, 0, a::CREATE), 1)),
    (libc::SYS_mknodat as u32, with_detail(path(op::CREATE, 0, 1, a::CREATE), 2)),
    (libc::SYS_chmod as u32, with_detail(path(op::CHMOD, NONE, 0, a::ATTR), 1)),
    (libc::SYS_fchmodat as u32, with_detail(path(op::CHMOD, 0, 1, a::ATTR), 2)),
    (libc::SYS_fchmodat2 as u32, with_detail(path(op::CHMOD, 0, 1, a::ATTR), 2)),
    (libc::SYS_fchmod as u32, with_detail(fd(op::CHMOD, a::ATTR), 1)),
    (libc::SYS_chown as u32, path(op::CHOWN, NONE, 0, a::ATTR)),
    (libc::SYS_lchown as u32, path(op::CHOWN, NONE, 0, a::ATTR)),
    (libc::SYS_fchownat as u32, path(op::CHOWN, 0, 1, a::ATTR)),
    (libc::SYS_fchown as u32, fd(op::CHOWN, a::ATTR)),
    (libc::SYS_setxattr as u32, path(op::SETXATTR, NONE, 0, a::ATTR)),
    (libc::SYS_lsetxattr as u32, path(op::SETXATTR, NONE, 0, a::ATTR)),
    (libc::SYS_fsetxattr as u32, fd(op::SETXATTR, a::ATTR)),
    (libc::SYS_mount as u32, path(op::MOUNT, NONE, 1, a::MOUNT)),
    (libc::SYS_umount2 as u32, path(op::MOUNT, NONE, 0, a::MOUNT)),
    (libc::SYS_move_mount as u32, path(op::MOUNT, 2, 3, a::MOUNT)),
    (libc::SYS_pivot_root as u32, path(op::CHROOT, NONE, 0, a::MOUNT)),
    (libc::SYS_chroot as u32, path(op::CHROOT, NONE, 0, a::MOUNT)),
    (libc::SYS_execve as u32, path(op::EXEC, NONE, 0, a::EXEC)),
    (libc::SYS_execveat as u32, path(op::EXEC, 0, 1, a::EXEC)),
    (
        libc::SYS_mmap as u32,
        Plan {
            op: op::MAP_EXEC,
            form: form::MAP,
            dir: 4,
            path: NONE,
            second_dir: NONE,
            second: NONE,
            detail: 2,
            access: a::EXEC,
        },
    ),
    (libc::SYS_connect as u32, socket(op::CONNECT, form::SOCKET)),
    (libc::SYS_bind as u32, socket(op::BIND, form::SOCKET)),
    (libc::SYS_listen as u32, socket(op::LISTEN, form::SOCKET)),
    (libc::SYS_accept as u32, socket(op::ACCEPT, form::ACCEPT)),
    (libc::SYS_accept4 as u32, socket(op::ACCEPT, form::ACCEPT)),
    (libc::SYS_kill as u32, raw(op::SIGNAL)),
    (libc::SYS_tkill as u32, raw(op::SIGNAL)),
    (libc::SYS_pidfd_send_signal as u32, raw(op::SIGNAL)),
    (libc::SYS_tgkill as u32, Plan { second: 2, ..raw(op::SIGNAL) }),
    (libc::SYS_ptrace as u32, Plan { dir: 1, second: 0, ..raw(op::PTRACE) }),
    (libc::SYS_process_vm_readv as u32, raw(op::PTRACE)),
    (libc::SYS_process_vm_writev as u32, raw(op::PTRACE)),
    (libc::SYS_pidfd_getfd as u32, raw(op::PTRACE)),
    (libc::SYS_setuid as u32, raw(op::CREDENTIALS)),
    (libc::SYS_setgid as u32, raw(op::CREDENTIALS)),
    (libc::SYS_setreuid as u32, raw(op::CREDENTIALS)),
    (libc::SYS_setregid as u32, raw(op::CREDENTIALS)),
    (libc::SYS_setresuid as u32, raw(op::CREDENTIALS)),
    (libc::SYS_setresgid as u32, raw(op::CREDENTIALS)),
    (libc::SYS_setgroups as u32, raw(op::CREDENTIALS)),
    (libc::SYS_setfsuid as u32, raw(op::CREDENTIALS)),
    (libc::SYS_setfsgid as u32, raw(op::CREDENTIALS)),
    (libc::SYS_capset as u32, raw(op::CREDENTIALS)),
    (libc::SYS_unshare as u32, raw(op::NAMESPACE)),
    (libc::SYS_setns as u32, raw(op::NAMESPACE)),
    (libc::SYS_seccomp as u32, raw(op::SECCOMP)),
    (libc::SYS_bpf as u32, raw(op::BPF)),
    (libc::SYS_perf_event_open as u32, raw(op::PERF)),
    (libc::SYS_io_uring_setup as u32, raw(op::IO_URING)),
    (libc::SYS_add_key as u32, raw(op::KEY)),
    (libc::SYS_request_key as u32, raw(op::KEY)),
    (libc::SYS_keyctl as u32, raw(op::KEY)),
    (libc::SYS_userfaultfd as u32, raw(op::USERFAULTFD)),
    (libc::SYS_init_module as u32, raw(op::MODULE)),
    (libc::SYS_finit_module as u32, raw(op::MODULE)),
    (libc::SYS_kexec_load as u32, raw(op::MODULE)),
    (libc::SYS_kexec_file_load as u32, raw(op::MODULE)),
    (libc::SYS_exit as u32, Plan { form: form::LAST, ..raw(op::EXIT) }),
    (libc::SYS_exit_group as u32, Plan { form: form::LAST, ..raw(op::EXIT) }),
];

#[cfg(test)]
mod tests {
    use super::*;
    use event::Op;

    #[test]
    fn plans_fit_the_table_and_name_known_operations() {
        for (number, plan) in PLANS {
            assert!(*number < 512, "{number}");
            assert!(Op::from_number(plan.op).is_some());
            assert_eq!(PLANS.iter().filter(|(other, _)| other == number).count(), 1, "{number}");
        }
    }
}
