//! The way to the agent, where the session begins with something that starts it: a package manager's launcher, a script of the
//! user's, a wrapper.
//!
//! The client has found which files are the agent's program. The agent itself is who runs exactly one of them on the way from the
//! first process, and of a script who has opened exactly that; until then nobody has what it alone may, and nobody ever where none
//! was found.
//!
//! What must never decide is the repository, which comes from outside: the way is lost for good as soon as a process on it touches
//! what the repository says (the workspaces, the tops of their repositories, the current directory, and whatever links in them
//! lead to), or what is not known to lie elsewhere. Any other file that a launcher reads is one that the user's own programs read
//! outside of any session. Whoever can write it there has left the session already: closing such places is the policy's.

mod end;
mod grounds;

use self::end::End;
use self::grounds::Grounds;
use super::itself::is_written_memory;
use crate::DenyList;
use abi::FileKey;
use agents::Agent;
use event::{Event, Op, Outcome};
use std::collections::HashSet;
use text::shown;

/// Programs of one agent.
const ENDS_MAX: usize = 32;
/// What the client may name of the repository's; the session's processes are held against all of them.
const GROUNDS_MAX: usize = 2_048;
/// Records that were lost may have been made so long before that is noticed, ns.
const UNNOTICED_NS: u64 = 1_000_000_000;
/// Processes that are on the way at once.
const PROCESSES_MAX: usize = 256;

/// The way to the agent.
#[derive(Debug)]
pub(crate) struct Way {
    /// The agent's tag, where it is known.
    pub(crate) agent: Option<String>,
    ends: Vec<End>,
    grounds: Grounds,
    /// Who may still come to the end.
    on: HashSet<u32>,
    /// Who has begun to run a script of the agent's, and is to open it.
    loads: Option<(Box<Event>, FileKey)>,
    /// Who is the agent.
    runs: Option<u32>,
    /// Since when, CLOCK_BOOTTIME, ns.
    since_ns: u64,
    /// That one has made a process, or has touched what the repository says: what it runs next is not on the way.
    works: bool,
    is_lost: bool,
    /// Why, as long as nobody was told.
    untold: Option<String>,
}

/// What an event means for the way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The process is the agent since it has run this, which may be a script.
    Agent(Box<Event>, bool),
    /// The process of that number ceases to be the agent.
    Left(u32),
    /// It is lost, and the user should know.
    Lost(String),
}

impl Way {
    /// Looks up what the client has found, by the mounts of this process.
    pub(crate) fn of(list: &dyn DenyList, way: wire::Way, mountinfo: &[u8]) -> Self {
        let wire::Way { agent, ends, grounds } = way;
        let agent = agent.filter(|agent| Agent::named(agent).is_some());
        let known = Grounds::of(&grounds, mountinfo);
        // A session works somewhere.
        let is_known = known.is_some() && !grounds.is_empty() && grounds.len() <= GROUNDS_MAX;
        let ends = ends.into_iter().filter(|_| is_known).take(ENDS_MAX);
        let ends = ends.filter_map(|end| End::of(list, end)).collect();
        Self::to(agent, ends, known.unwrap_or_default())
    }

    fn to(agent: Option<String>, ends: Vec<End>, grounds: Grounds) -> Self {
        let on = HashSet::new();
        Self {
            agent,
            ends,
            grounds,
            on,
            loads: None,
            runs: None,
            since_ns: 0,
            works: false,
            is_lost: false,
            untold: None,
        }
    }

    /// Whether it has no end, so that nobody is the agent.
    pub(crate) fn is_nobodys(&self) -> bool {
        self.ends.is_empty()
    }

    /// It begins in this process.
    pub(super) fn begins_with(&mut self, pid: u32) {
        self.on = [pid].into();
    }

    /// Takes in what a process of the session did.
    pub(super) fn note(&mut self, event: &Event) -> Vec<Turn> {
        if self.is_nobodys() || matches!(event.outcome, Outcome::Failed(_)) {
            return Vec::new();
        }
        let turn = match event.op {
            Op::Fork => self.made(event),
            // The last thread: a program that another thread than the first has run goes on under the process' number.
            Op::Exit if event.outcome == Outcome::Done(1) => {
                self.forget(event.pid);
                None
            }
            Op::Exit => None,
            // Whoever is on the way may be made to run anything.
            Op::Ptrace => self.lose("a process was reached into".to_owned()),
            Op::Open if is_written_memory(event) => {
                self.lose("the memory of a process was opened".to_owned())
            }
            Op::Exec => return self.ran(event),
            _ => self.touched(event),
        };
        turn.into_iter().collect()
    }

