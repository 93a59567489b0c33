//! Where a rule holds.

use std::fmt;
use std::net::IpAddr;

/// Bytes of a name that the kernel side can compare.
pub const NAME_MAX: usize = 31;

/// One place, or one kind of places.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Site {
    /// A path below the user's home; a directory stands for everything below it.
    Home(String),
    /// A path from the root.
    System(String),
    /// What has this name in any directory of that name (`.aws`, `credentials`), workspaces included.
    NameIn(String, String),
    /// A regular file of this name anywhere outside the workspaces, and outside the places where rules leave names alone.
    Name(String),
    /// Regular files of such a name in the home that are there when a session begins: see [`Pattern`].
    Pattern(Pattern),
    /// A path below the top of every repository in the home but the session's own, where something lies when a session begins:
    /// it is looked for where [`Pattern`]s are.
    Repository(String),
    /// A path below each of the session's workspaces.
    Workspace(String),
    /// A unix socket below the user's runtime directory, `/run/user/UID`.
    Runtime(String),
    /// A unix socket that this environment variable of the session names.
    Variable(String),
    /// A host, by its name: of rules that leave it open to who was lent something.
    Host(String),
    /// An address.
    Address(IpAddr),
}

/// Names that begin or end alike. The kernel side compares whole names only, so that a pattern holds for the files that are
/// there when a session begins: in the home and [`Pattern::DEPTH`] directories deep below it. Not in hidden directories, in
/// those that tools fill, in workspaces, and not in files that are made later.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// What the name begins with.
    pub prefix: String,
    /// What it ends with.
    pub suffix: String,
    /// Whether something may stand between the two.
    pub open: bool,
}

/// Directories that tools fill with what they fetched or made.
const FILLED: [&str; 16] = [
    "node_modules",
    "bower_components",
    "site-packages",
    "dist-packages",
    "venv",
    "target",
    "build",
    "dist",
    "out",
    "vendor",
    "__pycache__",
    "go",
    "snap",
    "miniconda3",
    "anaconda3",
    "Library",
];

impl Pattern {
    /// Directories below the home that are looked into, one in another.
    pub const DEPTH: usize = 3;

    /// `*.pem`, `id_rsa*`, `.env`: one star at most.
    pub fn new(text: &str) -> Option<Self> {
        let fits = |part: &str| !part.contains(['*', '/', '?', '[', '\0']);
        let (prefix, suffix, open) = match text.split_once('*') {
            Some((prefix, suffix)) => (prefix, suffix, true),
            None => (text, "", false),
        };
        let fits = fits(prefix) && fits(suffix) && prefix.len() + suffix.len() > 1;
        fits.then(|| Self { prefix: prefix.into(), suffix: suffix.into(), open })
    }

    /// Whether a name is one of them.
    pub fn has(&self, name: &[u8]) -> bool {
        if !self.open {
            return name == self.prefix.as_bytes();
        }
        name.len() >= self.prefix.len() + self.suffix.len()
            && name.starts_with(self.prefix.as_bytes())
            && name.ends_with(self.suffix.as_bytes())
    }

    /// Whether a directory of this name is looked into.
    pub fn looks_into(directory: &[u8]) -> bool {
        !directory.starts_with(b".") && !FILLED.iter().any(|name| name.as_bytes() == directory)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.prefix, if self.open { "*" } else { "" }, self.suffix)
    }
}

impl Site {
    /// The key of `where` that it stands below, and its text there.
    pub fn key(&self) -> (&'static str, String) {
        match self {
            Site::Home(path) => ("home", path.clone()),
            Site::System(path) => ("root", path.clone()),
            Site::NameIn(directory, name) => ("named", format!("{directory}/{name}")),
            Site::Name(name) => ("name", name.clone()),
            Site::Pattern(pattern) => ("pattern", pattern.to_string()),
            Site::Repository(path) => ("repository", path.clone()),
            Site::Workspace(path) => ("workspace", path.clone()),
            Site::Runtime(path) => ("runtime", path.clone()),
            Site::Variable(name) => ("variable", name.clone()),
            Site::Host(name) => ("host", name.clone()),
            Site::Address(address) => ("address", address.to_string()),
        }
    }

