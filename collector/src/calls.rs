//! How to read the arguments of each system call, and of each request through io_uring: the table that the kernel side follows.
//! What is not in it is a number only.
//!
//! Numbers: `arch/x86/entry/syscalls/syscall_64.tbl` and `syscall_32.tbl`. A 64-bit process can make the 32-bit calls, too (`int 0x80`),
//! so that without them a call would pass unread. `old_mmap` and the sends of `socketcall` keep their arguments in memory, and are
//! numbers only.

use crate::btf::Btf;
use crate::form::{
    CREAT, LAST, MEMFD, NONE, PRCTL, ROOT, SENDMMSG, address, fd, map, mount, open, path, paths, raw, socket,
    with_detail,
};
use crate::offsets::Registers;
use abi::{NO_ARG, PLANS_32, PLANS_REQUESTS, Plan, access as a, form, op};

/// A system call: its number among the 64-bit and among the 32-bit ones, and how its arguments are read, which is the same in both.
struct Call {
    wide: Option<u32>,
    narrow: Option<u32>,
    plan: Plan,
}

/// One that both have.
const fn both(wide_number: libc::c_long, number: u32, plan: Plan) -> Call {
    Call { narrow: Some(number), ..wide(wide_number, plan) }
}

/// One that 32-bit programs do not have, or have by another way.
const fn wide(number: libc::c_long, plan: Plan) -> Call {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "numbers of calls are small, and none is negative: a unit test says so"
    )]
    Call { wide: Some(number as u32), narrow: None, plan }
}

/// One that 64-bit programs do not have, or have under another number.
const fn narrow(number: u32, plan: Plan) -> Call {
    Call { wide: None, narrow: Some(number), plan }
}

