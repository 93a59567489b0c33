//! An agent, as its file describes it.

mod recognise;

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Paths by kind of place, as in `where` of a rule of the policy: `home`, `config`, `workspace` and the others.
pub type Places = BTreeMap<String, Vec<String>>;

/// A coding agent. What its file does not say is empty.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Agent {
    /// Its tag: the file's name.
    #[serde(skip)]
    pub name: String,
    /// File names of its programs, without `.exe`, `.js`, `.mjs`, `.cjs` and `.py`.
    pub executables: Vec<String>,
    /// Packages of npm (those of a platform, `NAME-linux-x64`, included), and modules of Python.
    pub packages: Vec<String>,
    /// Directories of its own installer, as the end of a path: whatever lies below is a program of its.
    pub installs: Vec<String>,
    /// Where it keeps its own state, below the home, besides the places that every program has.
    pub state: Vec<String>,
    /// How it does its work itself, where it otherwise hands it to a process that outlives it.
    pub alone: Option<String>,
    /// Jewels below the home that it replaces by a rename as a routine, and where it puts aside what it replaces: nobody but the
    /// agent itself may.
    pub rewrites: Vec<String>,
    /// Jewels below the home that it makes at its first start, where they are absent.
    pub first: Vec<First>,
    /// Variables that name a directory or file of its, and what it is below the home without them.
    pub moved: BTreeMap<String, String>,
    /// What of it the policy is about, by the word that a rule asks for with `where.of-agents`.
    pub places: BTreeMap<String, Places>,
    /// How the laboratory installs, configures and starts it, by the names of its ways; a wider reader is `datasets`.
    pub driven: toml::Table,
}

/// A file that an agent makes at its first start: no program of a session may, so that it is made before one begins.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct First {
    /// Where, below the home.
    pub path: String,
    /// What the agent writes there.
    pub text: String,
    /// Where one of these is, below the home, the agent makes none.
    #[serde(default)]
    pub unless: Vec<String>,
}

/// Names of the files, and their texts.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/known.rs"));

/// What is wrong with a file is told by a test; what could not be read is missing here.
static KNOWN: LazyLock<Vec<Agent>> =
    LazyLock::new(|| FILES.iter().filter_map(|(name, text)| Agent::read(name, text).ok()).collect());

impl Agent {
    /// Reads a file of that name.
    ///
    /// # Errors
    /// Where it is no TOML, or has a key that is not known.
    pub fn read(name: &str, text: &str) -> Result<Agent, toml::de::Error> {
        toml::from_str(text).map(|agent| Agent { name: name.to_owned(), ..agent })
    }

    /// Every known agent, by name.
    pub fn all() -> &'static [Agent] {
        &KNOWN
    }

    /// The agent of that tag.
    pub fn named(name: &str) -> Option<&'static Agent> {
        Agent::all().iter().find(|agent| agent.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_an_agent() {
        for (name, text) in FILES {
            Agent::read(name, text).unwrap_or_else(|error| panic!("known/{name}.toml: {error}"));
        }
        assert_eq!(Agent::all().len(), FILES.len());
        assert!(Agent::named("codex").is_some_and(|codex| codex.executables == ["codex"]));
    }

    #[test]
    fn a_key_that_is_not_known_is_an_error() {
        assert!(Agent::read("own", "executables = [\"own\"]").is_ok());
        assert!(Agent::read("own", "executable = \"own\"").is_err());
    }

    #[test]
    fn executables_and_ways_of_driving_are_one_agents_each() {
        for (at, agent) in Agent::all().iter().enumerate() {
            for other in &Agent::all()[at + 1..] {
                assert!(agent.executables.iter().all(|name| !other.executables.contains(name)), "{agent:?}");
                assert!(agent.driven.keys().all(|name| !other.driven.contains_key(name)), "{agent:?}");
            }
        }
    }
}
