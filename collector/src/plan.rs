//! How to read the arguments of each system call: the table that the kernel side follows.
//!
//! Numbers: arch/x86/entry/syscalls/syscall_64.tbl; those of 32-bit calls are in `plan32`.

use crate::form::{
    CREAT, LAST, MEMFD, NONE, PRCTL, ROOT, SENDMMSG, address, fd, map, mount, open, path, paths, raw, socket,
    with_detail,
};
use crate::offsets::Registers;
use crate::plan32;
use abi::{NO_ARG, PLANS_32, Plan, access as a, form, op};

/// The system calls, as the kernel side wants them: 64-bit ones, then 32-bit ones.
pub(crate) fn table(registers: &Registers) -> Vec<(u32, Plan)> {
    let wide = PLANS.iter().map(|(number, plan)| (*number, placed(*plan, &registers.wide)));
    let narrow = plan32::PLANS.iter();
    let narrow = narrow.map(|(number, plan)| (PLANS_32 + number, placed(*plan, &registers.narrow)));
    wide.chain(narrow).collect()
}

/// A plan with the places of its arguments in the saved registers instead of their numbers.
fn placed(plan: Plan, registers: &[u8; 6]) -> Plan {
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

/// Not in `libc` yet; the same numbers in both tables.
pub(crate) const SETXATTRAT: u32 = 463;
pub(crate) const REMOVEXATTRAT: u32 = 466;

/// Every 64-bit system call that is more than a number to Wardline.
#[expect(clippy::cast_possible_truncation, reason = "numbers of calls are small, and none is negative")]
pub(crate) const PLANS: &[(u32, Plan)] = &[
    (libc::SYS_open as u32, open(NONE, 0, 1)),
    (libc::SYS_creat as u32, CREAT),
    (libc::SYS_openat as u32, open(0, 1, 2)),
    (libc::SYS_openat2 as u32, open(0, 1, 2)),
    (libc::SYS_open_by_handle_at as u32, open(NONE, NONE, 2)),
    (libc::SYS_memfd_create as u32, MEMFD),
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
    (SETXATTRAT, path(op::SETXATTR, 0, 1, a::ATTR)),
    (libc::SYS_removexattr as u32, path(op::REMOVEXATTR, NONE, 0, a::ATTR)),
    (libc::SYS_lremovexattr as u32, path(op::REMOVEXATTR, NONE, 0, a::ATTR)),
    (libc::SYS_fremovexattr as u32, fd(op::REMOVEXATTR, a::ATTR)),
    (REMOVEXATTRAT, path(op::REMOVEXATTR, 0, 1, a::ATTR)),
    (libc::SYS_mount as u32, mount(NONE, 1, NONE, 3)),
    (libc::SYS_move_mount as u32, mount(2, 3, 0, 4)),
    (libc::SYS_mount_setattr as u32, path(op::MOUNT, 0, 1, a::MOUNT)),
    (libc::SYS_umount2 as u32, with_detail(path(op::UMOUNT, NONE, 0, a::MOUNT), 1)),
    (libc::SYS_pivot_root as u32, ROOT),
    (libc::SYS_chroot as u32, ROOT),
    (libc::SYS_execve as u32, path(op::EXEC, NONE, 0, a::EXEC)),
    (libc::SYS_execveat as u32, path(op::EXEC, 0, 1, a::EXEC)),
    (libc::SYS_mmap as u32, map(4, 2)),
    (libc::SYS_socket as u32, socket(op::SOCKET, form::ACCEPT)),
    (libc::SYS_connect as u32, address(op::CONNECT)),
    (libc::SYS_bind as u32, address(op::BIND)),
    (libc::SYS_listen as u32, socket(op::LISTEN, form::SOCKET)),
    (libc::SYS_sendto as u32, Plan { path: 4, second: 5, ..socket(op::SEND, form::SEND) }),
    (libc::SYS_sendmsg as u32, Plan { path: 1, ..socket(op::SEND, form::SEND) }),
    (libc::SYS_sendmmsg as u32, SENDMMSG),
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
    (libc::SYS_prlimit64 as u32, Plan { second: 2, ..raw(op::PTRACE) }),
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
    (libc::SYS_prctl as u32, PRCTL),
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
    (libc::SYS_exit as u32, LAST),
    (libc::SYS_exit_group as u32, LAST),
];

#[cfg(test)]
mod tests {
    use super::*;
    use event::Op;

    #[test]
    fn plans_fit_the_table_and_name_known_operations() {
        for table in [PLANS, plan32::PLANS] {
            for (number, plan) in table {
                assert!(*number < PLANS_32, "{number}");
                assert!(Op::from_number(plan.op).is_some());
                assert_eq!(table.iter().filter(|(other, _)| other == number).count(), 1, "{number}");
            }
        }
    }

    #[test]
    fn both_tables_know_the_same_operations() {
        let operations = |table: &[(u32, Plan)]| {
            let found: std::collections::BTreeSet<u16> = table.iter().map(|(_, plan)| plan.op).collect();
            found
        };
        assert_eq!(operations(PLANS), operations(plan32::PLANS));
    }
}
