//! As whom a command runs, and whose sessions a command is about.

use crate::{Exit, State};
use anyhow::{Context, Result};
use nix::unistd::{Gid, Group, Uid, User as Account, getgrouplist, getgroups};
use std::ffi::CString;
use std::path::PathBuf;

/// `--user`, `--home` and `--as-root` of the commands that start an agent.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct UserArgs {
    /// Run the command as this user: a name, or UID[:GID] (root only; under `sudo` the invoking user is the default)
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Home directory of that user, instead of the password file's (root only)
    #[arg(long, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Run the command as root: it can then undo much of the guard
    #[arg(long)]
    pub as_root: bool,
}

/// The user that a command runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// All groups, the primary one included.
    pub groups: Vec<u32>,
    /// Name, where the password file knows one.
    pub name: Option<String>,
    /// Home.
    pub home: PathBuf,
    /// Login shell, where the password file knows one.
    pub shell: Option<PathBuf>,
    /// It is who ran `sudo`.
    pub ran_sudo: bool,
    /// The process must change to it before it executes the command.
    pub change: bool,
}

impl UserArgs {
    /// Who the command runs as.
    pub fn resolve(&self) -> Result<Identity> {
        if !Uid::effective().is_root() {
            return self.myself();
        }
        let identity = match (&self.user, sudo()) {
            (Some(user), _) => self.named(user)?,
            (None, Some((uid, gid))) if !self.as_root => {
                Identity { ran_sudo: true, ..self.account(uid, Some(gid))? }
            }
            _ if self.as_root => self.account(0, None)?,
            _ => {
                return Err(Exit::Refused.error(
                    "an agent is not run as root: use `sudo wardline` from your own account, or `--user NAME` (or `--as-root`, which weakens what protects you)",
                ));
            }
        };
        if identity.uid == 0 && !self.as_root {
            return Err(Exit::Refused.error("an agent is not run as root: add `--as-root` if you mean it"));
        }
        Ok(identity)
    }

    /// Who a process that runs already is.
    pub fn of_process(&self, uid: u32, gid: u32) -> Result<Identity> {
        if !Uid::effective().is_root() {
            return Ok(Identity { uid, gid, ..self.myself()? });
        }
        Ok(Identity { change: false, ..self.account(uid, Some(gid))? })
    }

    fn myself(&self) -> Result<Identity> {
        if self.user.is_some() || self.home.is_some() || self.as_root {
            return Err(
                Exit::Usage.error("`--user`, `--home` and `--as-root` are for root: use `sudo wardline`")
            );
        }
        let uid = Uid::current();
        let account = Account::from_uid(uid).ok().flatten();
        let home =
            account.as_ref().map(|a| a.dir.clone()).or_else(|| std::env::var_os("HOME").map(PathBuf::from));
        let groups = getgroups().context("your groups cannot be read")?;
        Ok(Identity {
            uid: uid.as_raw(),
            gid: Gid::current().as_raw(),
            groups: groups.into_iter().map(Gid::as_raw).collect(),
            shell: account.as_ref().map(|a| a.shell.clone()),
            name: account.map(|a| a.name),
            home: home.context("you have no home directory: set HOME")?,
            ran_sudo: false,
            change: false,
        })
    }

    /// `NAME`, or `UID[:GID]`.
    fn named(&self, user: &str) -> Result<Identity> {
        let (user, group) = user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
        let gid = group.map(parse_group).transpose()?;
        match user.parse::<u32>() {
            Ok(uid) => self.account(uid, gid),
            Err(_) => {
                let account = Account::from_name(user).ok().flatten().ok_or_else(|| unknown("user", user))?;
                self.account(account.uid.as_raw(), gid)
            }
        }
    }

    fn account(&self, uid: u32, gid: Option<u32>) -> Result<Identity> {
        let account = Account::from_uid(Uid::from_raw(uid)).ok().flatten();
        let gid = gid.or(account.as_ref().map(|a| a.gid.as_raw())).unwrap_or(uid);
        let home = self.home.clone().or(account.as_ref().map(|a| a.dir.clone())).ok_or_else(|| {
            Exit::Usage
                .error(format!("the password file knows no home of user {uid}: say it with `--home DIR`"))
        })?;
        let groups = match &account {
            Some(account) => getgrouplist(&CString::new(account.name.as_str())?, Gid::from_raw(gid))
                .map(|groups| groups.into_iter().map(Gid::as_raw).collect())
                .unwrap_or_else(|_| vec![gid]),
            None => vec![gid],
        };
        let shell = account.as_ref().map(|a| a.shell.clone());
        let name = account.map(|a| a.name);
        Ok(Identity { uid, gid, groups, name, home, shell, ran_sudo: false, change: true })
    }
}

fn parse_group(group: &str) -> Result<u32> {
    if let Ok(gid) = group.parse() {
        return Ok(gid);
    }
    let found = Group::from_name(group).ok().flatten().ok_or_else(|| unknown("group", group))?;
    Ok(found.gid.as_raw())
}

fn unknown(what: &str, name: &str) -> anyhow::Error {
    Exit::Usage.error(format!("there is no {what} `{name}`"))
}

/// The user behind `sudo`, if it is not root itself.
fn sudo() -> Option<(u32, u32)> {
    let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
    Some((number("SUDO_UID")?, number("SUDO_GID")?)).filter(|&(uid, _)| uid != 0)
}

/// Whose sessions begin from here: who ran `sudo`, or the caller.
pub fn here() -> Result<Identity> {
    let args = UserArgs { as_root: Uid::effective().is_root() && sudo().is_none(), ..UserArgs::default() };
    args.resolve()
}

/// Whose sessions and baselines a command is about: the user named, else the one behind `sudo`, else the only user of
/// the state directory that anything is known of, else the caller.
pub fn owner(user: Option<&str>, state: &State) -> Result<u32> {
    let caller = Uid::effective();
    if let Some(user) = user {
        let args = UserArgs { home: Some("/".into()), ..UserArgs::default() };
        let uid = args.named(user)?.uid;
        if !caller.is_root() && uid != caller.as_raw() {
            return Err(Exit::Refused.error("the sessions of others are root's: use `sudo wardline`"));
        }
        return Ok(uid);
    }
    if !caller.is_root() {
        return Ok(caller.as_raw());
    }
    Ok(match (sudo(), state.users().as_slice()) {
        (Some((uid, _)), _) => uid,
        (None, [only]) => *only,
        (None, _) => 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_may_be_numbers_that_nobody_knows() {
        let args = UserArgs { home: Some("/h".into()), ..UserArgs::default() };
        let identity = args.named("54321:54322").unwrap();
        assert_eq!((identity.uid, identity.gid, identity.groups), (54321, 54322, vec![54322]));
        assert_eq!(args.named("54321").unwrap().gid, 54321);
        assert_eq!(Exit::of(&UserArgs::default().named("54321").unwrap_err()), Exit::Usage);
        assert_eq!(Exit::of(&args.named("no-such-user-here").unwrap_err()), Exit::Usage);
    }
}