    /// The directory at the top of a workspace that a place in it lies in.
    pub fn top(&self) -> Option<&str> {
        match self {
            Site::Workspace(path) => path.split_once('/').map(|(top, _)| top),
            _ => None,
        }
    }
}

/// The place that a text of a kind names.
pub fn site(kind: &str, text: &str) -> Result<Site, String> {
    let below = |directory: &str| relative(text).map(|path| Site::Home(format!("{directory}{path}")));
    match kind {
        "home" => below(""),
        "config" => below(".config/"),
        "data" => below(".local/share/"),
        "state" => below(".local/state/"),
        "cache" => below(".cache/"),
        "root" => match text.strip_prefix('/') {
            Some(rest) => relative(rest).map(|path| Site::System(format!("/{path}"))),
            None => Err("a path from the root begins with `/`".into()),
        },
        "runtime" => relative(text).map(Site::Runtime),
        "repository" => relative(text).map(Site::Repository),
        "workspace" => relative(text).map(Site::Workspace),
        "name" => name(text).map(Site::Name),
        "named" => match text.split_once('/') {
            Some((directory, file)) => Ok(Site::NameIn(name(directory)?, name(file)?)),
            None => Err("this is a directory's name, `/`, and a name in it".into()),
        },
        "pattern" => Pattern::new(text).map(Site::Pattern).ok_or_else(|| {
            "a pattern is a name with one `*` at most, and two other characters at least".into()
        }),
        "variable" => {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            let fits = text.bytes().all(fits);
            fits.then(|| Site::Variable(text.into())).ok_or_else(|| "this is no name of a variable".into())
        }
        "host" => host(text).map(Site::Host),
        _ => text.parse::<IpAddr>().map(Site::Address).map_err(|_| "this is no address".into()),
    }
}

/// A path that stays below where it begins.
fn relative(text: &str) -> Result<String, String> {
    let fits = text.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    let fits = fits && !text.contains(['*', '~']);
    fits.then(|| text.to_owned())
        .ok_or_else(|| "this is no plain path: no leading `/`, `.`, `..`, `~` or `*`".into())
}

/// A host's whole name, RFC 1123, 2.1, in lower case.
pub(crate) fn host(text: &str) -> Result<String, String> {
    let fits = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
    };
    let is_name = text.len() <= 253 && text.contains('.') && text.split('.').all(fits);
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_host = (is_name || text == "localhost") && !is_number;
    is_host
        .then(|| text.to_owned())
        .ok_or_else(|| "this is no host: a whole name in lower case, or an address, without a port".into())
}

/// A name that the kernel side can compare.
fn name(text: &str) -> Result<String, String> {
    let name = relative(text)?;
    let fits = name.len() <= NAME_MAX && !name.contains('/');
    fits.then_some(name).ok_or_else(|| format!("a name has {NAME_MAX} bytes at most, and no `/`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_one_star_at_most_and_says_something() {
        for (text, names, others) in [
            ("*.pem", &["a.pem", ".pem"][..], &["a.pem.txt", "pem"][..]),
            ("id_rsa*", &["id_rsa", "id_rsa~", "id_rsa_work"], &["my_id_rsa", "id_rs"]),
            (".env", &[".env"], &[".envrc", "x.env"]),
            ("a*a", &["aa", "aba"], &["a", "ab"]),
        ] {
            let pattern = Pattern::new(text).unwrap();
            assert_eq!(pattern.to_string(), text);
            assert!(names.iter().all(|name| pattern.has(name.as_bytes())), "{text}");
            assert!(!others.iter().any(|name| pattern.has(name.as_bytes())), "{text}");
        }
        for text in ["*", "**", "a*b*c", "a/b", "x?", "[ab]", "", "a", "*a"] {
            assert_eq!(Pattern::new(text), None, "{text}");
        }
    }
}
