//! Places in English.

use super::phrase::begins;
use super::token::{Text, Token};
use crate::policy::Policy;
use crate::policy::read::reader::MAX_TEXT;
use crate::site::Site;
use crate::site::site;
use std::path::Path;

/// Places that stand somewhere in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Places {
    /// These, and they were named.
    Named(Vec<Site>),
    /// Those of a kind of things, of these rules.
    Kind(Vec<Site>),
    /// A host.
    Host,
    /// A program with what it is told.
    Command,
    /// These, by a name from nowhere.
    Bare(Vec<Site>),
    /// These, and others that no rule finds.
    Some(Vec<Site>),
    /// A name of nothing that is known.
    Unknown,
}

/// Kinds of things by their names, and the rules that close them.
const KINDS: &[(&str, &[&str])] = &[
    ("ssh keys|ssh key|private keys|private ssh keys|ssh directory", &["ssh", "ssh-keys"]),
    ("gpg keys|gpg key|pgp keys", &["gpg"]),
    ("shell history|shell histories|bash history|command history|histories", &["histories"]),
    ("aws credentials|aws keys|aws secrets", &["aws"]),
    ("azure credentials", &["azure"]),
    ("google cloud credentials|gcloud credentials", &["google-cloud"]),
    ("kubernetes credentials|cluster credentials|kubeconfig", &["clusters"]),
    ("browser profiles|browser profile|browser data|browser cookies|cookies", &["browsers", "more-browsers"]),
    (
        "password store|password stores|password manager|password managers",
        &["password-stores", "password-files"],
    ),
    (
        "shell startup files|shell start-up files|shell configuration|dotfiles of shells|shell profile",
        &["shells"],
    ),
    ("git credentials", &["git-credentials"]),
    ("docker socket|container sockets", &["containers"]),
    ("wallets|crypto wallets", &["wallets"]),
    ("environment files|env files", &["environment-files"]),
];

/// Top-level domains by which a name is taken for a host's and for no file's.
const DOMAINS: &str = "com org net io dev ai app cloud co edu gov example test local internal localhost";

/// What stands behind a name of a file and says where it is.
const IN_WORKSPACE: [&str; 6] = [
    "in the workspace",
    "of the workspace",
    "in the repository",
    "in the repo",
    "in the project",
    "in this repository",
];
const IN_HOME: [&str; 4] = ["in the home", "in my home", "in my home directory", "in the home directory"];
const OUTSIDE: [&str; 6] = [
    "outside the workspace",
    "outside of the workspace",
    "outside the repository",
    "outside the project",
    "outside the repo",
    "outside of the repository",
];
const OTHERS: [&str; 4] =
    ["of another repository", "of other repositories", "in other repositories", "in another repository"];
const RUNTIME: [&str; 2] = ["in the user's runtime directory", "in my runtime directory"];
const IN_ANY: [&str; 2] = ["in any directory called", "in every directory called"];

/// Whose words they are.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The rules that there are.
    pub policy: &'a Policy,
    /// The user's home.
    pub home: &'a Path,
}

