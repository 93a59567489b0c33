//! State that the steps share.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::host;

/// What steps share.
pub struct Context {
    pub(super) workspace: PathBuf,
    /// Where cargo builds.
    pub target: PathBuf,
    /// An object that this machine's tools built differently: kernel tests run on it too.
    pub rebuilt: Option<PathBuf>,
}

impl Context {
    /// Looks round.
    pub fn new() -> Result<Context> {
        Ok(Context { workspace: host::workspace()?, target: host::target()?, rebuilt: None })
    }

    /// The cargo that started us, in the root of the tree.
    pub fn cargo(&self) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.workspace);
        cargo
    }

    /// The tree.
    pub fn root(&self) -> &Path {
        &self.workspace
    }

    /// The program, where it is built.
    pub fn wardline(&self) -> Option<PathBuf> {
        Some(self.target.join("release/wardline")).filter(|program| program.is_file())
    }

    /// The environments in which kernel tests run: with the committed object, and with a differing one.
    pub fn environments(&self, rebuilt: &str) -> Vec<Vec<(String, String)>> {
        let mut all = vec![Vec::new()];
        if self.rebuilt.is_some() {
            all.push(vec![("WARDLINE_BPF_OBJECT".to_owned(), rebuilt.to_owned())]);
        }
        all
    }
}
