//! Where the objects of a session lie: the places that give a path its meaning.

use bstr::{BString, ByteSlice};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Where each running session has a directory of its own, with the sockets by which its keys are used. What is done there
/// says nothing of an agent or a task.
pub const SESSION_DIRECTORIES: &str = "/run/wardline-sessions";

/// Where name servers are asked.
pub const RESOLVER_PORT: u16 = 53;

/// The places that a session's paths are read against. Canonical paths, without a trailing slash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// Directories that the agent was asked to work in.
    pub workspaces: Vec<BString>,
    /// Home of the user that the agent runs as.
    pub home: BString,
    /// Directories in which the agent keeps its own state.
    pub agent_state: Vec<BString>,
    /// Directories of compilers, interpreters and package managers outside the system's own.
    pub toolchains: Vec<BString>,
    /// The user that the agent runs as.
    pub uid: u32,
    /// Name servers that were configured when the session began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolvers: Vec<IpAddr>,
}

impl Context {
    /// The first workspace that `path` lies in (or is), and the rest of the path without a leading slash.
    pub fn in_workspace<'p>(&self, path: &'p [u8]) -> Option<(&BString, &'p [u8])> {
        self.workspaces.iter().find_map(|workspace| Some((workspace, below(path, workspace)?)))
    }

    /// Whether an address is that of a configured name server: any session may ask it, and what is asked is told apart.
    pub fn is_resolver(&self, ip: IpAddr, port: u16) -> bool {
        port == RESOLVER_PORT
            && self.resolvers.iter().any(|resolver| resolver.to_canonical() == ip.to_canonical())
    }

    /// The rest of a path below the home.
    pub fn in_home<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        below(path, &self.home)
    }
}

/// The rest of `path` below `directory`, without a leading slash; empty when they are the same.
pub(crate) fn below<'p>(path: &'p [u8], directory: &[u8]) -> Option<&'p [u8]> {
    if directory.is_empty() {
        return None;
    }
    let directory = directory.trim_end_with(|c| c == '/');
    match path.strip_prefix(directory)? {
        [] => Some(&[]),
        [b'/', rest @ ..] => Some(rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::below;

    #[test]
    fn a_directory_holds_itself_and_what_is_below_and_not_its_namesakes() {
        assert_eq!(below(b"/home/u", b"/home/u"), Some(&b""[..]));
        assert_eq!(below(b"/home/u/a/b", b"/home/u/"), Some(&b"a/b"[..]));
        assert_eq!(below(b"/home/user", b"/home/u"), None);
        assert_eq!(below(b"/home/u", b""), None);
    }
}
