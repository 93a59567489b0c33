//! The directories that may be a workspace: everything is allowed there, so it must hold no jewel.

use bstr::ByteSlice;
use event::jewel::jewels;
use policy::Site;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why a directory is refused as a workspace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The root.
    #[error("`/` is the whole machine, not a workspace: name a project's directory, or use `--force`")]
    Root,
    /// A home.
    #[error("`{}` is a home, not a workspace: name a project's directory in it, or use `--force`", .0.display())]
    Home(PathBuf),
    /// Homes, or a crown jewel, lie in it.
    #[error("the workspace `{}` would hold `{}` ({what}): name a directory below it, or use `--force`", .workspace.display(), .inside.display())]
    Holds {
        /// The directory.
        workspace: PathBuf,
        /// What lies in it.
        inside: PathBuf,
        /// What that is.
        what: &'static str,
    },
    /// It lies in a crown jewel.
    #[error("the workspace `{}` lies in `{}` ({what}), which no session may touch: name another directory, or use `--force`", .workspace.display(), .jewel.display())]
    Inside {
        /// The directory.
        workspace: PathBuf,
        /// The jewel.
        jewel: PathBuf,
        /// What that is.
        what: &'static str,
    },
    /// It is somebody else's.
    #[error("the workspace `{}` is not yours: `--force` reaches only what you own (root may force any)", .0.display())]
    NotOwn(PathBuf),
    /// It is no directory that can be found.
    #[error("the workspace `{}` is no directory: {why}", .workspace.display())]
    Missing {
        /// What was named.
        workspace: PathBuf,
        /// What the system says.
        why: String,
    },
}

/// Refuses a workspace that is `/`, a home, or holds or lies in a crown jewel. `home` is the session's own; the homes
/// of everybody else are read from `/etc/passwd`.
pub fn check(workspace: &Path, home: &Path) -> Result<(), Refusal> {
    let missing =
        |why: std::io::Error| Refusal::Missing { workspace: workspace.into(), why: why.to_string() };
    let resolved = std::fs::canonicalize(workspace).map_err(missing)?;
    if !resolved.is_dir() {
        return Err(missing(std::io::ErrorKind::NotADirectory.into()));
    }
    // Most of what is asked for is not there: one call says so, and not one for each directory above.
    let resolve = |path: &Path| match path.symlink_metadata() {
        Ok(_) => std::fs::canonicalize(path).unwrap_or_else(|_| path.into()),
        Err(_) => path.into(),
    };
    let home = resolve(home);
    let passwd = std::fs::read("/etc/passwd").unwrap_or_default();
    let homes: Vec<_> = homes(&passwd).iter().map(|path| resolve(path)).collect();
    judge(&resolved, &home, &homes, &resolve)
}

/// Refuses a workspace that is not a user's own, forced or not.
pub fn check_owner(workspace: &Path, uid: u32) -> Result<(), Refusal> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(workspace)
        .map_err(|why| Refusal::Missing { workspace: workspace.into(), why: why.to_string() })?;
    if meta.uid() == uid { Ok(()) } else { Err(Refusal::NotOwn(workspace.into())) }
}

/// The homes of the users that can log in. System users have `/`, `/bin` or `/nonexistent` for a home.
fn homes(passwd: &[u8]) -> Vec<PathBuf> {
    let fields = passwd.lines().map(|line| line.split_str(":").collect::<Vec<_>>());
    fields
        .filter_map(|fields| <[&[u8]; 7]>::try_from(fields).ok())
        .filter(|[_, _, uid, ..]| *uid == b"0" || uid.len() >= 4 && *uid != b"65534")
        .map(|[.., home, _]| PathBuf::from(std::ffi::OsStr::from_bytes(home)))
        .filter(|home| home.parent().is_some())
        .collect()
}

/// The decision, on canonical paths; `resolve` makes a jewel's path canonical where it exists.
fn judge(
    workspace: &Path,
    home: &Path,
    homes: &[PathBuf],
    resolve: &dyn Fn(&Path) -> PathBuf,
) -> Result<(), Refusal> {
    if workspace.parent().is_none() {
        return Err(Refusal::Root);
    }
    let everyone = || homes.iter().map(PathBuf::as_path).chain([home]);
    if everyone().any(|home| home == workspace) {
        return Err(Refusal::Home(workspace.into()));
    }
    if let Some(inside) = everyone().find(|home| home.starts_with(workspace)) {
        return Err(Refusal::Holds { workspace: workspace.into(), inside: inside.into(), what: "a home" });
    }
    for jewel in jewels() {
        let path = match jewel.site {
            Site::Home(path) => home.join(path),
            Site::System(path) => PathBuf::from(path),
            _ => continue,
        };
        let what = &*jewel.rule.is;
        for path in [resolve(&path), path] {
            if path.starts_with(workspace) {
                return Err(Refusal::Holds { workspace: workspace.into(), inside: path, what });
            }
            if workspace.starts_with(&path) {
                return Err(Refusal::Inside { workspace: workspace.into(), jewel: path, what });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(workspace: &str) -> Result<(), Refusal> {
        let homes = homes(
            b"root:x:0:0::/root:/bin/sh\nu:x:1000:1000::/home/u:/bin/sh\nv:x:1001:1001::/home/v:/bin/sh\n\
              daemon:x:1:1::/usr/sbin:/usr/sbin/nologin\nnobody:x:65534:65534::/nonexistent:/bin/false\nbad\n",
        );
        judge(Path::new(workspace), Path::new("/home/u"), &homes, &|path| path.into())
    }

    #[test]
    fn a_project_is_a_workspace() {
        for fine in ["/home/u/projects/app", "/srv/app", "/tmp/x", "/usr/sbin/x", "/home/u/.config"] {
            let found = verdict(fine);
            assert_eq!(found.is_ok(), fine != "/home/u/.config", "{fine}: {found:?}");
        }
    }

    #[test]
    fn what_holds_homes_or_jewels_is_none() {
        assert_eq!(verdict("/"), Err(Refusal::Root));
        for home in ["/home/u", "/home/v", "/root"] {
            assert_eq!(verdict(home), Err(Refusal::Home(home.into())));
        }
        assert!(matches!(verdict("/home"), Err(Refusal::Holds { what: "a home", .. })));
        assert!(matches!(verdict("/etc"), Err(Refusal::Holds { .. })));
        assert!(matches!(verdict("/home/u/.ssh"), Err(Refusal::Holds { .. })));
        assert!(matches!(verdict("/home/u/.ssh/work"), Err(Refusal::Inside { .. })));
        let words = verdict("/home/u/.cargo").unwrap_err().to_string();
        assert!(words.contains("/home/u/.cargo/credentials") && words.contains("--force"), "{words}");
    }
}
