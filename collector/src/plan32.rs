//! The 32-bit system calls: arch/x86/entry/syscalls/syscall_32.tbl. A 64-bit process can make them, too (`int 0x80`), so
//! that without them a call would pass unread.
//!
//! `old_mmap` and the sends of `socketcall` keep their arguments in memory, and are numbers only.

use crate::form::{
    CREAT, LAST, MEMFD, NONE, PRCTL, ROOT, SENDMMSG, address, fd, map, mount, open, path, paths, raw, socket,
    with_detail,
};
use abi::{Plan, access as a, form, op};

/// Every 32-bit system call that is more than a number to Wardline, by its number.
pub(crate) const PLANS: &[(u32, Plan)] = &[
    // exit
    (1, LAST),
    // open
    (5, open(NONE, 0, 1)),
    // creat
    (8, CREAT),
    // link
    (9, paths(op::LINK, NONE, 0, NONE, 1, a::LINK)),
    // unlink
    (10, path(op::UNLINK, NONE, 0, a::REMOVE)),
    // execve
    (11, path(op::EXEC, NONE, 0, a::EXEC)),
    // mknod
    (14, with_detail(path(op::CREATE, NONE, 0, a::CREATE), 1)),
    // chmod
    (15, with_detail(path(op::CHMOD, NONE, 0, a::ATTR), 1)),
    // lchown
    (16, path(op::CHOWN, NONE, 0, a::ATTR)),
    // mount
    (21, mount(NONE, 1, NONE, 3)),
    // umount
    (22, path(op::UMOUNT, NONE, 0, a::MOUNT)),
    // setuid
    (23, raw(op::CREDENTIALS)),
    // ptrace
    (26, Plan { dir: 1, second: 0, ..raw(op::PTRACE) }),
    // kill
    (37, raw(op::SIGNAL)),
    // rename
    (38, paths(op::RENAME, NONE, 0, NONE, 1, a::REMOVE)),
    // mkdir
    (39, with_detail(path(op::MKDIR, NONE, 0, a::CREATE | a::DIR), 1)),
    // rmdir
    (40, path(op::RMDIR, NONE, 0, a::REMOVE | a::DIR)),
    // setgid
    (46, raw(op::CREDENTIALS)),
    // umount2
    (52, with_detail(path(op::UMOUNT, NONE, 0, a::MOUNT), 1)),
    // chroot
    (61, ROOT),
    // setreuid
    (70, raw(op::CREDENTIALS)),
    // setregid
    (71, raw(op::CREDENTIALS)),
    // setgroups
    (81, raw(op::CREDENTIALS)),
    // symlink
    (83, paths(op::SYMLINK, NONE, 1, NONE, 0, a::CREATE)),
    // truncate
    (92, path(op::TRUNCATE, NONE, 0, a::WRITE)),
    // ftruncate
    (93, fd(op::TRUNCATE, a::WRITE)),
    // fchmod
    (94, with_detail(fd(op::CHMOD, a::ATTR), 1)),
    // fchown
    (95, fd(op::CHOWN, a::ATTR)),
    // socketcall
    (102, Plan { form: form::SOCKETCALL, ..raw(op::SOCKET) }),
    // init_module
    (128, raw(op::MODULE)),
    // setfsuid
    (138, raw(op::CREDENTIALS)),
    // setfsgid
    (139, raw(op::CREDENTIALS)),
    // setresuid
    (164, raw(op::CREDENTIALS)),
    // setresgid
    (170, raw(op::CREDENTIALS)),
    // prctl
    (172, PRCTL),
    // chown
    (182, path(op::CHOWN, NONE, 0, a::ATTR)),
    // capset
    (185, raw(op::CREDENTIALS)),
    // mmap2
    (192, map(4, 2)),
    // truncate64
    (193, path(op::TRUNCATE, NONE, 0, a::WRITE)),
    // ftruncate64
    (194, fd(op::TRUNCATE, a::WRITE)),
    // lchown32
    (198, path(op::CHOWN, NONE, 0, a::ATTR)),
    // setreuid32
    (203, raw(op::CREDENTIALS)),
    // setregid32
    (204, raw(op::CREDENTIALS)),
    // setgroups32
    (206, raw(op::CREDENTIALS)),
    // fchown32
    (207, fd(op::CHOWN, a::ATTR)),
    // setresuid32
    (208, raw(op::CREDENTIALS)),
    // setresgid32
    (210, raw(op::CREDENTIALS)),
    // chown32
    (212, path(op::CHOWN, NONE, 0, a::ATTR)),
    // setuid32
    (213, raw(op::CREDENTIALS)),
    // setgid32
    (214, raw(op::CREDENTIALS)),
    // setfsuid32
    (215, raw(op::CREDENTIALS)),
    // setfsgid32
    (216, raw(op::CREDENTIALS)),
    // pivot_root
    (217, ROOT),
    // setxattr
    (226, path(op::SETXATTR, NONE, 0, a::ATTR)),
    // lsetxattr
    (227, path(op::SETXATTR, NONE, 0, a::ATTR)),
    // fsetxattr
    (228, fd(op::SETXATTR, a::ATTR)),
    // removexattr
    (235, path(op::REMOVEXATTR, NONE, 0, a::ATTR)),
    // lremovexattr
    (236, path(op::REMOVEXATTR, NONE, 0, a::ATTR)),
    // fremovexattr
    (237, fd(op::REMOVEXATTR, a::ATTR)),
    // tkill
    (238, raw(op::SIGNAL)),
    // exit_group
    (252, LAST),
    // tgkill
    (270, Plan { second: 2, ..raw(op::SIGNAL) }),
    // kexec_load
    (283, raw(op::MODULE)),
    // add_key
    (286, raw(op::KEY)),
    // request_key
    (287, raw(op::KEY)),
    // keyctl
    (288, raw(op::KEY)),
    // openat
    (295, open(0, 1, 2)),
    // mkdirat
    (296, with_detail(path(op::MKDIR, 0, 1, a::CREATE | a::DIR), 2)),
    // mknodat
    (297, with_detail(path(op::CREATE, 0, 1, a::CREATE), 2)),
    // fchownat
    (298, path(op::CHOWN, 0, 1, a::ATTR)),
    // unlinkat
    (301, with_detail(path(op::UNLINK, 0, 1, a::REMOVE), 2)),
    // renameat
    (302, paths(op::RENAME, 0, 1, 2, 3, a::REMOVE)),
    // linkat
    (303, paths(op::LINK, 0, 1, 2, 3, a::LINK)),
    // symlinkat
    (304, paths(op::SYMLINK, 1, 2, NONE, 0, a::CREATE)),
    // fchmodat
    (306, with_detail(path(op::CHMOD, 0, 1, a::ATTR), 2)),
    // unshare
    (310, raw(op::NAMESPACE)),
    // perf_event_open
    (336, raw(op::PERF)),
    // open_by_handle_at
    (342, open(NONE, NONE, 2)),
    // sendmmsg
    (345, SENDMMSG),
    // setns
    (346, raw(op::NAMESPACE)),
    // process_vm_readv
    (347, raw(op::PTRACE)),
    // process_vm_writev
    (348, raw(op::PTRACE)),
    // finit_module
    (350, raw(op::MODULE)),
    // renameat2
    (353, paths(op::RENAME, 0, 1, 2, 3, a::REMOVE)),
    // seccomp
    (354, raw(op::SECCOMP)),
    // memfd_create
    (356, MEMFD),
    // bpf
    (357, raw(op::BPF)),
    // execveat
    (358, path(op::EXEC, 0, 1, a::EXEC)),
    // socket
    (359, socket(op::SOCKET, form::ACCEPT)),
    // bind
    (361, address(op::BIND)),
    // connect
    (362, address(op::CONNECT)),
    // listen
    (363, socket(op::LISTEN, form::SOCKET)),
    // accept4
    (364, socket(op::ACCEPT, form::ACCEPT)),
    // sendto
    (369, Plan { path: 4, second: 5, ..socket(op::SEND, form::SEND) }),
    // sendmsg
    (370, Plan { path: 1, ..socket(op::SEND, form::SEND) }),
    // userfaultfd
    (374, raw(op::USERFAULTFD)),
    // pidfd_send_signal
    (424, raw(op::SIGNAL)),
    // io_uring_setup
    (425, raw(op::IO_URING)),
    // move_mount
    (429, mount(2, 3, 0, 4)),
    // openat2
    (437, open(0, 1, 2)),
    // pidfd_getfd
    (438, raw(op::PTRACE)),
    // mount_setattr
    (442, path(op::MOUNT, 0, 1, a::MOUNT)),
    // fchmodat2
    (452, with_detail(path(op::CHMOD, 0, 1, a::ATTR), 2)),
    // setxattrat
    (463, path(op::SETXATTR, 0, 1, a::ATTR)),
    // removexattrat
    (466, path(op::REMOVEXATTR, 0, 1, a::ATTR)),
];
