//! The operations, a row each, and the hooks that tell them: what both sides must agree on, and nothing else does.
//!
//! A table hands its rows to a macro of whoever reads it. The kernel side takes the numbers of operations, and `event` makes its
//! `Op` of the rows: what else stands in one means something there alone. The loader takes the hooks.

/// Every operation: number of `File::op`, `Claimed::op`, `Net::op` and `Kernel::op`, name, and what it is to everybody who reads
/// events, in words of `event/src/operation.rs`. The numbers are stored: never reuse one.
#[macro_export]
macro_rules! operations {
    ($reader:ident) => {
        $reader! {
            /// A file or directory was opened: open, openat, openat2, creat.
            OPEN Open = 1, "open", deed().met();
            /// A file was made: a regular one, a device or a pipe.
            CREATE Create = 2, "create", change(Reach::Create).met();
            /// A file was cut or extended: truncate, ftruncate.
            TRUNCATE Truncate = 3, "truncate", change(Reach::Write);
            /// A name was removed: unlink.
            UNLINK Unlink = 4, "unlink", change(Reach::Remove);
            /// A name was moved: rename; the second file is the target.
            RENAME Rename = 5, "rename", change(Reach::Remove);
            /// A second name was given: link; the first file is the source.
            LINK Link = 6, "link", change(Reach::Create);
            /// A symbolic link was made: symlink.
            SYMLINK Symlink = 7, "symlink", change(Reach::Create).met();
            /// A directory was made: mkdir.
            MKDIR Mkdir = 8, "mkdir", change(Reach::Create).met();
            /// A directory was removed: rmdir.
            RMDIR Rmdir = 9, "rmdir", change(Reach::Remove);
            /// A mode was changed: chmod.
            CHMOD Chmod = 10, "chmod", change(Reach::Write);
            /// An owner was changed: chown.
            CHOWN Chown = 11, "chown", change(Reach::Write);
            /// An extended attribute was set: setxattr.
            SETXATTR Setxattr = 12, "setxattr", change(Reach::Write);
            /// A file was mapped executable: mmap with PROT_EXEC.
            MAP_EXEC MapExec = 13, "map-exec", program().aside();
            /// Something was mounted: mount, move_mount, mount_setattr.
            MOUNT Mount = 14, "mount", change(Reach::Write);
            /// The root directory was changed: pivot_root, chroot.
            CHROOT Chroot = 15, "chroot", deed();
            /// A program was started: execve, execveat.
            EXEC Exec = 16, "exec", program();
            /// A process or thread was made: fork, vfork, clone, clone3.
            FORK Fork = 17, "fork", deed().aside();
            /// A process ended: exit.
            EXIT Exit = 18, "exit", deed().aside();
            /// A signal was sent: kill, tkill, tgkill, pidfd_send_signal.
            SIGNAL Signal = 19, "signal", deed();
            /// Another process was traced, or its memory reached for: ptrace, process_vm_readv, process_vm_writev, pidfd_getfd, and their like through /proc.
            PTRACE Ptrace = 20, "ptrace", deed();
            /// Credentials or capabilities were changed: setuid and its family, capset.
            CREDENTIALS Credentials = 21, "credentials", deed();
            /// A namespace was entered or made: unshare, setns.
            NAMESPACE Namespace = 22, "namespace", deed();
            /// A system call filter was set: seccomp.
            SECCOMP Seccomp = 23, "seccomp", deed().aside();
            /// A socket was made: socket.
            SOCKET Socket = 24, "socket", deed().aside();
            /// A connection was asked for: connect.
            CONNECT Connect = 25, "connect", network().reaching(Reach::Connect);
            /// A datagram was sent to an address, without a connection.
            SEND Send = 26, "send", network().reaching(Reach::Connect);
            /// An address was taken: bind.
            BIND Bind = 27, "bind", network().reaching(Reach::Listen);
            /// A socket began to listen: listen.
            LISTEN Listen = 28, "listen", network();
            /// A connection was accepted: accept.
            ACCEPT Accept = 29, "accept", network().aside();
            /// `bpf(2)` was called.
            BPF Bpf = 30, "bpf", deed();
            /// `perf_event_open(2)` was called.
            PERF Perf = 31, "perf", deed();
            /// `io_uring_setup(2)` was called.
            IO_URING IoUring = 32, "io-uring", deed();
            /// The kernel's key store was used: keyctl, add_key, request_key.
            KEY Key = 33, "key", deed();
            /// `userfaultfd(2)` was called.
            USERFAULTFD Userfaultfd = 34, "userfaultfd", deed();
            /// A kernel module was loaded, or another kernel: init_module, finit_module, kexec_load.
            MODULE Module = 35, "module", deed();
            /// A mount was taken away: umount.
            UMOUNT Umount = 36, "umount", deed().reaching(Reach::Write).closing(access::MODIFY);
            /// An extended attribute was removed: removexattr.
            REMOVEXATTR Removexattr = 37, "removexattr", change(Reach::Write);
            /// A request was made through io_uring, by its opcode.
            IO_REQUEST IoRequest = 38, "io-request", deed().aside();
            /// A TLS connection asked for a server by its name (claimed).
            SERVER_NAME ServerName = 48, "server-name", deed().aside().reaching(Reach::Name).met();
            /// A resolver was asked for a name (claimed).
            LOOKUP Lookup = 49, "lookup", deed().aside().reaching(Reach::Name).met();
        }
    };
}