    /// What the session did was not all seen, as was noticed at a time of CLOCK_BOOTTIME, ns. Who became the agent just before may
    /// have become it by what is missing.
    pub(super) fn unseen(&mut self, noticed_ns: u64) -> Vec<Turn> {
        if self.is_nobodys() {
            return Vec::new();
        }
        let is_recent = noticed_ns.saturating_sub(UNNOTICED_NS) < self.since_ns;
        let left = self.runs.take_if(|_| is_recent).map(Turn::Left);
        let lost = self.lose("records of the session were lost".to_owned());
        left.into_iter().chain(lost).collect()
    }

    fn made(&mut self, event: &Event) -> Option<Turn> {
        let child = event.fork.filter(|fork| fork.pid != event.pid).map(|fork| fork.pid)?;
        // The number was another one's.
        self.forget(child);
        self.works |= self.runs == Some(event.pid);
        if !self.on.contains(&event.pid) {
            return None;
        }
        self.on.insert(child);
        let is_many = self.on.len() > PROCESSES_MAX;
        is_many.then(|| self.lose(format!("more than {PROCESSES_MAX} processes were made"))).flatten()
    }

    /// There is no such process any more.
    fn forget(&mut self, pid: u32) {
        self.on.remove(&pid);
        self.stop(pid);
    }

    /// A process does not run the agent's program any more.
    fn stop(&mut self, pid: u32) {
        self.runs = self.runs.filter(|runs| *runs != pid);
        self.loads = self.loads.take().filter(|(started, _)| started.pid != pid);
    }

    fn loads(&self, pid: u32) -> bool {
        self.loads.as_ref().is_some_and(|(started, _)| started.pid == pid)
    }

    /// A process runs a program. One that was about to be the agent, or is it and has not begun to work, goes on along the way.
    fn ran(&mut self, event: &Event) -> Vec<Turn> {
        let was_agent = self.runs == Some(event.pid);
        if self.loads(event.pid) || was_agent && !self.works {
            self.on.insert(event.pid);
        }
        self.stop(event.pid);
        let turn = if self.on.contains(&event.pid) { self.went(event) } else { None };
        was_agent.then_some(Turn::Left(event.pid)).into_iter().chain(turn).collect()
    }

    fn went(&mut self, event: &Event) -> Option<Turn> {
        if let Some(why) = self.grounds.touched(event) {
            return self.lose(why);
        }
        let end = self.ends.iter().find(|end| end.is_run(event))?;
        let script = end.script.as_ref().map(|script| script.file);
        self.reached(event, script)
    }

    /// Whoever runs the agent's program is on the way no more, and nor is what it starts.
    fn reached(&mut self, event: &Event, script: Option<FileKey>) -> Option<Turn> {
        self.on.remove(&event.pid);
        if self.is_lost {
            return self.tell();
        }
        if self.runs.is_some() || self.loads.is_some() {
            return None;
        }
        let started = Box::new(event.clone());
        match script {
            Some(script) => {
                self.loads = Some((started, script));
                None
            }
            None => Some(self.is_agent(started, false)),
        }
    }

    /// A process touches a file, which may be the script of the agent's that it is to run.
    fn touched(&mut self, event: &Event) -> Option<Turn> {
        let loads = self.loads(event.pid);
        let runs = self.runs == Some(event.pid);
        if !loads && !runs && !self.on.contains(&event.pid) {
            return None;
        }
        match self.grounds.touched(event) {
            // That is its work.
            why if runs => self.works |= why.is_some(),
            Some(why) => return self.lose(why),
            None => {}
        }
        let opened = event.object.file().and_then(|file| file.key);
        let (started, _) =
            self.loads.take_if(|(_, script)| loads && event.op == Op::Open && opened == Some(*script))?;
        Some(self.is_agent(started, true))
    }

    fn is_agent(&mut self, started: Box<Event>, is_script: bool) -> Turn {
        self.runs = Some(started.pid);
        self.since_ns = started.time_ns;
        self.works = false;
        Turn::Agent(started, is_script)
    }

    fn lose(&mut self, why: String) -> Option<Turn> {
        if std::mem::replace(&mut self.is_lost, true) {
            return None;
        }
        self.untold = Some(why);
        self.loads = None;
        // Who is the agent already stays it: what is lost is told once another one is to be it.
        if self.runs.is_some() { None } else { self.tell() }
    }

    fn tell(&mut self) -> Option<Turn> {
        let why = self.untold.take()?;
        let agent = self.agent.as_deref().unwrap_or("the agent");
        let program = self.ends.first().map(|end| shown(&end.name)).unwrap_or_default();
        Some(Turn::Lost(format!(
            "{why} before {agent} was started, so that the repository may have decided what {agent} runs: it may not replace its \
             own settings in this session. Where the command is its program itself, `{program}`, it may"
        )))
    }
}

#[cfg(test)]
mod tests;
