//! The user whose jewels are guarded, and the coverage.

use abi::FileKey;
use bstr::BString;
use event::Access;
use policy::Rules;
use std::collections::HashSet;
use std::path::PathBuf;

/// Wardline's own: what it needs to stay itself.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// Its files and directories.
    pub files: Vec<OwnFile>,
    /// Its processes.
    pub processes: Vec<u32>,
}

/// One of Wardline's own files or directories. The directory of the control socket gives no `CONNECT` here: the
/// supervisor itself refuses peers from inside a session, and tells them so.
#[derive(Clone, Debug)]
pub struct OwnFile {
    /// Where it is.
    pub path: PathBuf,
    /// What is refused.
    pub deny: Access,
}

/// Whose jewels are guarded, and around what.
#[derive(Clone, Debug, Default)]
pub struct Guarded {
    /// The user.
    pub uid: u32,
    /// The user's home.
    pub home: PathBuf,
    /// What people decided.
    pub rules: Rules,
    /// The session's workspaces: jewels that are names alone do not hold in them, and no link makes one of them, or what
    /// holds one, a jewel.
    pub workspaces: Vec<PathBuf>,
    /// Variables of the command's environment.
    pub variables: Vec<(BString, BString)>,
    /// A key that lies in a workspace is the session's, too.
    pub force: bool,
    /// Files that the session's agent itself may replace.
    pub rewrites: Vec<PathBuf>,
    /// What the user's keys are, beside those at places that are the same for everybody.
    pub key_files: KeyFiles,
}

impl Guarded {
    /// The value of a variable; the last one wins, as in a shell.
    pub(super) fn variable(&self, name: &str) -> Option<&BString> {
        self.variables.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// What was labelled for a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Files and directories that have a label.
    pub labels: usize,
    /// Exact names.
    pub names: usize,
    /// Files among `labels` that have more than one hard link, and so another name somewhere.
    pub hard_linked: usize,
    /// Objects that have a permission mark.
    pub marks: usize,
    /// What was found by its name.
    pub found: Vec<PathBuf>,
    /// Other repositories that were found in the home, by their top directories.
    pub repositories: Vec<PathBuf>,
    /// What lies around the session's work.
    pub(super) ground: Ground,
    /// What the user should know: jewels that exist and could not be labelled, and directories too large to enumerate or search.
    pub warnings: Vec<String>,
}

/// What lies around a session's work, as it was before anybody was inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ground {
    /// Directories that no link turns into a jewel: the root, homes, workspaces and what holds them.
    pub(super) untouchable: HashSet<FileKey>,
    /// Its workspaces and the repositories that they lie in, by device and inode: what is not looked through.
    pub(super) own: HashSet<(u64, u64)>,
}

/// What the brokers of a session know of the user's keys.
#[derive(Clone, Debug, Default)]
pub struct KeyFiles {
    /// Private keys that the user's configuration of ssh names, wherever they lie.
    pub keys: Vec<PathBuf>,
    /// What else ssh and the broker believe: the configuration, and known hosts.
    pub files: Vec<PathBuf>,
    /// The directory of gpg, where it is another one than `~/.gnupg`.
    pub gnupg: Option<PathBuf>,
    /// Sockets of agents that the configuration names.
    pub agents: Vec<PathBuf>,
}
