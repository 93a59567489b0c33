//! The operations, each as it must have been told.

use end_to_end::deeds::OPENAT;
use end_to_end::scene::kernel;

/// What an event must have acted on. Names are of the deeds' directory, and of what a deed has said.
#[derive(Clone, Copy, Debug)]
pub enum Is {
    /// A file, by its path.
    File(&'static str),
    /// A file, by its identity only: its path is longer than any.
    Deep,
    /// A file, by the last part of its path.
    Ends(&'static str),
    /// An executable, by its path, and its last argument.
    Exe(&'static str, &'static str),
    /// An executable, by the last part of its path, and its last argument.
    ExeEnds(&'static str, &'static str),
    /// An Internet address: the port is a deed's.
    At(&'static str, &'static str),
    /// An Internet address.
    Fixed(&'static str, u64),
    /// A unix socket's file.
    Unix(&'static str),
    /// A unix socket's abstract name.
    Abstract(&'static str),
    /// A family and a kind.
    Socket(i32, i32),
    /// A deed's process, inside the session, and the signal or request.
    Process(&'static str, u64),
    /// No process there is.
    NoProcess(u64),
    /// The child of a fork, and what it does not share.
    Child(&'static str, u64),
    /// The end of a process, with its code.
    Exit(u64),
    /// The arguments of a kernel interface.
    Interface(Option<u64>, Option<u64>),
}

/// A deed, and the event that it must have become.
pub struct Row(pub &'static str, pub &'static str, pub Is, pub &'static [&'static str], pub Option<i32>);

/// What else rows must say: the mode.
pub const DETAILS: &[(&str, u32)] = &[
    ("mkdir", 0o755),
    ("mknod", libc::S_IFIFO | 0o644),
    ("mknod, regular", libc::S_IFREG | 0o644),
    ("chmod", 0o600),
    ("fchmod", 0o600),
    ("io_uring, mkdir", 0o755),
    ("32-bit mkdir", 0o755),
];

/// The second place that rows must name.
pub const SECONDS: &[(&str, &str)] = &[
    ("rename", "renamed"),
    ("rename, over", "over-to"),
    ("rename, absent", "nowhere"),
    ("renameat, absent", "directory/nowhere"),
    ("linkat, absent", "directory/nowhere"),
    ("link", "linked"),
    ("link, there", "open"),
    ("io_uring, rename", "uring-renamed"),
];

/// -1 as an `int` stands in a register.
const MINUS_ONE: u64 = u32::MAX as u64;

/// Deed, operation, object, access, and the errno that it must have come to (`None`: whatever it came to).
pub const ROWS: &[Row] = &[
    Row("open", "open", Is::File("open"), &["read"], Some(0)),
    Row("open, cut", "open", Is::File("cut"), &["write", "trunc"], Some(0)),
    Row("open, made", "open", Is::File("made"), &["write", "create", "new"], Some(0)),
    Row("open, absent", "open", Is::File("absent"), &["read", "write"], Some(libc::ENOENT)),
    Row("openat2", "open", Is::File("openat2"), &["read"], Some(0)),
    Row("open_by_handle_at", "open", Is::File("handle"), &["read"], Some(0)),
    Row("open, deleted", "open", Is::File("deleted"), &["read", "write"], Some(0)),
    Row("open, through a bind mount", "open", Is::File("bound/below"), &["read"], Some(0)),
    Row("open, in a chroot", "open", Is::File("root/inside"), &["read"], Some(0)),
    Row("open, longer than a path", "open", Is::Deep, &["read", "write", "create", "new"], Some(0)),
    Row("memfd_create", "create", Is::Ends("memfd:deed"), &["read", "write", "create", "new"], Some(0)),
    Row("truncate", "truncate", Is::File("truncate"), &["write"], Some(0)),
    Row("ftruncate", "truncate", Is::File("ftruncate"), &["write"], Some(0)),
    Row("unlink", "unlink", Is::File("unlink"), &["remove"], Some(0)),
    Row("unlink, absent", "unlink", Is::File("absent"), &["remove"], Some(libc::ENOENT)),
    Row("unlinkat", "unlink", Is::File("unlinkat"), &["remove"], Some(0)),
    Row("rename", "rename", Is::File("rename"), &["remove"], Some(0)),
    Row("rename, over", "rename", Is::File("over-from"), &["remove"], Some(0)),
    Row("rename, absent", "rename", Is::File("absent"), &["remove"], Some(libc::ENOENT)),
    Row("renameat, absent", "rename", Is::File("sub/absent"), &["remove"], Some(libc::ENOENT)),
    Row("linkat, absent", "link", Is::File("sub/absent"), &["link"], Some(libc::ENOENT)),
    Row("link", "link", Is::File("link"), &["link"], Some(0)),
    Row("link, there", "link", Is::File("link"), &["link"], Some(libc::EEXIST)),
    Row("symlink", "symlink", Is::File("symlink"), &["create"], Some(0)),
    Row("mkdir", "mkdir", Is::File("mkdir"), &["create", "dir"], Some(0)),
    Row("mkdir, there", "mkdir", Is::File("directory"), &["create", "dir"], Some(libc::EEXIST)),
    Row("rmdir", "rmdir", Is::File("rmdir"), &["remove", "dir"], Some(0)),
    Row("rmdir, full", "rmdir", Is::File("full"), &["remove", "dir"], Some(libc::ENOTEMPTY)),
    Row("mknod", "create", Is::File("fifo"), &["create"], Some(0)),
    Row("mknod, regular", "create", Is::File("regular"), &["create"], Some(0)),
    Row("chmod", "chmod", Is::File("chmod"), &["attr"], Some(0)),
    Row("fchmod", "chmod", Is::File("fchmod"), &["attr"], Some(0)),
    Row("chown", "chown", Is::File("chown"), &["attr"], Some(0)),
    Row("setxattr", "setxattr", Is::File("setxattr"), &["attr"], Some(0)),
    Row("removexattr", "removexattr", Is::File("removexattr"), &["attr"], Some(0)),
    Row("mmap, executable", "map-exec", Is::File("code"), &["exec"], Some(0)),
    Row("mount", "mount", Is::File("mnt"), &["mount"], Some(0)),
    Row("mount, absent", "mount", Is::File("absent"), &["mount"], Some(libc::ENOENT)),
    Row("move_mount", "mount", Is::File("moved"), &["mount"], Some(0)),
    Row("umount", "umount", Is::File("tree"), &["mount"], Some(0)),
    Row("chroot", "chroot", Is::File("jail"), &["mount"], Some(0)),
    Row("chroot, absent", "chroot", Is::File("absent"), &["mount"], Some(libc::ENOENT)),
    Row("pivot_root", "chroot", Is::File("pivot"), &["mount"], Some(0)),
    Row("overlay, open", "open", Is::File("overlay/lower"), &["read"], Some(0)),
    Row("overlay, copied up", "open", Is::File("overlay/copied"), &["write"], Some(0)),
    Row("overlay, made", "open", Is::File("overlay/made"), &["write", "create", "new"], Some(0)),
    Row("overlay, rename", "rename", Is::File("overlay/moves"), &["remove"], Some(0)),
    Row("fork", "fork", Is::Child("fork", 0), &[], Some(0)),
    Row("clone3, namespaces", "fork", Is::Child("clone3, namespaces", 1), &[], Some(0)),
    Row("clone3, cgroup", "fork", Is::Child("clone3, cgroup", 2), &[], Some(0)),
    Row("exec", "exec", Is::ExeEnds("/env", "the-deed"), &["exec"], Some(0)),
    Row("exec, script", "exec", Is::ExeEnds("sh", "the-script"), &["exec"], Some(0)),
    Row("exec, memfd", "exec", Is::ExeEnds("memfd:program", "in-memory"), &["exec"], Some(0)),
    Row("exec, absent", "exec", Is::Exe("absent", ""), &["exec"], Some(libc::ENOENT)),
    Row("exit", "exit", Is::Exit(77 << 8), &[], Some(0)),
    Row("kill", "signal", Is::Process("kill", 10), &[], Some(0)),
    Row("kill, 0", "signal", Is::Process("kill, 0", 0), &[], Some(0)),
    Row("tgkill", "signal", Is::Process("tgkill", 12), &[], Some(0)),
    Row("ptrace", "ptrace", Is::Process("ptrace", 0x4206), &[], Some(0)),
    Row("ptrace, absent", "ptrace", Is::NoProcess(0x4206), &[], Some(libc::ESRCH)),
    Row("process_vm_readv", "ptrace", Is::Process("process_vm_readv", 0), &[], Some(0)),
    Row("pidfd_getfd", "ptrace", Is::Process("pidfd_getfd", 0), &[], Some(0)),
    Row("setresuid", "credentials", Is::Interface(Some(12_345), Some(12_346)), &[], Some(0)),
    Row("unshare", "namespace", Is::Interface(Some(libc::CLONE_NEWIPC as u64), None), &[], Some(0)),
    Row("setns", "namespace", Is::Interface(None, Some(libc::CLONE_NEWUTS as u64)), &[], Some(0)),
    Row("socket", "socket", Is::Socket(libc::AF_INET6, libc::SOCK_DGRAM), &["connect"], Some(0)),
    Row("socket, unix", "socket", Is::Socket(libc::AF_UNIX, libc::SOCK_SEQPACKET), &["connect"], Some(0)),
    Row("raw socket", "socket", Is::Socket(libc::AF_INET, libc::SOCK_RAW), &["connect"], Some(0)),
    Row("bind", "bind", Is::At("127.0.0.1", "tcp"), &["listen"], Some(0)),
    Row("listen", "listen", Is::At("127.0.0.1", "tcp"), &["listen"], Some(0)),
    Row("connect", "connect", Is::At("127.0.0.1", "tcp"), &["connect"], Some(0)),
    Row("accept", "accept", Is::At("127.0.0.1", "client"), &["listen"], Some(0)),
    Row(
        "connect, refused",
        "connect",
        Is::At("127.0.0.1", "refused"),
        &["connect"],
        Some(libc::ECONNREFUSED),
    ),
    Row("bind, taken", "bind", Is::At("127.0.0.1", "taken"), &["listen"], Some(libc::EADDRINUSE)),
    Row("connect, IPv6", "connect", Is::At("::1", "tcp6"), &["connect"], Some(0)),
    Row("connect, v4-mapped", "connect", Is::At("127.0.0.1", "mapped"), &["connect"], Some(0)),
    Row("connect, UDP-Lite", "connect", Is::At("127.0.0.1", "udp-lite"), &["connect"], Some(0)),
    Row("sendto", "send", Is::At("127.0.0.1", "udp"), &["connect"], Some(0)),
    Row("sendmsg", "send", Is::At("127.0.0.1", "sendmsg"), &["connect"], Some(0)),
    Row("bind, unix", "bind", Is::Unix("bound.sock"), &["listen"], Some(0)),
    Row("connect, unix, outside", "connect", Is::Unix("outside.sock"), &["connect"], Some(0)),
    Row("connect, unix, inside", "connect", Is::Unix("inside.sock"), &["connect"], Some(0)),
    Row("connect, unix, absent", "connect", Is::Unix("absent"), &["connect"], Some(libc::ENOENT)),
    Row("connect, unix, abstract", "connect", Is::Abstract("deed-outside"), &["connect"], Some(0)),
    Row("send, unix", "send", Is::Unix("datagram.sock"), &["connect"], Some(0)),
    Row("send, unix, abstract", "send", Is::Abstract("deed-datagram"), &["connect"], Some(0)),
    Row("sendmmsg, unix", "send", Is::Unix("first.sock"), &["connect"], Some(0)),
    Row("sendmmsg, unix, second", "send", Is::Unix("second.sock"), &["connect"], Some(0)),
    Row("bpf", "bpf", Is::Interface(Some(11), None), &[], None),
    Row("perf_event_open", "perf", Is::Interface(None, Some(0)), &[], None),
    Row("io_uring_setup", "io-uring", Is::Interface(Some(4), None), &[], None),
    Row("io_uring, request", "io-request", Is::Interface(Some(OPENAT as u64), None), &[], Some(0)),
    Row("io_uring, open", "open", Is::File("uring"), &["read"], Some(0)),
    Row("io_uring, openat2, absent", "open", Is::File("absent-uring"), &["read"], Some(libc::ENOENT)),
    Row("io_uring, unlink", "unlink", Is::File("uring-unlink"), &["remove"], Some(0)),
    Row("io_uring, unlink, absent", "unlink", Is::File("absent-uring"), &["remove"], Some(libc::ENOENT)),
    Row("io_uring, mkdir", "mkdir", Is::File("uring-mkdir"), &["create", "dir"], Some(0)),
    Row("io_uring, rmdir, full", "rmdir", Is::File("uring-full"), &["remove", "dir"], Some(libc::ENOTEMPTY)),
    Row("io_uring, rename", "rename", Is::File("uring-rename"), &["remove"], Some(0)),
    Row("io_uring, link", "link", Is::File("uring-link"), &["link"], Some(0)),
    Row("io_uring, symlink", "symlink", Is::File("uring-symlink"), &["create"], Some(0)),
    Row("io_uring, setxattr", "setxattr", Is::File("uring-setxattr"), &["attr"], Some(0)),
    Row("io_uring, ftruncate", "truncate", Is::File("uring-ftruncate"), &["write"], Some(0)),
    Row("io_uring, socket", "socket", Is::Socket(libc::AF_NETLINK, libc::SOCK_RAW), &["connect"], Some(0)),
    Row("io_uring, bind", "bind", Is::At("127.0.0.1", "uring-tcp"), &["listen"], Some(0)),
    Row("io_uring, listen", "listen", Is::At("127.0.0.1", "uring-tcp"), &["listen"], Some(0)),
    Row(
        "io_uring, bind, taken",
        "bind",
        Is::At("127.0.0.1", "uring-taken"),
        &["listen"],
        Some(libc::EADDRINUSE),
    ),
    Row("io_uring, connect, unix", "connect", Is::Unix("uring.sock"), &["connect"], Some(0)),
    Row("io_uring, accept, unix", "accept", Is::Unix("uring.sock"), &["listen"], Some(0)),
    Row(
        "io_uring, connect, unix, absent",
        "connect",
        Is::Unix("absent-uring"),
        &["connect"],
        Some(libc::ENOENT),
    ),
    Row("io_uring, send, unix", "send", Is::Unix("uring-datagram.sock"), &["connect"], Some(0)),
    Row("keyctl", "key", Is::Interface(Some(0), Some(MINUS_ONE - 2)), &[], None),
    Row("userfaultfd", "userfaultfd", Is::Interface(Some(libc::O_CLOEXEC as u64), None), &[], None),
    Row("finit_module", "module", Is::Interface(Some(MINUS_ONE), None), &[], None),
    Row("seccomp", "seccomp", Is::Interface(Some(2), Some(0)), &[], None),
    Row("prctl, seccomp", "seccomp", Is::Interface(Some(22), Some(2)), &[], None),
    Row("32-bit open", "open", Is::File("o32"), &["read"], Some(0)),
    Row("32-bit mkdir", "mkdir", Is::File("m32"), &["create", "dir"], Some(0)),
    Row("32-bit unlink", "unlink", Is::File("u32"), &["remove"], Some(0)),
    Row("32-bit unlink, absent", "unlink", Is::File("absent32"), &["remove"], Some(libc::ENOENT)),
    Row("32-bit connect", "connect", Is::Fixed("127.0.0.1", 1), &["connect"], Some(libc::ECONNREFUSED)),
];

/// Deeds whose second argument is an address, or a descriptor.
pub const ADDRESSED: [&str; 2] = ["process_vm_readv", "pidfd_getfd"];

/// Rows that are another step of a deed than the one that it is called by.
pub const STEPS: &[(&str, &str)] = &[
    ("bind", "bind, listen, connect, accept"),
    ("listen", "bind, listen, connect, accept"),
    ("connect", "bind, listen, connect, accept"),
    ("accept", "bind, listen, connect, accept"),
    ("sendmmsg, unix, second", "sendmmsg, unix"),
    ("io_uring, request", "io_uring"),
    ("io_uring, open", "io_uring"),
    ("io_uring, bind", "io_uring, bind, listen"),
    ("io_uring, listen", "io_uring, bind, listen"),
    ("io_uring, connect, unix", "io_uring, connect, accept, unix"),
    ("io_uring, accept, unix", "io_uring, connect, accept, unix"),
];

/// Rows of what is only there, or only told, from a kernel on; by the tier, where the other one tells it.
const SINCE: &[(&str, Option<&str>, (u32, u32))] = &[
    ("io_uring, ftruncate", None, (6, 9)),
    ("io_uring, connect, unix, absent", None, (6, 10)),
    ("io_uring, bind", None, (6, 11)),
    ("io_uring, listen", None, (6, 11)),
    ("io_uring, bind, taken", None, (6, 11)),
    ("io_uring, send, unix", Some("tracepoint"), (6, 10)),
];

/// Whether a row is neither there nor told here.
pub fn is_later(row: &str, tier: &str) -> bool {
    let here = |of: &Option<&str>| of.is_none_or(|of| of == tier);
    SINCE.iter().any(|(name, of, since)| *name == row && here(of) && kernel() < *since)
}
