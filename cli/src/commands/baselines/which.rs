//! A baseline as its user names it.

use anyhow::Result;
use command::Exit;
use event::{AgentName, NoName, Tasks};
use models::Baseline;
use profiler::Library;
use std::fmt;
use std::str::FromStr;

/// AGENT/TASK.
#[derive(Clone, Debug)]
pub struct Which {
    /// The agent.
    pub agent: AgentName,
    /// The task, or several.
    pub task: Tasks,
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (agent, task) = text.split_once('/').ok_or("no AGENT/TASK: `wardline baselines` lists them")?;
        let told = |error: NoName| error.to_string();
        Ok(Self { agent: agent.parse().map_err(told)?, task: task.parse().map_err(told)? })
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.agent, self.task)
    }
}

impl Which {
    /// It, where it is there.
    pub fn load(&self, library: &Library) -> Result<Baseline> {
        match library.load(&self.agent, &self.task) {
            Err(error @ profiler::Error::Missing { .. }) => Err(Exit::Usage.error(error.to_string())),
            other => Ok(other?),
        }
    }
}
