//! Finds the rules about a place.
#![expect(clippy::indexing_slicing, reason = "places were found in the same path")]

use crate::policy::Policy;
use crate::rule::{Effect, Row, What};
use crate::site::{Pattern, Site};
use std::collections::HashSet;

/// How a rule meets a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// It is the rule's own place.
    Itself,
    /// It has a name that the rule closes.
    Named,
    /// It lies in the rule's place.
    Below,
    /// It is a copy of the rule's file, beside it.
    Copy,
}

/// A rule that meets a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meeting<'p> {
    /// The rule and its site.
    pub row: Row<'p>,
    /// How.
    pub way: Way,
}

/// Endings of copies that editors and people make beside a file.
const COPIES: [&str; 14] = [
    "~",
    ".bak",
    ".backup",
    ".old",
    ".orig",
    ".save",
    ".saved",
    ".copy",
    ".1",
    ".swp",
    ".tmp",
    ".rej",
    ".dpkg-old",
    ".gpg",
];

/// What a file of this name may be a copy of, made beside it: `.netrc` for `.netrc~` and `.netrc.bak`.
pub fn copied_from(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    COPIES.iter().filter_map(|copy| name.strip_suffix(copy.as_bytes()))
}

impl Meeting<'_> {
    /// Whether it is closed only because it was found when the session began.
    pub fn is_looked_for(&self) -> bool {
        self.way == Way::Copy || matches!(self.row.site, Site::Pattern(_))
    }
}

impl Policy {
    /// The rules that meet a path below the home (without a leading slash), in no workspace: those of the place itself first,
    /// then those that close its name, then those of what it lies in, from the nearest on. A refusal by any of them holds
    /// that was not taken back ([`crate::Rules`]), and the first that refuses explains it.
    pub fn meetings_in_home(&self, path: &[u8]) -> Vec<Meeting<'_>> {
        let (directory, name) = split(path);
        let are_names_free = self.leaves_names_alone(directory, |site| match site {
            Site::Home(of) => Some(of),
            _ => None,
        });
        self.meetings(|site| match site {
            Site::Home(of) => place(path, of.as_bytes()).or_else(|| {
                let (beside, file) = split(of.as_bytes());
                (beside == directory && copied_from(name).any(|of| of == file)).then_some((Way::Copy, 0))
            }),
            Site::Name(_) if are_names_free => None,
            site => named(site, directory, name),
        })
    }

    /// The rules that meet a place.
    pub fn meetings_with(&self, asked: &Site) -> Vec<Meeting<'_>> {
        match asked {
            Site::Home(path) => self.meetings_in_home(path.as_bytes()),
            Site::System(path) => self.meetings_in_system(path.as_bytes()),
            Site::Workspace(path) => self.meetings_in_workspace(path.as_bytes()),
            Site::Address(address) => self.meetings_at(*address),
            Site::Runtime(path) => self.meetings(|site| match site {
                Site::Runtime(of) => place(path.as_bytes(), of.as_bytes()),
                _ => None,
            }),
            asked => self.meetings(|site| (site == asked).then_some((Way::Itself, 0))),
        }
    }

    /// The rules that close a name in a directory of this one's name.
    pub(crate) fn meetings_in(&self, path: &str) -> Vec<Meeting<'_>> {
        let (_, name) = split(path.as_bytes());
        self.meetings(|site| match site {
            Site::NameIn(of, _) => (of.as_bytes() == name).then_some((Way::Named, 0)),
            _ => None,
        })
    }

    /// The rules that meet a path from the root, in no home and no workspace.
    pub fn meetings_in_system(&self, path: &[u8]) -> Vec<Meeting<'_>> {
        let (directory, name) = split(path);
        let are_names_free = self.leaves_names_alone(directory, |site| match site {
            Site::System(of) => Some(of),
            _ => None,
        });
        self.meetings(|site| match site {
            Site::System(of) => place(path, of.as_bytes()),
            Site::Pattern(_) | Site::Repository(_) => None,
            Site::Name(_) if are_names_free => None,
            site => named(site, directory, name),
        })
    }

    /// The rules that meet a path below a workspace: names alone do not hold there.
    pub fn meetings_in_workspace(&self, path: &[u8]) -> Vec<Meeting<'_>> {
        let (directory, name) = split(path);
        self.meetings(|site| match site {
            Site::Workspace(of) => place(path, of.as_bytes()),
            Site::NameIn(..) => named(site, directory, name),
            _ => None,
        })
    }

    /// Whether rules leave names alone in a directory, by their places of one kind.
    fn leaves_names_alone(&self, directory: &[u8], of_kind: impl Fn(&Site) -> Option<&String>) -> bool {
        let mut rows = self.rows().filter(|row| row.rule.frees_names);
        rows.any(|row| of_kind(row.site).is_some_and(|of| place(directory, of.as_bytes()).is_some()))
    }

    /// The rules that meet an address.
    pub fn meetings_at(&self, address: std::net::IpAddr) -> Vec<Meeting<'_>> {
        let address = address.to_canonical();
        self.meetings(|site| {
            matches!(site, Site::Address(of) if of.to_canonical() == address).then_some((Way::Itself, 0))
        })
    }

    /// In the order that they are read in; `meets` says how, and how far away.
    fn meetings(&self, meets: impl Fn(&Site) -> Option<(Way, usize)>) -> Vec<Meeting<'_>> {
        let met = self.rows().filter_map(|row| meets(row.site).map(|(way, far)| (Meeting { row, way }, far)));
        let mut met: Vec<_> = met.collect();
        met.sort_by(|(a, a_far), (b, b_far)| {
            let allows = |of: &Meeting<'_>| of.row.rule.effect != Effect::Deny;
            // Not by where a rule stands in its file.
            (allows(a), a.way, a_far, &a.row.rule.id).cmp(&(allows(b), b.way, b_far, &b.row.rule.id))
        });
        met.into_iter().map(|(meeting, _)| meeting).collect()
    }
}

