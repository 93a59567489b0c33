//! What was done: the operation, and the access that it asked for.

use abi::{access, op};
use serde::{Deserialize, Serialize};

/// Declares [`Op`] from the numbers that the kernel side writes, so that a number has one name everywhere.
macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident = $number:ident, $name:literal;)*) => {
        /// An operation that the kernel saw. The numbers are those of the wire and of the store.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[repr(u16)]
        pub enum Op { $($(#[$doc])* $variant = op::$number,)* }

        impl Op {
            /// Every operation, in the order of its number.
            pub const ALL: &'static [Op] = &[$(Op::$variant),*];

            /// The operation with this number, if there is one.
            pub fn from_number(number: u16) -> Option<Op> {
                match number { $(op::$number => Some(Op::$variant),)* _ => None }
            }

            /// Its name, as users see it.
            pub fn name(self) -> &'static str {
                match self { $(Op::$variant => $name,)* }
            }
        }
    };
}

operations! {
    /// A file or directory was opened.
    Open = OPEN, "open";
    /// A file was made.
    Create = CREATE, "create";
    /// A file was cut or extended.
    Truncate = TRUNCATE, "truncate";
    /// A name was removed.
    Unlink = UNLINK, "unlink";
    /// A name was moved.
    Rename = RENAME, "rename";
    /// A second name was given.
    Link = LINK, "link";
    /// A symbolic link was made.
    Symlink = SYMLINK, "symlink";
    /// A directory was made.
    Mkdir = MKDIR, "mkdir";
    /// A directory was removed.
    Rmdir = RMDIR, "rmdir";
    /// A mode was changed.
    Chmod = CHMOD, "chmod";
    /// An owner was changed.
    Chown = CHOWN, "chown";
    /// An extended attribute was set.
    Setxattr = SETXATTR, "setxattr";
    /// A file was mapped executable.
    MapExec = MAP_EXEC, "map-exec";
    /// Something was mounted.
    Mount = MOUNT, "mount";
    /// The root directory was changed.
    Chroot = CHROOT, "chroot";
    /// A program was started.
    Exec = EXEC, "exec";
    /// A process or thread was made.
    Fork = FORK, "fork";
    /// A process ended.
    Exit = EXIT, "exit";
    /// A signal was sent.
    Signal = SIGNAL, "signal";
    /// Another process was traced, or its memory reached for.
    Ptrace = PTRACE, "ptrace";
    /// Credentials or capabilities were changed.
    Credentials = CREDENTIALS, "credentials";
    /// A namespace was entered or made.
    Namespace = NAMESPACE, "namespace";
    /// A system call filter was set.
    Seccomp = SECCOMP, "seccomp";
    /// A socket was made.
    Socket = SOCKET, "socket";
    /// A connection was asked for.
    Connect = CONNECT, "connect";
    /// A datagram was sent without a connection.
    Send = SEND, "send";
    /// An address was taken.
    Bind = BIND, "bind";
    /// A socket began to listen.
    Listen = LISTEN, "listen";
    /// A connection was accepted.
    Accept = ACCEPT, "accept";
    /// `bpf(2)` was called.
    Bpf = BPF, "bpf";
    /// `perf_event_open(2)` was called.
    Perf = PERF, "perf";
    /// `io_uring_setup(2)` was called.
    IoUring = IO_URING, "io-uring";
    /// The kernel's key store was used.
    Key = KEY, "key";
    /// `userfaultfd(2)` was called.
    Userfaultfd = USERFAULTFD, "userfaultfd";
    /// A kernel module was loaded, or another kernel.
    Module = MODULE, "module";
    /// A mount was taken away.
    Umount = UMOUNT, "umount";
    /// An extended attribute was removed.
    Removexattr = REMOVEXATTR, "removexattr";
    /// A request was made through io_uring.
    IoRequest = IO_REQUEST, "io-request";
    /// A TLS connection asked for a server by its name (claimed).
    ServerName = SERVER_NAME, "server-name";
    /// A resolver was asked for a name (claimed).
    Lookup = LOOKUP, "lookup";
}

impl Op {
    /// Whether it changes a file by its path, or what that path leads to. An `Open` says so by its access.
    pub fn is_change(self) -> bool {
        matches!(
            self,
            Op::Create
                | Op::Mkdir
                | Op::Rmdir
                | Op::Symlink
                | Op::Link
                | Op::Rename
                | Op::Unlink
                | Op::Truncate
                | Op::Chmod
                | Op::Chown
                | Op::Setxattr
                | Op::Removexattr
                | Op::Mount
        )
    }

    /// Part of the session's action stream: what changes the world outside the thread, or reaches for it.
    pub fn is_action(self) -> bool {
        !matches!(
            self,
            Op::Fork
                | Op::Exit
                | Op::MapExec
                | Op::Socket
                | Op::Seccomp
                | Op::Accept
                | Op::IoRequest
                | Op::ServerName
                | Op::Lookup
        )
    }
}

bitflags::bitflags! {
    /// What an operation wants of its object; the kernel side's `abi::access` bits.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Access: u32 {
        /// Read content, or list a directory.
        const READ = access::READ;
        /// Change content.
        const WRITE = access::WRITE;
        /// Execute.
        const EXEC = access::EXEC;
        /// Make a new name.
        const CREATE = access::CREATE;
        /// Remove a name.
        const REMOVE = access::REMOVE;
        /// Change mode, owner, times, attributes or size.
        const ATTR = access::ATTR;
        /// Connect or send.
        const CONNECT = access::CONNECT;
        /// Listen or accept.
        const LISTEN = access::LISTEN;
        /// Give another name.
        const LINK = access::LINK;
        /// Mount on it.
        const MOUNT = access::MOUNT;
        /// The object is a directory.
        const DIR = access::DIR;
        /// The object was made by this operation.
        const NEW = access::NEW;
        /// The content was cut.
        const TRUNC = access::TRUNC;
        /// A path descriptor only.
        const PATH_ONLY = access::PATH_ONLY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_its_number_and_name_once() {
        for &op in Op::ALL {
            assert_eq!(Op::from_number(op as u16), Some(op));
            assert_eq!(Op::ALL.iter().filter(|o| o.name() == op.name()).count(), 1);
        }
        assert_eq!(Op::from_number(0), None);
    }
}
