//! Objects that a session put at the place of a jewel, or of a directory above one, where no original lay. They are set
//! aside, and a directory moved back.

use super::aside;
use super::guarded::Guarded;
use crate::walk::{self, Found, Node};
use crate::{DenyList, Error};
use abi::FileKey;
use bstr::{BString, ByteSlice};
use policy::{Effect, Meeting, Rules, Site, What};
use rustix::fs::RenameFlags;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Places that a session may put nothing at.
#[derive(Debug)]
pub(crate) struct Places {
    home: PathBuf,
    workspaces: Vec<PathBuf>,
    rules: Rules,
}

impl Places {
    /// Those of a session; `None` where its home is not there.
    pub(crate) fn of(guarded: &Guarded) -> Option<Self> {
        // As the kernel names them.
        let canonical = |path: &PathBuf| std::fs::canonicalize(path).ok();
        let workspaces = guarded.workspaces.iter().filter_map(canonical).collect();
        Some(Self { home: canonical(&guarded.home)?, workspaces, rules: guarded.rules.clone() })
    }

    /// The same places under other rules: where home and workspaces lie was asked before anybody was inside.
    pub(crate) fn with(&self, rules: &Rules) -> Self {
        Self { home: self.home.clone(), workspaces: self.workspaces.clone(), rules: rules.clone() }
    }

    /// The home, as the kernel names it.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Those that the shipped rules close in a home.
    #[cfg(test)]
    pub(crate) fn at(home: &str) -> Self {
        Self { home: home.into(), workspaces: Vec::new(), rules: Rules::default() }
    }

    /// Whether one of them is here, or below.
    pub(crate) fn has(&self, path: &Path) -> bool {
        let policy = self.rules.policy();
        if let Some(below) = self.workspaces.iter().find_map(|of| path.strip_prefix(of).ok()) {
            let met = policy.meetings_in_workspace(below.as_os_str().as_bytes());
            return self.closes(&met, None)
                || self.is_above(below, |site| match site {
                    Site::Workspace(of) => Some(of),
                    _ => None,
                });
        }
        let Ok(below) = path.strip_prefix(&self.home) else { return false };
        let place = below.to_str().map(|text| Site::Home(text.to_owned()));
        let met = policy.meetings_in_home(below.as_os_str().as_bytes());
        self.closes(&met, place.as_ref())
            || self.is_above(below, |site| match site {
                Site::Home(of) => Some(of),
                _ => None,
            })
    }

    fn closes(&self, met: &[Meeting<'_>], place: Option<&Site>) -> bool {
        met.iter().any(|met| {
            let left = place.map_or_else(|| self.rules.left(met.row), |place| self.rules.left_at(met, place));
            met.row.rule.effect == Effect::Deny && left.contains(What::CHANGE)
        })
    }

    /// Whether something is closed below; `path_of`: what a site names below the same directory.
    fn is_above(&self, below: &Path, path_of: impl Fn(&Site) -> Option<&String>) -> bool {
        let is_called = |directory: &str| below.file_name().is_some_and(|name| name == directory);
        let mut changes = self.rules.refusals().filter(|refusal| refusal.what.contains(What::CHANGE));
        let mut watched = self.rules.policy().rows().filter(|row| row.rule.effect == Effect::Watch);
        if watched.any(|row| row.site.top().is_some_and(|top| top.starts_with('.') && is_called(top))) {
            return true;
        }
        changes.any(|refusal| match refusal.row.site {
            Site::NameIn(directory, _) => is_called(directory),
            site => path_of(site).is_some_and(|of| Path::new(of).starts_with(below)),
        })
    }
}

/// What was put there.
#[derive(Debug)]
pub struct Planted {
    /// Where.
    pub(crate) path: PathBuf,
    /// What.
    pub(crate) file: FileKey,
    /// Where it lay before, if that is known and is no such place itself.
    pub(crate) from: Option<PathBuf>,
}

impl Planted {
    /// Moves a directory back to where it lay, if nothing lies there now, and puts aside everything else; what was done, in words.
    /// `None`: something else lies there, or nothing.
    pub fn take_away(&self, list: &dyn DenyList) -> Option<Result<String, Error>> {
        let Found::Node(directory) = walk::open_canonical(list, self.path.parent()?.as_os_str().as_bytes())
        else {
            return None;
        };
        let name = BString::from(self.path.file_name()?.as_bytes());
        let directory = directory.fd.as_fd();
        let found = walk::open_below(list, directory, name.as_bstr());
        let Found::Node(node) = &found else { return None };
        if node.identity.file != self.file {
            return None;
        }
        if node.is_dir()
            && let Some(from) = &self.from
            && let Some(moved) = self.move_back(list, node, directory, from)
        {
            let (path, from) = (self.path.display(), from.display());
            return Some(
                moved.map(|()| format!("`{path}`, which the session put there, was moved back to `{from}`")),
            );
        }
        let put = aside::put(list, directory, name.as_bstr(), self.file, &self.path);
        Some(put.map(|aside| {
            format!(
                "`{}`, which the session put there, is `{aside}` beside it; what it may have replaced there is gone",
                self.path.display()
            )
        }))
    }

    /// Moves it back to where it came from: by identity, in the place of nothing, and in a directory that is its owner's and
    /// nobody else's to write, since another one may lie at that path by now. `None`: it cannot lie there.
    fn move_back(
        &self,
        list: &dyn DenyList,
        node: &Node,
        there: BorrowedFd<'_>,
        from: &Path,
    ) -> Option<Result<(), Error>> {
        let (parent, own, name) = (from.parent()?, from.file_name()?, self.path.file_name()?);
        let Found::Node(directory) = walk::open_canonical(list, parent.as_os_str().as_bytes()) else {
            return None;
        };
        let is_its_owners = rustix::fs::fstat(&directory.fd)
            .is_ok_and(|stat| stat.st_uid == node.identity.uid && stat.st_mode & 0o022 == 0);
        if !is_its_owners {
            return None;
        }
        let back = directory.fd.as_fd();
        rustix::fs::renameat_with(there, name, back, own, RenameFlags::NOREPLACE).ok()?;
        match walk::open_below(list, back, own.as_bytes().as_bstr()) {
            Found::Node(node) if node.identity.file == self.file => Some(Ok(())),
            _ => {
                let given =
                    aside::give_back((back, own.as_bytes(), from), (there, name.as_bytes(), &self.path));
                given.err().map(Err)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_closed_or_lies_above_it_is_a_place_of_theirs() {
        let places = Places {
            home: "/home/u".into(),
            workspaces: vec!["/home/u/code/app".into()],
            rules: Rules::default(),
        };
        for closed in [
            ".bashrc",
            ".config",
            ".config/autostart/x.desktop",
            ".config/systemd",
            "other/.claude",
            "code/app/.vscode",
        ] {
            assert!(places.has(&Path::new("/home/u").join(closed)), "{closed}");
        }
        for open in [
            "x",
            ".config/app",
            "code/app/main.rs",
            "code/app/.git/hooks/pre-commit",
            "code",
            "code/app/.vscode/tasks.json",
            "code/app/.mcp.json",
        ] {
            assert!(!places.has(&Path::new("/home/u").join(open)), "{open}");
        }
        assert!(!places.has(Path::new("/srv/.bashrc")));
    }
}