/// The directory and the last name.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

/// Whether a path is a place or lies in it, and how far below.
fn place(path: &[u8], of: &[u8]) -> Option<(Way, usize)> {
    match path.strip_prefix(of)? {
        [] => Some((Way::Itself, 0)),
        rest @ [b'/', ..] => Some((Way::Below, rest.iter().filter(|&&byte| byte == b'/').count())),
        _ => None,
    }
}

/// Whether a name, or one of the directories above, is closed wherever it is.
fn named(site: &Site, directory: &[u8], name: &[u8]) -> Option<(Way, usize)> {
    match site {
        Site::Name(of) => (of.as_bytes() == name).then_some((Way::Named, 0)),
        Site::Pattern(of) => {
            (of.has(name) && is_looked_into(directory)).then_some((Way::Named, usize::from(of.open)))
        }
        Site::NameIn(of, file) => {
            let mut parts: Vec<&[u8]> = directory.split(|&byte| byte == b'/').collect();
            parts.push(name);
            let at = parts.windows(2).rposition(|two| two == [of.as_bytes(), file.as_bytes()])?;
            let far = parts.len() - at - 2;
            Some((if far == 0 { Way::Named } else { Way::Below }, far))
        }
        Site::Repository(of) => {
            let mut path = directory.to_vec();
            path.push(b'/');
            path.extend_from_slice(name);
            let inside = [b"/", of.as_bytes()].concat();
            let at = path.windows(inside.len()).position(|window| window == inside)?;
            let repository = &path[..at];
            let rest = &path[at + inside.len()..];
            let meets = (rest.is_empty() || rest.starts_with(b"/")) && is_looked_into(repository);
            meets.then_some((if rest.is_empty() { Way::Itself } else { Way::Below }, 0))
        }
        _ => None,
    }
}

/// Whether patterns are looked for in a directory below the home.
fn is_looked_into(directory: &[u8]) -> bool {
    if directory.is_empty() {
        return true;
    }
    let mut parts = directory.split(|&byte| byte == b'/');
    parts.clone().count() <= Pattern::DEPTH && parts.all(Pattern::looks_into)
}

