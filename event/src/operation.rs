//! The operation, and the access that it requested.
//!
//! The table (`ebpf/abi/src/operation.rs`) says of an operation what most ask: models, stages and commands. How a change is undone, and which object it needs, say
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

/// Declares [`Op`] from the table that the kernel side reads, too, so that a number has one name everywhere.
macro_rules! operations {
    ($($(#[$doc:meta])* $number:ident $variant:ident = $value:literal, $name:literal, $nature:expr;)*) => {
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

abi::operations!(operations);

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
