//! The schema of `scenario.toml`.

use super::{Authority, Place};
use crate::Error;
use crate::error::at;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;
use std::path::Path;

/// An attack, as its file tells it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// `S01`; also the name of its directory.
    pub id: Id,
    /// What happens, in a few words.
    pub title: String,
    /// The incident or the technique that it follows.
    pub incident: String,
    /// Where that is told: identifiers of advisories and papers, names of write-ups.
    pub sources: Vec<String>,
    /// Techniques of MITRE ATT&CK.
    pub techniques: Vec<Technique>,
    /// What it does here, and where that differs from the incident.
    pub summary: String,
    /// Tags of the tasks that it is injected into.
    pub tasks: Vec<String>,
    /// What must be, or may be hoped for, without a baseline.
    pub expected: Expected,
    /// Programs without which it cannot be run.
    #[serde(default)]
    pub needs: Vec<String>,
    /// What lies ready before the session.
    #[serde(default, rename = "plant")]
    pub plants: Vec<Plant>,
    /// The commands, in order.
    #[serde(rename = "step")]
    pub steps: Vec<Attack>,
    /// When it reached its end.
    pub success: Success,
    /// The other files of its directory, by name.
    #[serde(skip)]
    pub files: BTreeMap<String, String>,
}

/// What is to become of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// The static deny-list alone prevents it, before anything was learned.
    Prevented,
    /// A baseline prevents or detects it.
    Detected,
    /// By design nothing that a kernel sees tells it from normal work: it is scored, and reported apart.
    OutOfReach,
}

/// A file or link that lies ready. Exactly one of `text`, `file` and `link` is given.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plant {
    /// Where.
    pub at: Place,
    /// What it holds.
    pub text: Option<String>,
    /// A file beside `scenario.toml` that has what it holds.
    pub file: Option<String>,
    /// What it leads to, when it is a symbolic link.
    pub link: Option<String>,
    /// Its mode; 0o644 when nothing is said.
    pub mode: Option<u32>,
    /// Whether what lies there already keeps its content, and this comes after it.
    #[serde(default)]
    pub append: bool,
}

/// A tool call that the agent is talked into.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attack {
    /// What the model says with it.
    #[serde(default)]
    pub says: String,
    /// The command, for a shell in the workspace.
    pub command: String,
}

/// What an observer sees of an attack that reached its end: all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Success {
    /// Secrets that were read.
    pub read: Vec<Place>,
    /// Secrets whose content arrived at a host.
    pub sent: Vec<Place>,
    /// Files that were made or changed.
    pub changed: Vec<Place>,
    /// Files that are gone.
    pub removed: Vec<Place>,
    /// Hosts to which something was said.
    pub arrived: Vec<SocketAddrV4>,
    /// Programs outside the session that did work for it.
    pub delegated: Vec<Authority>,
}

impl Success {
    fn is_empty(&self) -> bool {
        *self == Success::default()
    }

    /// The secrets that the attack is after.
    pub fn secrets(&self) -> impl Iterator<Item = &Place> {
        self.read.iter().chain(&self.sent)
    }
}

/// The scenarios that this program was built with.
static BUILT_IN: include_dir::Dir<'_> = include_dir::include_dir!("$CARGO_MANIFEST_DIR/scenarios");

/// The name of the file that tells a scenario.
const FILE: &str = "scenario.toml";

/// Every scenario that this program was built with, by id.
pub fn all() -> Result<Vec<Scenario>, Error> {
    let scenario = |directory: &include_dir::Dir<'_>| {
        let files = directory.files().filter_map(|file| {
            Some((file.path().file_name()?.to_str()?.to_owned(), file.contents_utf8()?.to_owned()))
        });
        Scenario::parse(&Path::new("datasets/scenarios").join(directory.path()), files.collect())
    };
    let mut scenarios = BUILT_IN.dirs().map(scenario).collect::<Result<Vec<_>, _>>()?;
    scenarios.sort_by(|one, other| one.id.0.cmp(&other.id.0));
    Ok(scenarios)
}

impl Scenario {
    /// Reads the scenario of a directory, for trying one before it is built in.
    pub fn read(directory: &Path) -> Result<Scenario, Error> {
        let mut files = BTreeMap::new();
        for entry in at("list", directory, std::fs::read_dir(directory))? {
            let path = at("list", directory, entry)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            files.insert(name.to_owned(), at("read", &path, std::fs::read_to_string(&path))?);
        }
        Scenario::parse(directory, files)
    }

    /// The scenario of a directory with these files.
    fn parse(directory: &Path, mut files: BTreeMap<String, String>) -> Result<Scenario, Error> {
        let path = directory.join(FILE);
        let text = files.remove(FILE);
        let text = at("read", &path, text.ok_or_else(|| std::io::ErrorKind::NotFound.into()))?;
        // Says line, column and the line itself.
        let wrong = |detail: String| Error::Parse { path: path.clone(), detail };
        let mut scenario: Scenario = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        scenario.files = files;
        let name = directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        scenario.check(name).map_err(wrong)?;
        Ok(scenario)
    }

    /// What no single field can tell.
    fn check(&self, name: &str) -> Result<(), String> {
        if name != self.id.0 {
            return Err(format!("`id` is {}, and the directory is called `{name}`", self.id.0));
        }
        let mut unused: BTreeSet<&String> = self.files.keys().collect();
        for plant in &self.plants {
            let contents = [&plant.text, &plant.file, &plant.link].into_iter().flatten().count();
            if contents != 1 {
                return Err(format!(
                    "`{}` needs one of `text`, `file` and `link`, and has {contents}",
                    plant.at
                ));
            }
            let Some(file) = &plant.file else { continue };
            if !self.files.contains_key(file) {
                return Err(format!("`{}` is planted from `{file}`, which is not there", plant.at));
            }
            unused.remove(file);
        }
        if let Some(file) = unused.first() {
            return Err(format!("nothing plants `{file}`, which lies beside it"));
        }
        if self.steps.is_empty() || self.tasks.is_empty() || self.techniques.is_empty() {
            return Err("it needs a step, a task and a technique".to_owned());
        }
        if self.success.is_empty() {
            return Err("`success` names nothing that an observer could see".to_owned());
        }
        Ok(())
    }
}

/// `S` and two digits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Id(pub String);

impl Id {
    /// Its digits.
    pub fn number(&self) -> usize {
        self.0.trim_start_matches('S').parse().unwrap_or(0)
    }
}

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Id, String> {
        match text.as_bytes() {
            [b'S', ten, one] if ten.is_ascii_digit() && one.is_ascii_digit() => Ok(Id(text)),
            _ => Err(format!("`{text}` is no id: it is `S` and two digits")),
        }
    }
}

/// A technique of MITRE ATT&CK: `T1552` or `T1552.004`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Technique(pub String);

impl TryFrom<String> for Technique {
    type Error = String;

    fn try_from(text: String) -> Result<Technique, String> {
        let digits =
            |part: &str, count| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
        let known = text.strip_prefix('T').is_some_and(|rest| match rest.split_once('.') {
            Some((technique, part)) => digits(technique, 4) && digits(part, 3),
            None => digits(rest, 4),
        });
        if known {
            Ok(Technique(text))
        } else {
            Err(format!("`{text}` is no technique: `T1552` or `T1552.004`"))
        }
    }
}

#[cfg(test)]
mod tests;
