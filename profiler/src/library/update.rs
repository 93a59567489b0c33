//! What a further training would leave as it is: `wardline train --update` makes only the baselines that it would change, each of
//! all the sessions that teach it, as a training of everything does.
//!
//! A baseline leans on the other tasks of its agent, so that a session of one of them changes it as well. One that was taught by
//! what its user has taken back since never stays: where too few sessions are left to make it of, it goes.

use crate::{Answer, Error, Library};
use event::{AgentName, TaskName};
use models::SESSIONS_MIN;
use std::collections::{BTreeMap, BTreeSet};

/// The sessions that teach each task of each agent.
pub(crate) type Teaching = BTreeMap<(AgentName, TaskName), BTreeSet<i64>>;

/// A baseline that is there, as far as it says what it was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The agent.
    pub agent: AgentName,
    /// The task.
    pub task: TaskName,
    /// Sessions that taught it.
    pub used: BTreeSet<i64>,
    /// When it was made, ns since 1970.
    pub trained_at_unix_ns: i64,
}

/// A baseline that was left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The agent.
    pub agent: AgentName,
    /// The task.
    pub task: TaskName,
    /// Its sessions that are in the store no more; where there are some, it may lack newer ones.
    pub gone: usize,
}

impl Library {
    /// The baselines that this build can use.
    pub fn known(&self) -> Result<Vec<Known>, Error> {
        let loaded = self.list()?.into_iter().filter_map(|entry| self.load(&entry.agent, &entry.task).ok());
        let usable = loaded.filter(|baseline| baseline.check().is_ok());
        let known = usable.filter_map(|baseline| {
            Some(Known {
                used: baseline.provenance.used.into_iter().collect(),
                agent: baseline.agent,
                task: baseline.task.only()?.clone(),
                trained_at_unix_ns: baseline.trained_at_unix_ns,
            })
        });
        Ok(known.collect())
    }
}

/// Which of the known baselines of wanted tasks stay: those of agents of which nothing changed, and those that taking further
/// sessions would rob of some that only they remember, where nothing was taken back since they were made.
pub(crate) fn kept(
    known: &[Known],
    teaching: &Teaching,
    stored: &BTreeSet<i64>,
    answers: &[Answer],
    wanted: impl Fn(&TaskName) -> bool,
) -> Vec<Kept> {
    let wanted_of = |known: &&Known| wanted(&known.task);
    let kept =
        known.iter().filter(wanted_of).filter_map(|baseline| {
            let gone = baseline.used.difference(stored).count();
            let is_remembering = gone > 0 && !was_taken_back(baseline, answers);
            (is_remembering || is_unchanged(&baseline.agent, known, teaching, answers, &wanted))
                .then(|| Kept { agent: baseline.agent.clone(), task: baseline.task.clone(), gone })
        });
    kept.collect()
}

/// Whether all sessions that teach an agent's tasks are those that its baselines were made of, and nothing was answered since.
fn is_unchanged(
    agent: &AgentName,
    known: &[Known],
    teaching: &Teaching,
    answers: &[Answer],
    wanted: impl Fn(&TaskName) -> bool,
) -> bool {
    let of_agent = || known.iter().filter(|known| known.agent == *agent);
    let is_known = |task: &TaskName, sessions: &BTreeSet<i64>| {
        of_agent().any(|known| known.task == *task && known.used == *sessions)
    };
    let unknown = teaching.iter().filter(|((of, _), _)| of == agent).any(|((_, task), sessions)| {
        let makes_one = wanted(task) && sessions.len() >= SESSIONS_MIN;
        let teaches_others = !wanted(task) && !sessions.is_empty();
        (makes_one || teaches_others) && !is_known(task, sessions)
    });
    let newest = answers.iter().filter(|answer| answer.agent == *agent).map(Answer::changed_unix_ns).max();
    let oldest = of_agent().map(|known| known.trained_at_unix_ns).min();
    !unknown && newest.zip(oldest).is_none_or(|(newest, oldest)| newest <= oldest)
}

/// Whether something that a baseline may have been taught by was taken back since it was made.
pub(crate) fn was_taken_back(baseline: &Known, answers: &[Answer]) -> bool {
    answers.iter().any(|answer| {
        answer.agent == baseline.agent
            && answer.taken_back_unix_ns.is_some_and(|taken_back| taken_back > baseline.trained_at_unix_ns)
    })
}
