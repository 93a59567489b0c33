//! How `enforce` would find and know an agent.

use crate::agent;
use crate::client::Held;
use crate::environment::{Environment, EnvironmentArgs};
use anyhow::Result;
use command::State;
use command::user::UserArgs;
use event::{AgentName, Tasks};
use profiler::Library;
use serde::Serialize;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// An agent, as it would be started.
#[derive(Debug, Serialize)]
pub struct Agent {
    /// Its name: its baselines have it.
    name: AgentName,
    /// Who it would run as.
    user: String,
    /// Where it was found, and whose environment it would have.
    found: Vec<String>,
    /// Where it keeps its own state.
    state: Vec<String>,
    /// Its baselines.
    baselines: Vec<Learned>,
}

/// A baseline of its.
#[derive(Debug, Serialize)]
struct Learned {
    task: Tasks,
    /// What it does unless it is forced; `None`: it cannot be read.
    state: Option<models::State>,
    sessions: usize,
}

impl Agent {
    /// Looks for it as its user, and lets it go. The calling process must have one thread.
    pub(super) fn find(
        state: &State,
        user: &UserArgs,
        environment: &EnvironmentArgs,
        command: &[OsString],
    ) -> Result<Agent> {
        let user = user.resolve()?;
        let environment = Environment::of_command(&user, environment)?;
        // It ends when this is dropped, without having become the command.
        let held = Held::look(command, &environment, &user)?;
        let file = held.file().map(|file| file.as_os_str().as_bytes().to_owned());
        let words = command.iter().map(|word| word.as_bytes());
        let name = agent::guess(words, file.as_deref());
        let nowhere = || {
            format!("{}: not found where it may look", command.first().unwrap_or(&OsString::new()).display())
        };
        let found = [held.told().unwrap_or_else(nowhere)].into_iter().chain(environment.told()).collect();
        let library = Library::new(state.user(user.uid));
        let entries = library.list().unwrap_or_default().into_iter().filter(|entry| entry.agent == name);
        let baselines = entries.map(|entry| {
            let loaded = library.load(&entry.agent, &entry.task).ok();
            let sessions = loaded.as_ref().map_or(0, |baseline| baseline.sessions);
            Learned { task: entry.task, state: loaded.map(|baseline| baseline.state()), sessions }
        });
        Ok(Agent {
            baselines: baselines.collect(),
            state: agent::state(name.as_str(), user.home.as_os_str().as_bytes())
                .iter()
                .map(ToString::to_string)
                .filter(|path| std::path::Path::new(path).exists())
                .collect(),
            user: user.name.clone().unwrap_or_else(|| user.uid.to_string()),
            found,
            name,
        })
    }

    /// For people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("agent {}, as {}", self.name, self.user)];
        lines.extend(self.found.iter().map(|line| format!("  {line}")));
        lines.push(match self.state.as_slice() {
            [] => "  it keeps no state yet".to_owned(),
            state => format!("  its state: {}", state.join(", ")),
        });
        lines.extend(self.baselines.iter().map(|learned| {
            let state = learned.state.map_or("cannot be read", models::State::name);
            format!("  baseline {}/{}: {state}, of {}", self.name, learned.task, sessions(learned.sessions))
        }));
        if self.baselines.is_empty() {
            lines.push(format!(
                "  no baseline: the static deny-list guards it from the first session on; `wardline record --task TASK -- ...` and `wardline train` teach what {} normally does",
                self.name
            ));
        }
        lines
    }
}

fn sessions(count: usize) -> String {
    text::count(count as u64, "session")
}
