//! The object of an operation, as the kernel resolved it.

use abi::FileKey;
use bstr::BString;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use text::shown;

/// Where a field comes from, and so what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Read from a kernel object.
    Trusted,
    /// Read from memory that the guarded side controls: may raise surprise, never lowers it, never opens anything.
    Claimed,
    /// The kernel object was found, but not its whole path.
    Unresolved,
}

/// A file, directory, or a name that does not exist yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct File {
    /// Canonical path: of the superblock's own mount, without symbolic links. Bytes, since paths are.
    pub path: BString,
    /// Identity; `None` for a claimed path.
    pub key: Option<FileKey>,
    /// `st_mode`; 0 where there is no inode.
    pub mode: u32,
    /// How far `path` can be believed.
    pub origin: Origin,
}

impl File {
    /// Whether it is a pipe without a name in any mounted file system.
    pub fn is_anonymous_pipe(&self) -> bool {
        const S_IFMT: u32 = 0o170_000;
        const S_IFIFO: u32 = 0o010_000;
        self.mode & S_IFMT == S_IFIFO && self.origin == Origin::Unresolved
    }
}

/// An Internet address. v4-mapped IPv6 is IPv4.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// The port; 0 where there is none.
    pub port: u16,
    /// `IPPROTO_*`; 0 where it was not seen.
    pub protocol: u16,
    /// The host that was asked for, where it was seen.
    pub host: Option<Host>,
}

/// A host's name for an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Host {
    /// In lower case, without the dot of the root.
    pub name: String,
    /// How far it can be believed.
    pub origin: HostOrigin,
    /// The address has several names: that it is this one says little.
    pub shared: bool,
}

/// Where a host's name comes from, and so what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostOrigin {
    /// The session said so itself (the server name of TLS), or a resolver that was not configured: may raise surprise,
    /// never lowers it.
    Claimed,
    /// A resolver that was configured when the session began answered the session's question so. Teaches while
    /// recording; lowers nothing while guarding.
    Answered,
    /// Answered, and the supervisor found the address under that name by itself.
    Resolved,
}

/// An executable and what it was started with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Exe {
    /// The file.
    pub file: File,
    /// Arguments, argv[0] included (claimed).
    pub args: Vec<BString>,
    /// There were more arguments.
    pub args_cut: bool,
}

/// What an event acted on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    /// Nothing but the kernel or the thread itself.
    None,
    /// A file.
    File(File),
    /// An executable.
    Exe(Exe),
    /// An Internet socket address.
    Address(Address),
    /// A unix socket: its file, or its abstract name with a leading NUL; empty where it is bound to nothing.
    Unix(File),
    /// A socket of another family, by `AF_*`, and its `SOCK_*`.
    Socket {
        /// `AF_*`
        family: u16,
        /// `SOCK_*`
        kind: u16,
    },
    /// Another process, and whether it is inside the same session.
    Process {
        /// Its tgid; 0 where only its socket is known.
        pid: u32,
        /// Inside the same session.
        inside: bool,
        /// The signal, or the ptrace request or mode; of who listens, the inode number of an Internet socket.
        detail: u64,
    },
    /// The first two arguments of a call to a kernel interface.
    Interface {
        /// First argument.
        first: u64,
        /// Second argument.
        second: u64,
    },
}

impl Object {
    /// The file behind the object, if there is one.
    pub fn file(&self) -> Option<&File> {
        match self {
            Object::File(file) | Object::Unix(file) => Some(file),
            Object::Exe(exe) => Some(&exe.file),
            _ => None,
        }
    }

    /// The object in one line, for people. What acts on a terminal is escaped, since names come from the guarded side.
    pub fn display(&self) -> String {
        match self {
            Object::None => String::new(),
            Object::File(file) => shown(&file.path),
            Object::Exe(exe) => shown(&exe.file.path),
            Object::Unix(file) => match file.path.strip_prefix(b"\0") {
                Some(name) => format!("unix:@{}", shown(name)),
                None => format!("unix:{}", shown(&file.path)),
            },
            Object::Address(Address { ip, port, host: Some(host), .. }) => {
                let shared = if host.shared { ", shared" } else { "" };
                let name = shown(host.name.as_bytes());
                match host.origin {
                    HostOrigin::Claimed => format!("`{name}` ({ip}{shared}):{port}"),
                    HostOrigin::Answered | HostOrigin::Resolved => format!("{name} ({ip}{shared}):{port}"),
                }
            }
            Object::Address(Address { ip: IpAddr::V6(ip), port, .. }) => format!("[{ip}]:{port}"),
            Object::Address(Address { ip, port, .. }) => format!("{ip}:{port}"),
            Object::Socket { family, kind } => format!("socket family {family} kind {kind}"),
            Object::Process { pid: 0, detail, .. } => format!("socket {detail}"),
            Object::Process { pid, .. } => format!("process {pid}"),
            Object::Interface { first, second } => format!("{first:#x}, {second:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_escaped() {
        let file = File {
            path: BString::from(&b"/tmp/\x1b[2Ja\n\xff\xc3\xa9"[..]),
            key: None,
            mode: 0,
            origin: Origin::Claimed,
        };
        assert_eq!(Object::File(file).display(), "/tmp/\\u{1b}[2Ja\\n\\xff\u{e9}");
    }
}