/// What may not even be read, to be asked for each file that a session touches.
#[derive(Debug, Default)]
pub struct Secrets {
    paths: HashSet<Vec<u8>>,
    names: HashSet<Vec<u8>>,
    patterns: Vec<Pattern>,
    /// Where names are left alone.
    freed: HashSet<Vec<u8>>,
}

impl Secrets {
    /// Of a policy.
    pub fn of(policy: &Policy) -> Self {
        let mut secrets = Self::default();
        for row in policy.denied().filter(|row| row.rule.what.contains(What::READ)) {
            match row.site {
                Site::Home(path) => {
                    secrets.paths.insert(path.clone().into());
                }
                Site::Name(name) => {
                    secrets.names.insert(name.clone().into());
                }
                Site::Pattern(pattern) => secrets.patterns.push(pattern.clone()),
                _ => {}
            }
        }
        for row in policy.rows().filter(|row| row.rule.frees_names) {
            if let Site::Home(path) = row.site {
                secrets.freed.insert(path.clone().into());
            }
        }
        secrets
    }

    /// Whether a path below the home (without a leading slash) is one, lies in one, or has such a name.
    pub fn has(&self, path: &[u8]) -> bool {
        let ends =
            path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).chain([path.len()]);
        if ends.clone().any(|end| self.paths.contains(&path[..end])) {
            return true;
        }
        let (directory, name) = split(path);
        let is_freed = || ends.clone().any(|end| end < path.len() && self.freed.contains(&path[..end]));
        self.names.contains(name) && !is_freed()
            || is_looked_into(directory) && self.patterns.iter().any(|pattern| pattern.has(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shipped;

    fn first(path: &str) -> Option<(&'static str, Way)> {
        let met = shipped().meetings_in_home(path.as_bytes());
        met.first().map(|met| (&*met.row.rule.id, met.way))
    }

    #[test]
    fn the_nearest_rule_speaks_first() {
        for (path, expected) in [
            (".ssh", Some(("ssh", Way::Itself))),
            (".ssh/config", Some(("ssh-configuration", Way::Itself))),
            (".ssh/other", Some(("ssh", Way::Below))),
            (".sshx", None),
            ("backup/id_ed25519", Some(("ssh-keys", Way::Named))),
            ("backup/id_rsa~", Some(("ssh-key-copies", Way::Named))),
            ("a/b/c/d/key.pem", None),
            ("node_modules/x/key.pem", None),
            (".netrc.bak", Some(("netrc", Way::Copy))),
            ("x/.aws/credentials", None),
            (".cargo/registry/src/x/tests/id_rsa", Some(("package-stores", Way::Below))),
            (".cargo/credentials", Some(("cargo", Way::Itself))),
            ("other/.vscode/tasks.json", Some(("settings-of-other-repositories", Way::Itself))),
            ("src/other/x/.vscode/tasks.json", Some(("settings-of-other-repositories", Way::Itself))),
            ("other/.git/hooks/pre-commit", Some(("git-of-others", Way::Below))),
            (".local/bin/x", Some(("tool-directories", Way::Below))),
        ] {
            assert_eq!(first(path), expected, "{path}");
        }
    }

    #[test]
    fn what_is_secret_is_what_may_not_be_read() {
        let secrets = Secrets::of(shipped());
        for path in [".ssh/id_rsa", ".ssh", "backup/id_ed25519", ".bash_history", "other/.env"] {
            assert!(secrets.has(path.as_bytes()), "{path}");
        }
        for path in [".bashrc", ".sshx", "notes.txt", ".vimrc", "x/y/z/w/.env", "go/pkg/mod/x/id_rsa"] {
            assert!(!secrets.has(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn an_address_is_met_in_every_spelling() {
        for address in ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254"] {
            assert_eq!(shipped().meetings_at(address.parse().unwrap()).len(), 1, "{address}");
        }
        assert!(shipped().meetings_at("169.254.1.1".parse().unwrap()).is_empty());
    }
}
