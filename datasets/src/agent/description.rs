//! How one agent is driven, as its file describes it.

use super::Package;
use crate::Error;
use crate::model::Finish;
use crate::network::MODEL;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

/// A coding agent that can be driven without a person and against a model of one's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// As its baselines are named.
    pub name: String,
    /// The version that baselines are made of, as its package names it.
    pub version: String,
    /// Another published version: what baselines are still worth when the agent is another one.
    pub other_version: Option<String>,
    /// What it is published as.
    pub package: Package,
    /// It runs commands in a sandbox of its own, which may keep an attack from anything.
    pub is_sandboxed: bool,
    /// Its command, as people type it.
    pub program: String,
    /// The program that its own installer lays down, below what npm installs; where there is one.
    pub native: Option<String>,
    /// How a session ends after its last step.
    pub finish: Finish,
    arguments: Vec<String>,
    start: Option<Vec<String>>,
    shared: Option<String>,
    files: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
}

/// The table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    version: String,
    other_version: Option<String>,
    npm: Option<String>,
    pip: Option<Vec<String>>,
    script: Option<String>,
    package: Option<String>,
    #[serde(default)]
    sandboxed: bool,
    program: String,
    arguments: Vec<String>,
    start: Option<Vec<String>>,
    native: Option<String>,
    last_command: Option<String>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
}

impl Agent {
    /// Reads a file of its own; the agent has the file's name.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Agent, Error> {
        let wrong = |detail: String| Error::Parse { path: path.to_owned(), detail };
        let name = path.file_stem().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| wrong("its name is no agent's".into()))?;
        let description = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        Agent::new(path, name, description)
    }

    /// Reads a table of a file.
    pub(super) fn of_table(path: &Path, name: &str, table: toml::Value) -> Result<Agent, Error> {
        let wrong = |error: toml::de::Error| Error::Parse {
            path: path.to_owned(),
            detail: format!("below `driven.{name}`: {error}"),
        };
        Agent::new(path, name, table.try_into().map_err(wrong)?)
    }

    fn new(path: &Path, name: &str, file: Description) -> Result<Agent, Error> {
        let wrong = |detail: String| Error::Parse { path: path.to_owned(), detail };
        let package = match (file.npm, file.pip, file.script) {
            (Some(name), None, None) => Package::Npm(name),
            (None, Some(names), None) if !names.is_empty() => Package::Pip(names),
            (None, None, Some(text)) => Package::Script { name: file.program.clone(), text },
            _ => return Err(wrong("one of `npm`, `pip` and `script` says what it is installed from".into())),
        };
        Ok(Agent {
            name: name.to_owned(),
            version: file.version,
            other_version: file.other_version,
            package,
            is_sandboxed: file.sandboxed,
            program: file.program,
            native: file.native,
            finish: file.last_command.map_or(Finish::Message, Finish::Command),
            arguments: file.arguments,
            start: file.start,
            shared: file.package,
            files: file.files,
            environment: file.environment,
        })
    }

    /// Name of its directory in the cache: agents that only differ in how they are started share one.
    pub fn shared(&self) -> &str {
        self.shared.as_deref().unwrap_or(&self.name)
    }

    /// Files of its own in the home: relative path and content.
    pub fn configuration(&self) -> Vec<(&str, String)> {
        self.files.iter().map(|(path, text)| (path.as_str(), fill(text))).collect()
    }

    /// Variables of its environment besides the world's.
    pub fn environment(&self) -> Vec<(&str, OsString)> {
        self.environment.iter().map(|(name, value)| (name.as_str(), fill(value).into())).collect()
    }

    /// The arguments that make it do what `prompt` says.
    pub fn arguments(&self, prompt: &str) -> Vec<String> {
        self.arguments.iter().map(|argument| fill(argument).replace("@prompt@", prompt)).collect()
    }

    /// The whole command, by paths. `installed` is where its package lies in the world.
    pub fn command(&self, installed: &Path, prompt: &str) -> Vec<OsString> {
        let place = installed.display().to_string();
        let start = self.start.iter().flatten().map(|word| fill(word).replace("@installed@", &place));
        let mut command: Vec<OsString> = start.map(OsString::from).collect();
        if command.is_empty() {
            let directory = if matches!(self.package, Package::Npm(_)) { "node_modules/.bin" } else { "bin" };
            command.push(installed.join(directory).join(&self.program).into());
        }
        command.extend(self.arguments(prompt).into_iter().map(OsString::from));
        command
    }
}

/// A text of a description, with the model's address in it.
fn fill(text: &str) -> String {
    text.replace("@model@", &MODEL.to_string())
        .replace("@host@", &MODEL.ip().to_string())
        .replace("@port@", &MODEL.port().to_string())
}

#[cfg(test)]
mod tests {
    use super::super::{all, named};
    use super::*;

    fn words(command: Vec<OsString>) -> String {
        command.join(" ".as_ref()).into_string().unwrap()
    }

    #[test]
    fn each_is_asked_the_prompt_once() {
        for agent in all().unwrap() {
            let prompts = agent.arguments("do this").iter().filter(|word| *word == "do this").count();
            assert_eq!(prompts, 1, "{}", agent.name);
        }
    }

    #[test]
    fn no_text_keeps_an_open_slot() {
        for agent in all().unwrap() {
            let texts = agent.configuration().into_iter().map(|(_, text)| text);
            let values = agent.environment().into_iter().map(|(_, value)| value.into_string().unwrap());
            for text in texts.chain(values).chain([words(agent.command("/i".as_ref(), "p"))]) {
                for slot in ["@model@", "@host@", "@port@", "@prompt@", "@installed@"] {
                    assert!(!text.contains(slot), "{}: {text}", agent.name);
                }
            }
        }
    }

    #[test]
    fn a_package_is_started_where_it_lies() {
        let command = |name: &str| words(named(name).unwrap().command("/i".as_ref(), "p"));
        assert_eq!(command("opencode"), "/i/node_modules/.bin/opencode run p");
        assert!(command("codex").starts_with("node /i/node_modules/@openai/codex/bin/codex.js exec "));
        assert!(command("mini-swe-agent").starts_with("/i/bin/python3 -m minisweagent.run.mini -m openai/"));
    }

    #[test]
    fn a_file_says_what_is_installed() {
        let parse = |text: &str| Agent::parse("x.toml".as_ref(), text);
        let rest = "version = \"1\"\nprogram = \"x\"\narguments = [\"@prompt@\"]\n";
        assert!(parse(rest).is_err());
        assert!(parse(&format!("{rest}npm = \"x\"\npip = [\"x\"]\n")).is_err());
        assert_eq!(parse(&format!("{rest}npm = \"x\"\n")).unwrap().package, Package::Npm("x".into()));
    }
}
