//! Rules of one's own, as those of the throw-away user while they are tried.

use anyhow::{Context, Result, anyhow, ensure};
use policy::{Layer, Policy, Rules, Site, Source};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where each user's rules are: a file `UID.toml`.
const OF_USERS: &str = "/etc/wardline/users";

/// Rules upon the shipped ones.
pub struct Own {
    /// All of them, with the shipped ones.
    pub rules: Rules,
    /// Those of a user that are about places that another user does not own.
    pub untried: Vec<String>,
    /// What is written for the throw-away user.
    text: String,
}

/// A file that goes away again.
pub struct Written(Option<PathBuf>);

impl Own {
    /// From files of this machine and of a user.
    pub fn read(files: &[PathBuf]) -> Result<Self> {
        let (mut sources, mut untried, mut own) = (Vec::new(), Vec::new(), String::new());
        for path in files {
            let file = path.display().to_string();
            let mut text = fs::read_to_string(path).with_context(|| format!("`{file}` could not be read"))?;
            let is_users = path.parent() == Some(Path::new(OF_USERS));
            let layer = if is_users { Layer::User } else { Layer::Machine };
            if is_users {
                untried = without_others(&file, &mut text)?;
                own.clone_from(&text);
            }
            sources.push(Source { layer, file, text });
        }
        let rules = Rules::read(&sources).map_err(|wrong| anyhow!("{wrong}"))?;
        Ok(Self { rules, untried, text: own })
    }

    /// Puts the user's rules where sessions of the throw-away user look for them.
    pub fn written(&self, uid: u32) -> Result<Written> {
        if self.text.is_empty() {
            return Ok(Written(None));
        }
        let path = Path::new(OF_USERS).join(format!("{uid}.toml"));
        DirBuilder::new().recursive(true).mode(0o755).create(OF_USERS)?;
        // Nobody has this number, so that what lies there was left by such a test which was killed.
        let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&path);
        let mut opened = opened.with_context(|| format!("`{}` could not be made", path.display()))?;
        let written = Written(Some(path));
        opened.write_all(self.text.as_bytes())?;
        Ok(written)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

/// Takes out of a user's rules those about places outside of the home and the workspace, and says which.
fn without_others(file: &str, text: &mut String) -> Result<Vec<String>> {
    let mut out = Vec::new();
    loop {
        let there = Policy::read(Layer::User, file, text).map_err(|wrong| anyhow!("{}", wrong.render()))?;
        let is_others = |site: &Site| matches!(site, Site::System(_) | Site::Runtime(_) | Site::Variable(_));
        let Some(rule) = there.rules().iter().find(|rule| rule.sites.iter().any(is_others)) else {
            return Ok(out);
        };
        let without = there.taken_out(text, &rule.id);
        *text =
            without.with_context(|| format!("rule `{}` of `{file}` cannot be tried by itself", rule.id))?;
        ensure!(!out.contains(&rule.id), "rule `{}` of `{file}` cannot be taken out", rule.id);
        out.push(rule.id.clone());
    }
}
