//! An ordinary user as machines have them: an account with a home, and leave to run one program as root.

use crate::cache::run;
use crate::error::at;
use crate::user::Lease;
use crate::{Error, User};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How the names of these accounts begin; the user's id follows.
const NAME: &str = "resident";

/// An account. Dropping it ends what still runs as its user, and removes it with its home.
#[derive(Debug)]
pub struct Account {
    /// The user's name.
    pub name: String,
    /// The user.
    pub user: User,
    /// The home.
    pub home: PathBuf,
    _lease: Lease,
}

impl Account {
    /// Makes one. Needs root. What an interrupted run left behind is removed first.
    pub fn create() -> Result<Account, Error> {
        remove_left()?;
        let (user, lease) = User::unused()?;
        let name = format!("{NAME}{}", user.id);
        let home = Path::new("/home").join(&name);
        let id = user.id.to_string();
        let account = Account { name, user, home, _lease: lease };
        run(Command::new("groupadd").args(["--gid", &id, &account.name]), "`groupadd`")?;
        let mut useradd = Command::new("useradd");
        useradd.args(["--create-home", "--shell", "/bin/bash", "--uid", &id, "--gid", &id]);
        run(useradd.arg("--home-dir").arg(&account.home).arg(&account.name), "`useradd`")?;
        Ok(account)
    }

    /// Lets the user run a program as root without a password, and nothing else; what Debian's own rules say otherwise holds.
    pub fn allow(&self, program: &Path) -> Result<(), Error> {
        let rule = format!("{} ALL=(root) NOPASSWD: {}\n", self.name, program.display());
        let path = rules(&self.name);
        at("write", &path, fs::write(&path, rule))?;
        at("set the mode of", &path, fs::set_permissions(&path, Permissions::from_mode(0o440)))
    }

    /// Runs a script for bash in a directory as the user, with nothing of the caller's environment.
    pub(crate) fn bash(&self, directory: &Path, script: &str, what: &str) -> Result<(), Error> {
        let mut su = Command::new("su");
        let place = crate::script::quote(&directory.display().to_string());
        su.args(["--login", &self.name, "--command"]).arg(format!("cd {place} && set -e\n{script}"));
        run(su.env_clear().env("TERM", "dumb"), what)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        remove(&self.name, self.user);
    }
}

fn rules(name: &str) -> PathBuf {
    Path::new("/etc/sudoers.d").join(name)
}

fn remove(name: &str, user: User) {
    user.end_processes();
    #[expect(clippy::let_underscore_must_use, reason = "gone already is what is wanted")]
    let _ = fs::remove_file(rules(name));
    #[expect(
        clippy::let_underscore_must_use,
        reason = "who is gone already needs no removing; the next run removes who stayed"
    )]
    let _ = Command::new("userdel").args(["--force", "--remove", name]).output();
    #[expect(clippy::let_underscore_must_use, reason = "`userdel` mostly took the group with it")]
    let _ = Command::new("groupdel").arg(name).output();
}

/// Removes the accounts of runs that have ended without doing it: those whose id nobody keeps.
fn remove_left() -> Result<(), Error> {
    let path = Path::new("/etc/passwd");
    for line in at("read", path, fs::read_to_string(path))?.lines() {
        let name = line.split(':').next().unwrap_or_default();
        let id = name.strip_prefix(NAME).and_then(|id| id.parse().ok());
        let Some(id) = id.filter(|id| User::made_up(*id)) else { continue };
        if let Some(_lease) = Lease::take(id)? {
            remove(name, User { id });
        }
    }
    Ok(())
}
