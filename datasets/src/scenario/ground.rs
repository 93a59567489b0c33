//! Where a scenario takes place.

use crate::tools::PATH;
use crate::{Secret, User};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where a scenario takes place.
#[derive(Clone, Debug)]
pub struct Ground {
    /// The user's home.
    pub home: PathBuf,
    /// The session's workspace.
    pub workspace: PathBuf,
    /// The bare repositories behind the git remote.
    pub remotes: PathBuf,
    /// Who the session runs as.
    pub user: User,
    /// What an observer can recognise. [`plant`](super::plant) adds to it.
    pub secrets: Vec<Secret>,
}

impl Ground {
    /// A command as the user of the ground.
    pub(super) fn command(&self, program: &str, directory: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", PATH).env("HOME", &self.home).env("LANG", "C");
        command.current_dir(directory).stdin(Stdio::null()).uid(self.user.id).gid(self.user.id);
        command
    }
}