/// The system calls, as the kernel side wants them: 64-bit ones, then 32-bit ones.
pub(crate) fn table(registers: &Registers) -> Vec<(u32, Plan)> {
    let of_wide = CALLS.iter().filter_map(|call| Some((call.wide?, placed(call.plan, &registers.wide))));
    let of_narrow =
        CALLS.iter().filter_map(|call| Some((PLANS_32 + call.narrow?, placed(call.plan, &registers.narrow))));
    of_wide.chain(of_narrow).collect()
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

/// Not in `libc` yet.
const SETXATTRAT: libc::c_long = 463;
const REMOVEXATTRAT: libc::c_long = 466;

/// Every system call that is more than a number to Wardline.
const CALLS: &[Call] = &[
    both(libc::SYS_open, 5, open(NONE, 0, 1)),
    both(libc::SYS_creat, 8, CREAT),
    both(libc::SYS_openat, 295, open(0, 1, 2)),
    both(libc::SYS_openat2, 437, open(0, 1, 2)),
    both(libc::SYS_open_by_handle_at, 342, open(NONE, NONE, 2)),
    both(libc::SYS_memfd_create, 356, MEMFD),
    both(libc::SYS_truncate, 92, path(op::TRUNCATE, NONE, 0, a::WRITE)),
    both(libc::SYS_ftruncate, 93, fd(op::TRUNCATE, a::WRITE)),
    narrow(193, path(op::TRUNCATE, NONE, 0, a::WRITE)), // truncate64
    narrow(194, fd(op::TRUNCATE, a::WRITE)),            // ftruncate64
    both(libc::SYS_unlink, 10, path(op::UNLINK, NONE, 0, a::REMOVE)),
    both(libc::SYS_unlinkat, 301, with_detail(path(op::UNLINK, 0, 1, a::REMOVE), 2)),
    both(libc::SYS_rmdir, 40, path(op::RMDIR, NONE, 0, a::REMOVE | a::DIR)),
    both(libc::SYS_rename, 38, paths(op::RENAME, NONE, 0, NONE, 1, a::REMOVE)),
    both(libc::SYS_renameat, 302, paths(op::RENAME, 0, 1, 2, 3, a::REMOVE)),
    both(libc::SYS_renameat2, 353, paths(op::RENAME, 0, 1, 2, 3, a::REMOVE)),
    both(libc::SYS_link, 9, paths(op::LINK, NONE, 0, NONE, 1, a::LINK)),
    both(libc::SYS_linkat, 303, paths(op::LINK, 0, 1, 2, 3, a::LINK)),
    both(libc::SYS_symlink, 83, paths(op::SYMLINK, NONE, 1, NONE, 0, a::CREATE)),
    both(libc::SYS_symlinkat, 304, paths(op::SYMLINK, 1, 2, NONE, 0, a::CREATE)),
    both(libc::SYS_mkdir, 39, with_detail(path(op::MKDIR, NONE, 0, a::CREATE | a::DIR), 1)),
    both(libc::SYS_mkdirat, 296, with_detail(path(op::MKDIR, 0, 1, a::CREATE | a::DIR), 2)),
    both(libc::SYS_mknod, 14, with_detail(path(op::CREATE, NONE, 0, a::CREATE), 1)),
    both(libc::SYS_mknodat, 297, with_detail(path(op::CREATE, 0, 1, a::CREATE), 2)),
    both(libc::SYS_chmod, 15, with_detail(path(op::CHMOD, NONE, 0, a::ATTR), 1)),
    both(libc::SYS_fchmodat, 306, with_detail(path(op::CHMOD, 0, 1, a::ATTR), 2)),
    both(libc::SYS_fchmodat2, 452, with_detail(path(op::CHMOD, 0, 1, a::ATTR), 2)),
    both(libc::SYS_fchmod, 94, with_detail(fd(op::CHMOD, a::ATTR), 1)),
    both(libc::SYS_chown, 182, path(op::CHOWN, NONE, 0, a::ATTR)),
    both(libc::SYS_lchown, 16, path(op::CHOWN, NONE, 0, a::ATTR)),
    both(libc::SYS_fchownat, 298, path(op::CHOWN, 0, 1, a::ATTR)),
    both(libc::SYS_fchown, 95, fd(op::CHOWN, a::ATTR)),
    narrow(198, path(op::CHOWN, NONE, 0, a::ATTR)), // lchown32
    narrow(207, fd(op::CHOWN, a::ATTR)),            // fchown32
    narrow(212, path(op::CHOWN, NONE, 0, a::ATTR)), // chown32
    both(libc::SYS_setxattr, 226, path(op::SETXATTR, NONE, 0, a::ATTR)),
    both(libc::SYS_lsetxattr, 227, path(op::SETXATTR, NONE, 0, a::ATTR)),
    both(libc::SYS_fsetxattr, 228, fd(op::SETXATTR, a::ATTR)),
    both(SETXATTRAT, 463, path(op::SETXATTR, 0, 1, a::ATTR)),
    both(libc::SYS_removexattr, 235, path(op::REMOVEXATTR, NONE, 0, a::ATTR)),
    both(libc::SYS_lremovexattr, 236, path(op::REMOVEXATTR, NONE, 0, a::ATTR)),
    both(libc::SYS_fremovexattr, 237, fd(op::REMOVEXATTR, a::ATTR)),
    both(REMOVEXATTRAT, 466, path(op::REMOVEXATTR, 0, 1, a::ATTR)),
    both(libc::SYS_mount, 21, mount(NONE, 1, NONE, 3)),
    both(libc::SYS_move_mount, 429, mount(2, 3, 0, 4)),
    both(libc::SYS_mount_setattr, 442, path(op::MOUNT, 0, 1, a::MOUNT)),
    both(libc::SYS_umount2, 52, with_detail(path(op::UMOUNT, NONE, 0, a::MOUNT), 1)),
    narrow(22, path(op::UMOUNT, NONE, 0, a::MOUNT)), // umount
    both(libc::SYS_pivot_root, 217, ROOT),
    both(libc::SYS_chroot, 61, ROOT),
    both(libc::SYS_execve, 11, path(op::EXEC, NONE, 0, a::EXEC)),
    both(libc::SYS_execveat, 358, path(op::EXEC, 0, 1, a::EXEC)),
    both(libc::SYS_mmap, 192, map(4, 2)), // mmap2
    both(libc::SYS_socket, 359, socket(op::SOCKET, form::ACCEPT)),
    narrow(102, Plan { form: form::SOCKETCALL, ..raw(op::SOCKET) }), // socketcall
    both(libc::SYS_connect, 362, address(op::CONNECT)),
    both(libc::SYS_bind, 361, address(op::BIND)),
    both(libc::SYS_listen, 363, socket(op::LISTEN, form::SOCKET)),
    both(libc::SYS_sendto, 369, Plan { path: 4, second: 5, ..socket(op::SEND, form::SEND) }),
    both(libc::SYS_sendmsg, 370, Plan { path: 1, ..socket(op::SEND, form::SEND) }),
    both(libc::SYS_sendmmsg, 345, SENDMMSG),
    wide(libc::SYS_accept, socket(op::ACCEPT, form::ACCEPT)),
    both(libc::SYS_accept4, 364, socket(op::ACCEPT, form::ACCEPT)),
    both(libc::SYS_kill, 37, raw(op::SIGNAL)),
    both(libc::SYS_tkill, 238, raw(op::SIGNAL)),
    both(libc::SYS_pidfd_send_signal, 424, raw(op::SIGNAL)),
    both(libc::SYS_tgkill, 270, Plan { second: 2, ..raw(op::SIGNAL) }),
    both(libc::SYS_ptrace, 26, Plan { dir: 1, second: 0, ..raw(op::PTRACE) }),
    both(libc::SYS_process_vm_readv, 347, raw(op::PTRACE)),
    both(libc::SYS_process_vm_writev, 348, raw(op::PTRACE)),
    both(libc::SYS_pidfd_getfd, 438, raw(op::PTRACE)),
    both(libc::SYS_prlimit64, 340, Plan { second: 2, ..raw(op::PTRACE) }),
    both(libc::SYS_setuid, 23, raw(op::CREDENTIALS)),
    both(libc::SYS_setgid, 46, raw(op::CREDENTIALS)),
    both(libc::SYS_setreuid, 70, raw(op::CREDENTIALS)),
    both(libc::SYS_setregid, 71, raw(op::CREDENTIALS)),
    both(libc::SYS_setresuid, 164, raw(op::CREDENTIALS)),
    both(libc::SYS_setresgid, 170, raw(op::CREDENTIALS)),
    both(libc::SYS_setgroups, 81, raw(op::CREDENTIALS)),
    both(libc::SYS_setfsuid, 138, raw(op::CREDENTIALS)),
    both(libc::SYS_setfsgid, 139, raw(op::CREDENTIALS)),
    both(libc::SYS_capset, 185, raw(op::CREDENTIALS)),
    narrow(203, raw(op::CREDENTIALS)), // setreuid32
    narrow(204, raw(op::CREDENTIALS)), // setregid32
    narrow(206, raw(op::CREDENTIALS)), // setgroups32
    narrow(208, raw(op::CREDENTIALS)), // setresuid32
    narrow(210, raw(op::CREDENTIALS)), // setresgid32
    narrow(213, raw(op::CREDENTIALS)), // setuid32
    narrow(214, raw(op::CREDENTIALS)), // setgid32
    narrow(215, raw(op::CREDENTIALS)), // setfsuid32
    narrow(216, raw(op::CREDENTIALS)), // setfsgid32
    both(libc::SYS_unshare, 310, raw(op::NAMESPACE)),
    both(libc::SYS_setns, 346, raw(op::NAMESPACE)),
    both(libc::SYS_seccomp, 354, raw(op::SECCOMP)),
    both(libc::SYS_prctl, 172, PRCTL),
    both(libc::SYS_bpf, 357, raw(op::BPF)),
    both(libc::SYS_perf_event_open, 336, raw(op::PERF)),
    both(libc::SYS_io_uring_setup, 425, raw(op::IO_URING)),
    both(libc::SYS_add_key, 286, raw(op::KEY)),
    both(libc::SYS_request_key, 287, raw(op::KEY)),
    both(libc::SYS_keyctl, 288, raw(op::KEY)),
    both(libc::SYS_userfaultfd, 374, raw(op::USERFAULTFD)),
    both(libc::SYS_init_module, 128, raw(op::MODULE)),
    both(libc::SYS_finit_module, 350, raw(op::MODULE)),
    both(libc::SYS_kexec_load, 283, raw(op::MODULE)),
    wide(libc::SYS_kexec_file_load, raw(op::MODULE)),
    both(libc::SYS_exit, 1, LAST),
    both(libc::SYS_exit_group, 252, LAST),
];

/// A kind of requests through io_uring. Opcodes: include/uapi/linux/io_uring.h. What a request was given lies at the beginning of
/// its `struct io_kiocb`, as a structure of its kind: opcode, operation, form, access, its structure, and the members that a [`Plan`] has places for:
/// directory descriptor, path, second directory, second path (or as its form says), detail. An empty one is none.
struct Opcode(u8, u16, u8, u32, &'static str, [&'static str; 5]);

