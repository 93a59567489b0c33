//! What was done: the operation, and the access that it asked for.
//!
//! The table says of an operation what most ask: models, stages and commands. How a change is undone, and which object it needs, say
//! `guard/src/session/live/change.rs`, `guard/src/session/undo.rs` and `collector/src/join/objects.rs`.

use crate::Reach;
use abi::{access, op};
use serde::{Deserialize, Serialize};

/// What an operation is, wherever it is read.
struct Nature {
    is_action: bool,
    is_change: bool,
    reach: Option<Reach>,
    is_met_without_hooks: bool,
    closes: u32,
}

/// An action that reaches for no place.
const fn deed() -> Nature {
    Nature {
        is_action: true,
        is_change: false,
        reach: None,
        is_met_without_hooks: false,
        closes: access::CONNECT | access::EXEC,
    }
}

/// Of a file by its path, or of what that path leads to.
const fn change(reach: Reach) -> Nature {
    Nature { is_change: true, ..deed().reaching(reach).closing(access::MODIFY) }
}

/// The start of a program.
const fn program() -> Nature {
    deed().reaching(Reach::Exec).closing(access::EXEC).met()
}

/// Of a socket.
const fn network() -> Nature {
    deed().closing(access::CONNECT | access::LISTEN).met()
}

impl Nature {
    /// No part of the session's action stream.
    const fn aside(self) -> Nature {
        Nature { is_action: false, ..self }
    }

    const fn reaching(self, reach: Reach) -> Nature {
        Nature { reach: Some(reach), ..self }
    }

    const fn closing(self, closes: u32) -> Nature {
        Nature { closes, ..self }
    }

    /// What a baseline closes is closed to it in the tier `tracepoint`, too: it is refused there, or who did it is ended. What the
    /// static deny-list does about it is not said here: docs/kernel.md has the table.
    const fn met(self) -> Nature {
        Nature { is_met_without_hooks: true, ..self }
    }
}

/// Declares [`Op`] from the numbers that the kernel side writes, so that a number has one name everywhere.
macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident = $number:ident, $name:literal, $nature:expr;)*) => {
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

            const fn nature(self) -> Nature {
                match self { $(Op::$variant => $nature,)* }
            }
        }
    };
}

operations! {
    /// A file or directory was opened.
    Open = OPEN, "open", deed().met();
    /// A file was made.
    Create = CREATE, "create", change(Reach::Create).met();
    /// A file was cut or extended.
    Truncate = TRUNCATE, "truncate", change(Reach::Write);
    /// A name was removed.
    Unlink = UNLINK, "unlink", change(Reach::Remove);
    /// A name was moved.
    Rename = RENAME, "rename", change(Reach::Remove);
    /// A second name was given.
    Link = LINK, "link", change(Reach::Create);
    /// A symbolic link was made.
    Symlink = SYMLINK, "symlink", change(Reach::Create).met();
    /// A directory was made.
    Mkdir = MKDIR, "mkdir", change(Reach::Create).met();
    /// A directory was removed.
    Rmdir = RMDIR, "rmdir", change(Reach::Remove);
    /// A mode was changed.
    Chmod = CHMOD, "chmod", change(Reach::Write);
    /// An owner was changed.
    Chown = CHOWN, "chown", change(Reach::Write);
    /// An extended attribute was set.
    Setxattr = SETXATTR, "setxattr", change(Reach::Write);
    /// A file was mapped executable.
    MapExec = MAP_EXEC, "map-exec", program().aside();
    /// Something was mounted.
    Mount = MOUNT, "mount", change(Reach::Write);
    /// The root directory was changed.
    Chroot = CHROOT, "chroot", deed();
    /// A program was started.
    Exec = EXEC, "exec", program();
    /// A process or thread was made.
    Fork = FORK, "fork", deed().aside();
    /// A process ended.
    Exit = EXIT, "exit", deed().aside();
    /// A signal was sent.
    Signal = SIGNAL, "signal", deed();
    /// Another process was traced, or its memory reached for.
    Ptrace = PTRACE, "ptrace", deed();
    /// Credentials or capabilities were changed.
    Credentials = CREDENTIALS, "credentials", deed();
    /// A namespace was entered or made.
    Namespace = NAMESPACE, "namespace", deed();
    /// A system call filter was set.
    Seccomp = SECCOMP, "seccomp", deed().aside();
    /// A socket was made.
    Socket = SOCKET, "socket", deed().aside();
    /// A connection was asked for.
    Connect = CONNECT, "connect", network().reaching(Reach::Connect);
    /// A datagram was sent without a connection.
    Send = SEND, "send", network().reaching(Reach::Connect);
    /// An address was taken.
    Bind = BIND, "bind", network().reaching(Reach::Listen);
    /// A socket began to listen.
    Listen = LISTEN, "listen", network();
    /// A connection was accepted.
    Accept = ACCEPT, "accept", network().aside();
    /// `bpf(2)` was called.
    Bpf = BPF, "bpf", deed();
    /// `perf_event_open(2)` was called.
    Perf = PERF, "perf", deed();
    /// `io_uring_setup(2)` was called.
    IoUring = IO_URING, "io-uring", deed();
    /// The kernel's key store was used.
    Key = KEY, "key", deed();
    /// `userfaultfd(2)` was called.
    Userfaultfd = USERFAULTFD, "userfaultfd", deed();
    /// A kernel module was loaded, or another kernel.
    Module = MODULE, "module", deed();
    /// A mount was taken away.
    Umount = UMOUNT, "umount", deed().reaching(Reach::Write).closing(access::MODIFY);
    /// An extended attribute was removed.
    Removexattr = REMOVEXATTR, "removexattr", change(Reach::Write);
    /// A request was made through io_uring.
    IoRequest = IO_REQUEST, "io-request", deed().aside();
    /// A TLS connection asked for a server by its name (claimed).
    ServerName = SERVER_NAME, "server-name", deed().aside().reaching(Reach::Name).met();
    /// A resolver was asked for a name (claimed).
    Lookup = LOOKUP, "lookup", deed().aside().reaching(Reach::Name).met();
}

impl Op {
    /// Whether it changes a file by its path, or what that path leads to. An `Open` says so by its access.
    pub fn is_change(self) -> bool {
        self.nature().is_change
    }

    /// Part of the session's action stream: what changes the world outside the thread, or reaches for it.
    pub fn is_action(self) -> bool {
        self.nature().is_action
    }

    /// How it reaches for its place; `None`: for none, or, of an `Open`, as its access says.
    pub fn reach(self) -> Option<Reach> {
        self.nature().reach
    }

    /// Whether what a baseline closes is closed to it in the tier `tracepoint`, too.
    pub fn is_met_without_hooks(self) -> bool {
        self.nature().is_met_without_hooks
    }

    /// The accesses that the score takes away for it. An `Open` says so by its own.
    pub fn closes(self) -> Access {
        Access::from_bits_truncate(self.nature().closes)
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

    #[test]
    fn what_only_hooks_refuse_changes_names_and_attributes() {
        let only_hooks: Vec<&str> = Op::ALL
            .iter()
            .filter(|op| op.reach().is_some() && !op.is_met_without_hooks())
            .map(|op| op.name())
            .collect();
        assert_eq!(
            only_hooks,
            [
                "truncate",
                "unlink",
                "rename",
                "link",
                "rmdir",
                "chmod",
                "chown",
                "setxattr",
                "mount",
                "umount",
                "removexattr"
            ]
        );
    }
}
