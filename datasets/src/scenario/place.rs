//! Where something lies, whatever the session's directories are called.

use super::Ground;
use serde::Deserialize;
use std::net::SocketAddrV4;
use std::path::PathBuf;

/// A place of a scenario: `home/.ssh/config`, `workspace/README.md`, `remote/NAME/FILE`, `host/ADDRESS:PORT/FILE`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum Place {
    /// Below the user's home.
    Home(String),
    /// Below the session's workspace.
    Workspace(String),
    /// In a repository of the git remote, which is made for the scenario.
    Remote {
        /// The repository.
        name: String,
        /// The file in it.
        file: String,
    },
    /// What a hostile host hands out.
    Host {
        /// Its address.
        host: SocketAddrV4,
        /// The path in the request, with its slash.
        path: String,
    },
}

impl Place {
    /// The path, where the place is one of this machine's.
    pub fn path(&self, ground: &Ground) -> Option<PathBuf> {
        match self {
            Place::Home(path) => Some(ground.home.join(path)),
            Place::Workspace(path) => Some(ground.workspace.join(path)),
            Place::Remote { .. } | Place::Host { .. } => None,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Home(path) => write!(f, "home/{path}"),
            Place::Workspace(path) => write!(f, "workspace/{path}"),
            Place::Remote { name, file } => write!(f, "remote/{name}/{file}"),
            Place::Host { host, path } => write!(f, "host/{host}{path}"),
        }
    }
}

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Place, String> {
        const WANTED: &str =
            "a place is `home/PATH`, `workspace/PATH`, `remote/NAME/PATH` or `host/ADDRESS:PORT/PATH`";
        let wrong = || format!("`{text}` is no place: {WANTED}");
        let (root, path) = text.split_once('/').ok_or_else(wrong)?;
        let plain = path.split('/').all(|name| !matches!(name, "" | "." | ".."));
        if !plain {
            return Err(format!("`{text}` has an empty name, `.` or `..` in it"));
        }
        let of = || path.split_once('/').ok_or_else(wrong);
        Ok(match root {
            "home" => Place::Home(path.to_owned()),
            "workspace" => Place::Workspace(path.to_owned()),
            "remote" => {
                let (name, file) = of()?;
                Place::Remote { name: name.to_owned(), file: file.to_owned() }
            }
            "host" => {
                let (host, path) = of()?;
                let host = host.parse().map_err(|_| wrong())?;
                Place::Host { host, path: format!("/{path}") }
            }
            _ => return Err(wrong()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_place_is_read_and_written_the_same() {
        for text in ["home/.ssh/config", "workspace/a", "remote/tools/a/b", "host/198.51.100.23:443/x.sh"] {
            assert_eq!(Place::try_from(text.to_owned()).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_leads_out_or_nowhere_is_refused() {
        for text in ["home", "home/", "home/../x", "/etc/x", "etc/x", "remote/x", "host/x/y", "home//a"] {
            assert!(Place::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