const OPEN: [&str; 5] = ["dfd", "filename", "", "file_slot", "how.flags"];
const TWO_PATHS: [&str; 5] = ["old_dfd", "oldpath", "new_dfd", "newpath", ""];
const UNLINK: [&str; 5] = ["dfd", "filename", "", "", "flags"];
const MKDIR: [&str; 5] = ["dfd", "filename", "", "", "mode"];
const SYMLINK: [&str; 5] = ["new_dfd", "newpath", "", "oldpath", ""];
const XATTR: [&str; 5] = ["", "filename", "", "", ""];
const SLOT: [&str; 5] = ["", "", "", "file_slot", ""];
const ADDRESS: [&str; 5] = ["", "", "", "addr_len", ""];
const NOTHING: [&str; 5] = [""; 5];

const OPCODES: &[Opcode] = &[
    Opcode(9, op::SEND, form::REQUEST_SEND, 0, "io_sr_msg", NOTHING),
    Opcode(13, op::ACCEPT, form::REQUEST_ACCEPT, 0, "io_accept", SLOT),
    Opcode(16, op::CONNECT, form::REQUEST_SOCKET, 0, "io_connect", ADDRESS),
    Opcode(18, op::OPEN, form::REQUEST_OPEN, 0, "io_open", OPEN),
    Opcode(26, op::SEND, form::REQUEST_SEND, 0, "io_sr_msg", NOTHING),
    Opcode(28, op::OPEN, form::REQUEST_OPEN, 0, "io_open", OPEN),
    Opcode(35, op::RENAME, form::REQUEST_PATH, a::REMOVE, "io_rename", TWO_PATHS),
    Opcode(36, op::UNLINK, form::REQUEST_PATH, a::REMOVE, "io_unlink", UNLINK),
    Opcode(37, op::MKDIR, form::REQUEST_PATH, a::CREATE | a::DIR, "io_mkdir", MKDIR),
    Opcode(38, op::SYMLINK, form::REQUEST_PATH, a::CREATE, "io_link", SYMLINK),
    Opcode(39, op::LINK, form::REQUEST_PATH, a::LINK, "io_link", TWO_PATHS),
    Opcode(41, op::SETXATTR, form::REQUEST_FILE, a::ATTR, "io_xattr", NOTHING),
    Opcode(42, op::SETXATTR, form::REQUEST_PATH, a::ATTR, "io_xattr", XATTR),
    Opcode(45, op::SOCKET, form::REQUEST_ACCEPT, 0, "io_socket", SLOT),
    Opcode(47, op::SEND, form::REQUEST_SEND, 0, "io_sr_msg", NOTHING),
    Opcode(48, op::SEND, form::REQUEST_SEND, 0, "io_sr_msg", NOTHING),
    Opcode(55, op::TRUNCATE, form::REQUEST_FILE, a::WRITE, "io_ftrunc", NOTHING),
    Opcode(56, op::BIND, form::REQUEST_SOCKET, 0, "io_bind", ADDRESS),
    Opcode(57, op::LISTEN, form::REQUEST_SOCKET, 0, "io_listen", NOTHING),
];

