//! Root runs a program, and loads a state, only if nobody else can change them: who can becomes root at the next `sudo`.

use crate::style;
use crate::{Exit, State};
use anyhow::Result;
use nix::unistd::{Gid, Group, Uid, User};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

/// The environment's `--unsafe-paths`.
pub const UNSAFE_PATHS: &str = "WARDLINE_UNSAFE_PATHS";

/// As many links as the kernel follows.
const LINKS: usize = 40;
/// Directories below the state directory: a user's, and that of the user's baselines.
const DEPTH: usize = 2;

/// Somebody but root may change what lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    path: PathBuf,
    why: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` {}", self.path.display(), self.why)
    }
}

/// What is asked of the program before a command is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing.
    Nothing,
    /// It is said.
    Said,
    /// The command is refused.
    Refused,
}

/// Refuses a command that needs root where somebody else may change this program or the state, unless that is asked for.
/// What works in a world of its own, or only looks, says it.
pub fn check(asked: Asked, state: &State, unsafe_paths: bool) -> Result<()> {
    if asked == Asked::Nothing || unsafe_paths || !Uid::effective().is_root() {
        return Ok(());
    }
    match (asked, program()) {
        (_, Ok(())) => {}
        (Asked::Said, Err(fault)) => {
            anstream::eprintln!(
                "{} {fault}: whoever may change that can become root by it",
                style::warning("warning:")
            );
        }
        (_, Err(fault)) => {
            let program = fs::read_link("/proc/self/exe").unwrap_or_else(|_| "wardline".into());
            return Err(Exit::Refused.error(format!(
                "this program is not run as root: {fault}. Whoever may change that can put another program in its place, which \
                 would be root at your next `sudo`. Install it where only root may write: `sudo install -m 755 {} \
                 /usr/local/bin/wardline`, and run that one (`--unsafe-paths` runs this one all the same, to develop it)",
                program.display()
            )));
        }
    }
    if asked == Asked::Said {
        return Ok(());
    }
    loaded(state.root()).map_err(|fault| {
        Exit::Refused.error(format!(
            "the state in `{0}` is not used: {fault}. Whoever may change that decides what Wardline knows. If you trust what is \
             there, make it root's own (`sudo chown -R root: {0} && sudo chmod -R go-w {0}`); or name another directory with \
             `--state-dir`",
            state.root().display()
        ))
    })
}

/// Whether root alone may change the program that runs, and the path by which it was found.
fn program() -> Result<(), Fault> {
    let exe = Path::new("/proc/self/exe");
    if let Ok(meta) = fs::metadata(exe) {
        let shown = fs::read_link(exe).unwrap_or_else(|_| exe.into());
        judge(&shown, &meta)?;
    }
    for path in [fs::read_link(exe).ok(), executed()].into_iter().flatten() {
        if path != exe {
            path_to(&path)?;
        }
    }
    Ok(())
}

/// The path that was executed, as the kernel kept it: links to this program are in it.
fn executed() -> Option<PathBuf> {
    std::path::absolute(OsStr::from_bytes(rustix::param::linux_execfn().to_bytes())).ok()
}

/// Whether root alone may change where a path leads. What is not there ends it: root would make it.
fn path_to(path: &Path) -> Result<(), Fault> {
    let mut names: VecDeque<OsString> = names(path);
    let mut here = PathBuf::from("/");
    let mut links = 0;
    let Ok(root) = fs::symlink_metadata(&here) else { return Ok(()) };
    judge(&here, &root)?;
    while let Some(name) = names.pop_front() {
        if name == ".." {
            here.pop();
            continue;
        }
        here.push(name);
        let Ok(meta) = fs::symlink_metadata(&here) else { return Ok(()) };
        judge(&here, &meta)?;
        if !meta.is_symlink() {
            continue;
        }
        links += 1;
        let Ok(target) = fs::read_link(&here) else { return Ok(()) };
        if links > LINKS {
            return Ok(());
        }
        here.pop();
        if target.is_absolute() {
            here = PathBuf::from("/");
        }
        for name in self::names(&target).into_iter().rev() {
            names.push_front(name);
        }
    }
    Ok(())
}

fn names(path: &Path) -> VecDeque<OsString> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    parts.collect()
}

/// Whether root alone may change the state: the way to it, and everything in it. Nothing in it is a link.
fn loaded(state: &Path) -> Result<(), Fault> {
    path_to(state)?;
    no_link(state)?;
    below(state, DEPTH)
}

fn below(directory: &Path, depth: usize) -> Result<(), Fault> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Fault { path: directory.into(), why: format!("cannot be read ({error})") }),
    };
    for entry in entries.flatten() {
        let path = entry.path();
        // What has gone meanwhile was a supervisor's own.
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        // The control socket is for everybody.
        if meta.file_type().is_socket() {
            continue;
        }
        no_link(&path)?;
        judge(&path, &meta)?;
        if is_shared(&meta) {
            return Err(Fault { path, why: "may be written by everybody".into() });
        }
        if meta.is_dir() && depth > 0 {
            below(&path, depth - 1)?;
        }
    }
    Ok(())
}

fn no_link(path: &Path) -> Result<(), Fault> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() => Err(Fault { path: path.into(), why: "is a link".into() }),
        _ => Ok(()),
    }
}

/// A directory like `/tmp`: everybody makes files in it, and nobody replaces those of others.
fn is_shared(meta: &Metadata) -> bool {
    meta.is_dir() && meta.mode() & 0o1002 == 0o1002
}

/// Whether root alone may change a file, or replace what lies in a directory.
fn judge(path: &Path, meta: &Metadata) -> Result<(), Fault> {
    let fault = |why| Err(Fault { path: path.into(), why });
    if meta.uid() != 0 {
        return fault(format!("belongs to {}", user(meta.uid())));
    }
    // The mode of a link means nothing.
    if meta.is_symlink() || is_shared(meta) {
        return Ok(());
    }
    if meta.mode() & 0o002 != 0 {
        return fault("may be written by everybody".into());
    }
    if meta.mode() & 0o020 != 0
        && let Some(member) = member(meta.gid())
    {
        return fault(format!("may be written by the group {}, with {member} in it", group(meta.gid())));
    }
    Ok(())
}

fn user(uid: u32) -> String {
    let known = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    known.map_or_else(|| format!("user {uid}"), |user| format!("`{}`", user.name))
}

fn group(gid: u32) -> String {
    let known = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    known.map_or_else(|| gid.to_string(), |group| format!("`{}`", group.name))
}

/// Somebody but root who is in a group: by being listed, or by the password file. A group that nobody knows may be anybody's.
fn member(gid: u32) -> Option<String> {
    let Some(group) = Group::from_gid(Gid::from_raw(gid)).ok().flatten() else {
        return Some("whoever has that number".into());
    };
    if let Some(name) = group.mem.iter().find(|name| *name != "root") {
        return Some(format!("`{name}`"));
    }
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut of_group = accounts.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let (name, uid, own) = (fields.first()?, fields.get(2)?, fields.get(3)?);
        (*uid != "0" && own.parse() == Ok(gid)).then(|| format!("`{name}`"))
    });
    of_group.next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    #[test]
    fn a_path_is_followed_as_the_kernel_does() {
        if !Uid::effective().is_root() {
            eprintln!("not run: files of others are made by root");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let set = |name: &str, mode, uid| {
            fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
            chown(path(name), Some(uid), Some(0)).unwrap();
        };
        let why = |name: &str| path_to(&path(name)).map_err(|fault| (fault.path, fault.why)).err();
        fs::create_dir(path("bin")).unwrap();
        fs::write(path("bin/program"), "").unwrap();
        set("bin", 0o755, 0);
        set("bin/program", 0o755, 0);
        symlink("bin/program", path("link")).unwrap();
        fs::create_dir(path("mine")).unwrap();
        symlink("../link", path("mine/link")).unwrap();
        assert_eq!(why("mine/link"), None);
        set("mine", 0o755, 54_321);
        assert_eq!(why("mine/link"), Some((path("mine"), "belongs to user 54321".into())));
        assert_eq!(why("bin/program"), None);
        set("bin/program", 0o757, 0);
        assert_eq!(why("link"), Some((path("bin/program"), "may be written by everybody".into())));
        set("bin/program", 0o775, 0);
        assert_eq!(why("link"), None, "nobody else is in root's group");
        set("bin/program", 0o755, 0);
        set("bin", 0o1777, 0);
        assert_eq!(why("bin/program"), None, "nobody replaces root's file there");
        assert_eq!(why("bin/absent/below"), None);
        fs::create_dir(path("state")).unwrap();
        set("state", 0o755, 0);
        assert_eq!(loaded(&path("state")), Ok(()));
        symlink("../bin/program", path("state/link")).unwrap();
        assert_eq!(loaded(&path("state")), Err(Fault { path: path("state/link"), why: "is a link".into() }));
    }
}
