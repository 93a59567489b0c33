//! A process outside that a session has reached.

use agents::Agent;
use event::helper::Work;
use event::{AgentName, Fate};
use serde::{Deserialize, Serialize};

/// A process outside of the session that listens where the session has connected to, or was kept from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The process.
    pub pid: u32,
    /// Its executable, and the script or module that it runs; `None` where it had ended before anybody could look.
    pub program: Option<String>,
    /// What it is.
    pub kind: Option<PeerKind>,
    /// Where it listens.
    pub at: String,
    /// What became of it: `happened` where nothing spoke against it.
    pub fate: Fate,
    /// How often.
    pub times: u64,
}

impl Peer {
    /// Who, and where.
    pub fn told(&self) -> String {
        let Self { pid, at, .. } = self;
        match &self.program {
            Some(program) => format!("`{program}` (process {pid}) at {at}"),
            None => format!("process {pid} at {at}"),
        }
    }
}

/// A process that runs an agent's program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegate {
    /// Its process.
    pub pid: u32,
    /// The agent; `None` where it had ended before anybody could look.
    pub agent: Option<AgentName>,
    /// Its command line, as far as it is short.
    pub command: String,
}

impl Delegate {
    /// One that has ended before anybody could say more of it.
    pub fn gone(pid: u32) -> Delegate {
        Delegate { pid, agent: None, command: "an agent".to_owned() }
    }

    /// What happened, and what to do.
    pub fn advice(&self) -> String {
        let Delegate { pid, agent, command } = self;
        let known = agent.as_ref().and_then(|agent| Agent::named(agent.as_str()));
        let alone = known.and_then(|agent| agent.alone.as_deref());
        let alone = alone.map_or_else(String::new, |alone| format!("; or work without it: {alone}"));
        let agent = agent.as_ref().map_or_else(String::new, |agent| format!(" (`{agent}`)"));
        format!(
            "`{command}` (process {pid}) is an agent{agent} outside of the session, and would work for it unguarded. End it \
             with `kill {pid}` and start again; or guard it with `wardline enforce --attach {pid}`{alone}"
        )
    }
}

/// What a process outside is to a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerKind {
    /// An agent, by its tag.
    Agent(String),
    /// It works with its user's authority for whoever reaches it.
    Helper(Work),
    /// Root or the system runs it, and it is no helper.
    System,
    /// None of these: a database, a model's server, a development server.
    Other,
    /// One of Wardline's own, or of the session itself.
    Own,
}