/// Every LSM program, in the order in which they are loaded: whether a kernel without it is no `lsm` tier (`needed`, or `more`),
/// its name, and the arguments that it reads, in words of `collector/src/hooks.rs`. The name is the hook's, of
/// include/linux/lsm_hook_defs.h, but for `inode_setattr_without_idmap`.
#[macro_export]
macro_rules! hooks {
    ($reader:ident) => {
        $reader! {
            needed file_open: Pointer(0, "file");
            needed inode_create: Pointer(1, "dentry"), Number(2, "mode");
            needed inode_mkdir: Pointer(1, "dentry"), Number(2, "mode");
            needed inode_link: Named(0, "dentry", "old_dentry"), Named(2, "dentry", "new_dentry");
            needed inode_symlink: Pointer(1, "dentry");
            needed inode_rename: Named(1, "dentry", "old_dentry"), Named(3, "dentry", "new_dentry");
            needed inode_unlink: Pointer(1, "dentry");
            needed inode_rmdir: Pointer(1, "dentry");
            needed inode_setattr: Pointer(1, "dentry"), Pointer(2, "iattr");
            needed inode_setattr_without_idmap: Pointer(0, "dentry"), Pointer(1, "iattr");
            needed bprm_check_security: Pointer(0, "linux_binprm");
            needed mmap_file: Pointer(0, "file"), Number(2, "prot");
            needed socket_connect: Pointer(0, "socket"), Address(1);
            needed socket_sendmsg: Pointer(0, "socket"), Pointer(1, "msghdr");
            more inode_mknod: Pointer(1, "dentry"), Number(2, "mode");
            more inode_setxattr: Pointer(1, "dentry");
            more inode_removexattr: Pointer(1, "dentry");
            more inode_set_acl: Pointer(1, "dentry");
            more inode_remove_acl: Pointer(1, "dentry");
            more sb_mount: Pointer(1, "path"), Number(3, "flags");
            more sb_umount: Pointer(0, "vfsmount"), Number(1, "flags");
            more move_mount: Named(1, "path", "to_path");
            more socket_create: Number(0, "family"), Number(1, "type"), Number(2, "protocol");
            more unix_stream_connect: Named(1, "sock", "other");
            more unix_may_send: Named(0, "socket", "sock"), Named(1, "socket", "other");
            more task_kill: Pointer(0, "task_struct"), Number(2, "sig");
            more task_setrlimit: Pointer(0, "task_struct"), Number(1, "resource");
            more file_send_sigiotask: Pointer(0, "task_struct"), Number(2, "sig");
            more ptrace_access_check: Pointer(0, "task_struct"), Number(1, "mode");
            more bpf: Number(0, "cmd");
        }
    };
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $number:ident $variant:ident = $value:literal, $name:literal, $nature:expr;)*) => {
        /// The numbers of operations.
        pub mod op {
            $($(#[$doc])* pub const $number: u16 = $value;)*
        }
    };
}

operations!(numbers);