/// The requests that this kernel knows, as the kernel side wants them.
pub(crate) fn requests(btf: &Btf) -> Vec<(u32, Plan)> {
    OPCODES.iter().filter_map(|opcode| request(opcode, btf)).collect()
}

/// `None` where the kernel has no such structure, or another one.
fn request(&Opcode(opcode, op, form, access, of, members): &Opcode, btf: &Btf) -> Option<(u32, Plan)> {
    btf.structure(of)?;
    let mut places = [NO_ARG; 5];
    for (place, member) in places.iter_mut().zip(members).filter(|(_, member)| !member.is_empty()) {
        *place = u8::try_from(btf.offset(of, member)?).ok()?;
    }
    let [dir, path, second_dir, second, detail] = places;
    let plan = Plan { op, form, dir, path, second_dir, second, detail, access };
    Some((PLANS_REQUESTS + u32::from(opcode), plan))
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::PLANS;
    use event::Op;
    use std::collections::BTreeSet;

    fn numbers(of: impl Fn(&Call) -> Option<u32>) -> Vec<u32> {
        CALLS.iter().filter_map(of).collect()
    }

    #[test]
    fn plans_fit_the_table_and_name_known_operations() {
        for numbers in [numbers(|call| call.wide), numbers(|call| call.narrow)] {
            assert!(numbers.iter().all(|number| *number < PLANS_32));
            assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len(), "a number stands twice");
        }
        assert!(CALLS.iter().all(|call| Op::from_number(call.plan.op).is_some()));
    }

    #[test]
    fn no_operation_is_left_to_calls_of_one_kind() {
        let operations = |of: fn(&Call) -> Option<u32>| {
            CALLS.iter().filter(|call| of(call).is_some()).map(|call| call.plan.op).collect::<BTreeSet<u16>>()
        };
        assert_eq!(operations(|call| call.wide), operations(|call| call.narrow));
        // A 32-bit program accepts by `accept4` or `socketcall`, and has no `kexec_file_load`.
        let wide: Vec<_> =
            CALLS.iter().filter(|call| call.narrow.is_none()).map(|call| call.wide.map(i64::from)).collect();
        assert_eq!(wide, [Some(libc::SYS_accept), Some(libc::SYS_kexec_file_load)]);
    }

    #[test]
    fn requests_fit_the_table_and_name_known_operations() {
        for Opcode(opcode, op, ..) in OPCODES {
            assert!(PLANS_REQUESTS + u32::from(*opcode) < PLANS, "{opcode}");
            assert!(Op::from_number(*op).is_some());
            assert_eq!(OPCODES.iter().filter(|other| other.0 == *opcode).count(), 1, "{opcode}");
        }
    }

    #[test]
    fn the_running_kernel_has_the_places_of_what_it_can_be_asked_for() {
        let btf = Btf::read().unwrap();
        let known = OPCODES.iter().filter(|opcode| btf.structure(opcode.4).is_some());
        assert_eq!(requests(&btf).len(), known.count());
    }
}
