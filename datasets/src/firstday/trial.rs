//! The sessions of a first day, and what came of them.
#![expect(clippy::indexing_slicing, reason = "an account has more projects of each kind than are named here")]

use super::{Came, Job, Project, Residence, TASKS, Way};
use crate::Error;
use crate::agent::Agent;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How many projects are recorded.
const KNOWN: usize = 3;

/// What is tried.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'t> {
    /// Wardline's program.
    pub wardline: &'t Path,
    /// The agent.
    pub agent: &'t Agent,
    /// Its version.
    pub version: &'t str,
    /// How it is installed.
    pub way: Way,
    /// What the user types before the agent's name: programs that start it.
    pub before: &'t str,
    /// Baselines refuse even where they would only watch.
    pub is_forced: bool,
    /// How often each task is recorded in each project.
    pub rounds: u64,
    /// Another seed gives other projects and sessions.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The agent.
    pub agent: String,
    /// Its version.
    pub version: String,
    /// How it was installed.
    pub way: String,
    /// What the user typed before its name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub before: String,
    /// The home of the sessions.
    pub home: String,
    /// The sessions that were recorded.
    pub recorded: Vec<Came>,
    /// Exit status of `train`.
    pub trained: Option<i32>,
    /// What `train` said.
    pub train_said: String,
    /// Guarded sessions in a project that was recorded.
    pub known: Vec<Came>,
    /// Guarded sessions in a project that was not.
    pub new: Vec<Came>,
    /// Guarded sessions in both, without a task.
    pub untold: Vec<Came>,
}

impl Outcome {
    /// Every session, in order.
    pub fn sessions(&self) -> impl Iterator<Item = &Came> {
        self.recorded.iter().chain(&self.known).chain(&self.new).chain(&self.untold)
    }

    /// Everything went as it must.
    pub fn is_good(&self) -> bool {
        self.trained == Some(0) && self.sessions().all(|came| came.is_good(Path::new(&self.home)))
    }
}

impl Trial<'_> {
    /// Runs it, in the network of the calling thread, which is one of the thread's own. `said` hears of each session.
    pub fn run(&self, mut said: impl FnMut(&str, &Came)) -> Result<Outcome, Error> {
        let residence = Residence::create(self.wardline, self.agent, self.version, self.way, self.seed)?;
        let (known, new) = residence.projects.split_at(KNOWN);
        let mut number = 0;
        let mut run = |verb, project: &Project, task: &str, told: bool| -> Result<Came, Error> {
            number += 1;
            let (script, done) = project.script(task, self.seed, number);
            let task = told.then_some(task);
            let came = residence.run(&Job {
                agent: self.agent,
                verb,
                before: self.before,
                is_forced: self.is_forced && verb == "enforce",
                task,
                project,
                script: &script,
                done: &done,
            })?;
            said(verb, &came);
            Ok(came)
        };
        let mut recorded = Vec::new();
        for _ in 0..self.rounds {
            for project in known {
                for task in TASKS {
                    recorded.push(run("record", project, task, true)?);
                }
            }
        }
        let (trained, train_said) = residence.train()?;
        let mut guarded = |projects: &[Project], told| -> Result<Vec<Came>, Error> {
            let pairs = projects.iter().cycle().zip(TASKS);
            pairs.map(|(project, task)| run("enforce", project, task, told)).collect()
        };
        let in_known = guarded(&known[..1], true)?;
        let in_new = guarded(&new[..2], true)?;
        let untold = guarded(&[known[1].clone(), new[2].clone()], false)?;
        Ok(Outcome {
            agent: self.agent.name.clone(),
            version: self.version.to_owned(),
            way: self.way.name().to_owned(),
            before: self.before.to_owned(),
            home: residence.home().display().to_string(),
            recorded,
            trained,
            train_said,
            known: in_known,
            new: in_new,
            untold,
        })
    }
}