impl Around<'_> {
    /// The places that begin here, and how many tokens they are.
    pub fn places(&self, tokens: &[Token]) -> Option<(Places, usize)> {
        self.kind(tokens)
            .or_else(|| self.variable(tokens))
            .or_else(|| self.host(tokens))
            .or_else(|| self.called(tokens))
            .or_else(|| self.named(tokens))
    }

    fn kind(&self, tokens: &[Token]) -> Option<(Places, usize)> {
        let all = KINDS.iter().flat_map(|(names, ids)| names.split('|').map(move |name| (name, *ids)));
        let (count, ids) =
            all.filter_map(|(name, ids)| Some((begins(tokens, name)?, ids))).max_by_key(|of| of.0)?;
        let rules = ids.iter().filter_map(|id| self.policy.rule(id));
        Some((Places::Kind(rules.flat_map(|rule| rule.sites.clone()).collect()), count))
    }

    /// `the socket that $X names`
    fn variable(&self, tokens: &[Token]) -> Option<(Places, usize)> {
        let before = begins(tokens, "the socket that")?;
        let name = tokens.get(before)?.name()?.strip_prefix('$')?;
        let after = begins(tokens.get(before + 1..)?, "names")?;
        Some((one(site("variable", name)), before + 1 + after))
    }

    /// `the host called X`
    fn host(&self, tokens: &[Token]) -> Option<(Places, usize)> {
        let before = begins(tokens, "the host called")?;
        Some((one(site("host", tokens.get(before)?.name()?)), before + 1))
    }

    /// `a file called X`, with or without `in the home`.
    fn called(&self, tokens: &[Token]) -> Option<(Places, usize)> {
        let phrases = [
            "a file called",
            "files called",
            "any file called",
            "a file named",
            "files named",
            "files matching",
        ];
        let before = phrases.iter().find_map(|phrase| begins(tokens, phrase))?;
        let name = tokens.get(before)?.name()?;
        let rest = tokens.get(before + 1..)?;
        let outside = scope(rest, &OUTSIDE);
        if let Some(count) = scope(rest, &IN_HOME) {
            return Some((one(site("pattern", name)), before + 1 + count));
        }
        if let Some(count) = outside.filter(|_| name.contains('*')) {
            let sites = site("pattern", name).ok().into_iter().filter(fits).collect();
            return Some((Places::Some(sites), before + 1 + count));
        }
        let kind = if name.contains('*') { "pattern" } else { "name" };
        Some((one(site(kind, name)), before + 1 + outside.unwrap_or_default()))
    }

    /// A name by itself.
    fn named(&self, tokens: &[Token]) -> Option<(Places, usize)> {
        let name = tokens.first()?.name()?;
        let rest = tokens.get(1..)?;
        for (kind, phrases) in
            [("workspace", &IN_WORKSPACE[..]), ("repository", &OTHERS), ("runtime", &RUNTIME)]
        {
            if let Some(count) = scope(rest, phrases) {
                return Some((one(site(kind, whole(name))), 1 + count));
            }
        }
        if let Some(count) = scope(rest, &IN_ANY) {
            let directory = rest.get(count)?.name()?;
            return Some((one(site("named", &format!("{directory}/{name}"))), 2 + count));
        }
        let is_plain = matches!(tokens.first()?.text, Text::Name(_));
        let is_known = !is_plain || is_written_plain(name);
        if let Some(place) = self.absolute(name) {
            let is_whole = is_known || name.parse::<std::net::IpAddr>().is_ok();
            return Some((if is_whole { place } else { Places::Unknown }, 1));
        }
        if is_host(name) || is_plain && name.contains(':') || is_network(name) {
            return Some((Places::Host, 1));
        }
        if !is_known {
            return Some((Places::Unknown, 1));
        }
        if name.contains(' ') {
            return Some((Places::Command, 1));
        }
        let is_file_kind = begins(rest, "files").or(begins(rest, "file")).filter(|_| !name.contains('/'));
        let counted = is_file_kind.unwrap_or_default();
        let after = rest.get(counted..)?;
        let pattern = name.strip_prefix("**/").unwrap_or(name);
        if pattern.contains('*') && !pattern.contains('/') || is_file_kind.is_some() && name.starts_with('.')
        {
            let found = site("pattern", pattern);
            if let Some(count) = scope(after, &IN_HOME) {
                return Some((one(found), 1 + counted + count));
            }
            // A pattern is looked for in the home alone, and in the workspace a name is closed at the top alone.
            let outside = scope(after, &OUTSIDE);
            let top = site("workspace", pattern).ok().filter(|_| outside.is_none());
            let sites: Vec<Site> = found.ok().into_iter().chain(top).filter(fits).collect();
            return Some((Places::Some(sites), 1 + counted + outside.unwrap_or_default()));
        }
        Some((self.relative(name), 1 + counted))
    }

    fn absolute(&self, name: &str) -> Option<Places> {
        if let Ok(address) = name.parse() {
            return Some(Places::Named(vec![Site::Address(address)]));
        }
        let name = whole(name);
        let home = self.home.to_str().filter(|home| home.len() > 1);
        let in_home = ["~/", "$HOME/", "${HOME}/"].iter().find_map(|home| name.strip_prefix(home));
        let in_home = in_home.or_else(|| name.strip_prefix(home?)?.strip_prefix('/'));
        match in_home {
            Some(path) => Some(one(site("home", path))),
            None if name.starts_with('/') => Some(one(site("root", name))),
            None => None,
        }
    }

    /// Of a name from nowhere: what rules know in the home is meant there, and anything else in the workspace.
    fn relative(&self, name: &str) -> Places {
        let path = whole(name.strip_prefix("./").unwrap_or(name));
        let is_plain =
            path.contains(['.', '/']) || path.starts_with(|c: char| c.is_uppercase()) || name.ends_with('/');
        if !is_plain {
            return Places::Unknown;
        }
        let Some(here) = site("workspace", path).ok().filter(fits) else { return Places::Unknown };
        let at_home = site("home", path).ok().filter(|at| self.policy.denied().any(|row| row.site == at));
        match at_home {
            // It may be either.
            Some(at_home) if !name.starts_with("./") => Places::Some(vec![at_home, here]),
            // A name alone is closed at the top of a workspace, and lies anywhere.
            _ if !name.contains('/') => Places::Some(vec![here]),
            _ => Places::Bare(vec![here]),
        }
    }
}

/// What a file of rules can hold.
fn fits(site: &Site) -> bool {
    let (_, text) = site.key();
    text.len() <= MAX_TEXT && !text.contains(char::is_control)
}

/// Whether a name without quotes is all of a path: what a shell or a sentence puts into one is not known.
fn is_written_plain(name: &str) -> bool {
    let rest = ["$HOME/", "${HOME}/"].iter().find_map(|home| name.strip_prefix(home)).unwrap_or(name);
    rest.chars().all(|c| c.is_alphanumeric() || "./~_-+@*".contains(c))
}

/// `10.0.0.0/8`
fn is_network(name: &str) -> bool {
    name.split_once('/').is_some_and(|(address, _)| address.parse::<std::net::IpAddr>().is_ok())
}

/// What a directory with everything in it is called by a rule.
fn whole(name: &str) -> &str {
    let name = ["/**/*", "/**", "/*"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    name.strip_suffix('/').filter(|name| !name.is_empty()).unwrap_or(name)
}

fn one(site: Result<Site, String>) -> Places {
    site.ok().filter(fits).map_or(Places::Unknown, |site| Places::Named(vec![site]))
}

fn scope(tokens: &[Token], phrases: &[&str]) -> Option<usize> {
    phrases.iter().filter_map(|phrase| begins(tokens, phrase)).max()
}

/// Whether a name is a host's.
pub fn is_host(name: &str) -> bool {
    let name = name.strip_prefix("*.").unwrap_or(name);
    let name = name.split_once("://").map_or(name, |(_, host)| host);
    let last = name.rsplit('.').next().unwrap_or_default();
    name.contains('.')
        && !name.starts_with('.')
        && !name.contains(['/', ' ', '~', '*'])
        && DOMAINS.split(' ').any(|domain| domain == last.to_ascii_lowercase())
}
