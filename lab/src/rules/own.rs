//! Users' rules, as those of the throw-away user while they are tried.

use anyhow::{Context, Result, anyhow, ensure};
use nix::sched::{CloneFlags, unshare};
use policy::{Day, Layer, Policy, Rules, Site, Source};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where users' rules are.
const OF_ALL: &str = "/etc/wardline";
/// Where this machine's are.
const OF_MACHINE: &str = "/etc/wardline/policy.d";
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
    /// This machine's files.
    machine: Vec<(PathBuf, String)>,
}

impl Own {
    /// From files of this machine and of a user.
    pub fn read(files: &[PathBuf]) -> Result<Self> {
        let (mut sources, mut untried, mut own) = (Vec::new(), Vec::new(), String::new());
        let mut machine = Vec::new();
        for path in files {
            let file = path.display().to_string();
            let mut text = fs::read_to_string(path).with_context(|| format!("`{file}` could not be read"))?;
            let is_users = path.parent() == Some(Path::new(OF_USERS));
            let layer = if is_users { Layer::User } else { Layer::Machine };
            if is_users {
                untried = without_others(&file, &mut text)?;
                own.clone_from(&text);
            } else if path.parent() == Some(Path::new(OF_MACHINE)) {
                machine.push((path.clone(), text.clone()));
            }
            sources.push(Source { layer, file, text });
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let today = Day::at(now.as_secs());
        let rules = Rules::read(&sources, today).map_err(|wrong| anyhow!("{wrong}"))?;
        Ok(Self { rules, untried, text: own, machine })
    }

    /// Puts the user's rules where sessions of the throw-away user look for them, beside this machine's: in a directory that
    /// nobody but this thread and what it starts sees, and that is gone with them.
    pub fn lay(&self, uid: u32) -> Result<()> {
        if self.text.is_empty() {
            return Ok(());
        }
        let covered = || format!("`{OF_ALL}` cannot be covered");
        unshare(CloneFlags::CLONE_NEWNS).with_context(covered)?;
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .with_context(covered)?;
        mount("rules", OF_ALL, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=0755")
            .with_context(covered)?;
        let own = (Path::new(OF_USERS).join(format!("{uid}.toml")), self.text.clone());
        for (path, text) in self.machine.iter().chain([&own]) {
            let written = || format!("`{}` could not be written", path.display());
            let directory = path.parent().context("a file of rules has a directory")?;
            DirBuilder::new().recursive(true).mode(0o755).create(directory).with_context(written)?;
            fs::write(path, text).with_context(written)?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o644)).with_context(written)?;
        }
        Ok(())
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
