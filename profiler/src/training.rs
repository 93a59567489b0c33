//! From a store to baselines: one for each agent and task that has enough sessions.

use crate::Error;
use crate::corpus::Recorded;
use crate::library::answers::{Answer, decided, is_reviewed, taken_back};
use crate::library::update::{self, Kept, Known};
use crate::screen::{REFUSED, reason_to_leave_out};
use event::{AgentName, TaskName, Tier};
use models::train::{self as trainer, Others};
use models::{Allowed, Baseline, Provenance, SESSIONS_MIN};
use std::collections::BTreeMap;
use store::{Reader, Session};

/// Which sessions to train on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this agent.
    pub agent: Option<AgentName>,
    /// Only this task.
    pub task: Option<TaskName>,
    /// Only these sessions, if any are named.
    pub sessions: Vec<i64>,
    /// Sessions that teach nothing, and calibrate beside those that are held out in turn.
    pub calibrate: Vec<i64>,
    /// What was ever answered to refusals: a session teaches once all that was refused in it is allowed, and nothing that was
    /// taken back.
    pub answers: Vec<Answer>,
    /// Baselines that are there.
    pub known: Vec<Known>,
    /// Those that would come out as they are stay.
    pub update: bool,
}

impl Filter {
    fn teaches(&self, session: i64) -> bool {
        !self.calibrates(session) && (self.sessions.is_empty() || self.sessions.contains(&session))
    }

    fn calibrates(&self, session: i64) -> bool {
        self.calibrate.contains(&session)
    }
}

/// What the sessions do not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Seed of what is random.
    pub seed: u64,
    /// Wall clock, ns since 1970: written into the baseline.
    pub now_unix_ns: i64,
}

/// A baseline, and how it came about.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The baseline.
    pub baseline: Baseline,
    /// Sessions that taught it.
    pub used: Vec<i64>,
    /// Sessions that only calibrated it.
    pub calibrated: Vec<i64>,
    /// Sessions that did neither, and why.
    pub left_out: Vec<(i64, String)>,
    /// The smallest p that its held-out sessions prove.
    pub smallest_provable: f64,
}

/// An agent and a task for which there is no baseline, and why.
#[derive(Debug)]
pub struct Refused {
    /// The agent.
    pub agent: AgentName,
    /// The task.
    pub task: TaskName,
    /// Sessions that were left out, and why.
    pub left_out: Vec<(i64, String)>,
    /// What is missing.
    pub error: Error,
}

/// Everything that training brought about.
#[derive(Debug, Default)]
pub struct Report {
    /// Baselines.
    pub trained: Vec<Trained>,
    /// Where there is none.
    pub refused: Vec<Refused>,
    /// Recordings of which nobody said the task.
    pub untasked: Vec<Untasked>,
    /// Baselines that stay as they are.
    pub kept: Vec<Kept>,
    /// Baselines that were taught by what was taken back since, and of which none can be made without it: they must go.
    pub outdated: Vec<(AgentName, TaskName)>,
}

/// Recordings of an agent of which nobody said the task: they teach its tasks where it keeps its files, and no baseline is
/// made of them unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untasked {
    /// The agent.
    pub agent: AgentName,
    /// How many.
    pub sessions: usize,
}

/// An agent and its task.
type Key = (AgentName, TaskName);

/// Sessions of one agent and task.
#[derive(Default)]
struct Group<'s> {
    usable: Vec<(&'s Session, Vec<u32>)>,
    left_out: Vec<(i64, String)>,
}

/// Sessions by agent and task.
type Groups<'s> = BTreeMap<Key, Group<'s>>;

/// Trains a baseline for every agent and task that the filter lets through. `progress` is told the agent, the task, and
/// how far it is. An agent and task with too few sessions is refused and does not stop the others; a store that cannot
/// be read does.
pub fn train(
    reader: &Reader,
    filter: &Filter,
    options: Options,
    progress: &mut dyn FnMut(&AgentName, &TaskName, trainer::Progress),
) -> Result<Report, Error> {
    let sessions = reader.sessions()?;
    let now = options.now_unix_ns;
    let groups = group(reader, &sessions, filter, now, Filter::teaches)?;
    let calibrating = group(reader, &sessions, filter, now, Filter::calibrates)?;
    // What nobody said the task of is no task: a baseline of it takes to be asked for.
    let wanted = |task: &TaskName| filter.task.as_ref().map_or(!task.is_unsaid(), |wanted| wanted == task);
    let untasked = || groups.iter().filter(|((_, task), _)| task.is_unsaid() && !wanted(task));
    let untasked: Vec<Untasked> = untasked()
        .map(|((agent, _), group)| Untasked {
            agent: agent.clone(),
            sessions: group.usable.len() + group.left_out.len(),
        })
        .collect();
    let outdated = outdated(filter, wanted);
    if !groups.keys().any(|(_, task)| wanted(task)) {
        if !untasked.is_empty() || !outdated.is_empty() {
            return Ok(Report { untasked, outdated, ..Report::default() });
        }
        let agent = filter.agent.clone().map_or_else(|| "any agent".to_owned(), String::from);
        let task = filter.task.clone().map_or_else(|| "any task".to_owned(), String::from);
        return Err(Error::NoSessions { agent, task });
    }
    let stored = sessions.iter().map(|session| session.id.0).collect();
    let teaching = groups.iter().map(|(key, group)| {
        let sessions = group.usable.iter().map(|(session, _)| session.id.0);
        (key.clone(), sessions.collect())
    });
    let known = if filter.update { filter.known.as_slice() } else { &[] };
    let kept = update::kept(known, &teaching.collect(), &stored, &filter.answers, wanted);
    let stays = |agent: &AgentName, task: &TaskName| {
        kept.iter().any(|kept| kept.agent == *agent && kept.task == *task)
    };
    let is_made = |agent: &AgentName, task: &TaskName| wanted(task) && !stays(agent, task);
    let taught = taught(reader, &groups, &filter.answers, is_made)?;
    let mut report = Report { untasked, kept: kept.clone(), outdated, ..Report::default() };
    for (key, group) in groups {
        let (agent, task) = &key;
        if !is_made(agent, task) {
            continue;
        }
        let others = taught.iter().filter(|((of, other), _)| of == agent && other != task);
        let others = Others::union(others.map(|(_, taught)| taught));
        let first =
            sessions.iter().filter(|session| session.meta.agent == *agent).map(|session| session.id.0).min();
        let first_run = group.usable.iter().position(|(session, _)| Some(session.id.0) == first);
        let mut told = |step| progress(agent, task, step);
        let taught = Taught {
            others,
            first_run,
            allowed: decided(&filter.answers, agent),
            taken_back: taken_back(&filter.answers, agent),
        };
        let made = train_one(reader, &key, &group, taught, options, &mut told)
            .and_then(|trained| calibrate(reader, trained, calibrating.get(&key)));
        let (agent, task) = key;
        match made {
            Ok(trained) => {
                report.outdated.retain(|outdated| *outdated != (agent.clone(), task.clone()));
                report.trained.push(trained);
            }
            Err(error @ Error::Train(models::Error::TooFewSessions { .. })) => {
                report.refused.push(Refused { agent, task, left_out: group.left_out, error });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(report)
}

/// Baselines that were taught by what was taken back since, until they are made again. Where a person chose the sessions, too few
/// of them say nothing of the others.
fn outdated(filter: &Filter, wanted: impl Fn(&TaskName) -> bool) -> Vec<Key> {
    let chosen = !filter.sessions.is_empty() || !filter.calibrate.is_empty();
    let is_outdated =
        |known: &&Known| !chosen && wanted(&known.task) && update::was_taken_back(known, &filter.answers);
    let outdated = filter.known.iter().filter(is_outdated);
    outdated.map(|known| (known.agent.clone(), known.task.clone())).collect()
}

/// What each task teaches its agent's other tasks, where one of those is made.
fn taught(
    reader: &Reader,
    groups: &Groups<'_>,
    answers: &[Answer],
    is_made: impl Fn(&AgentName, &TaskName) -> bool,
) -> Result<BTreeMap<Key, Others>, Error> {
    let mut all = BTreeMap::new();
    for (key, group) in groups {
        if !groups.keys().any(|(agent, task)| *agent == key.0 && *task != key.1 && is_made(agent, task)) {
            continue;
        }
        let recorded = Recorded::new(reader, group.usable.clone());
        let recorded = recorded.without(taken_back(answers, &key.0));
        all.insert(key.clone(), Others::learn(&recorded)?);
    }
    Ok(all)
}

/// Sorts the sessions by agent and task, all of the agent's tasks. A session with several tasks belongs to each, with the
/// segments it had for it.
fn group<'s>(
    reader: &Reader,
    sessions: &'s [Session],
    filter: &Filter,
    now: i64,
    takes: impl Fn(&Filter, i64) -> bool,
) -> Result<Groups<'s>, Error> {
    let mut groups: Groups<'s> = BTreeMap::new();
    for session in sessions {
        if !takes(filter, session.id.0)
            || filter.agent.as_ref().is_some_and(|agent| *agent != session.meta.agent)
        {
            continue;
        }
        let mut tasks: BTreeMap<&TaskName, Vec<u32>> = BTreeMap::new();
        for segment in &session.segments {
            tasks.entry(&segment.task).or_default().push(segment.index);
        }
        if tasks.is_empty() {
            tasks.insert(&session.meta.task, vec![0]);
        }
        let is_refused = session.summary.as_ref().is_some_and(|summary| summary.verdict == REFUSED);
        let reviewed = is_refused && is_reviewed(reader, session, &filter.answers, now)?;
        let why = reason_to_leave_out(session, reader.alerts(session.id)?.len(), reviewed);
        for (task, segments) in tasks {
            let group = groups.entry((session.meta.agent.clone(), task.clone())).or_default();
            match &why {
                Some(why) => group.left_out.push((session.id.0, why.clone())),
                None => group.usable.push((session, segments)),
            }
        }
    }
    Ok(groups)
}

/// What a baseline needs besides its own sessions.
struct Taught {
    /// What the agent's other tasks taught.
    others: Option<Others>,
    /// Which of its sessions is the agent's very first.
    first_run: Option<usize>,
    /// What its user allowed it, if only for a time.
    allowed: Vec<Allowed>,
    /// What its user allowed it once.
    taken_back: Vec<Allowed>,
}

fn train_one(
    reader: &Reader,
    (agent, task): &Key,
    group: &Group<'_>,
    Taught { others, first_run, allowed, taken_back }: Taught,
    options: Options,
    progress: &mut dyn FnMut(trainer::Progress),
) -> Result<Trained, Error> {
    let used: Vec<i64> = group.usable.iter().map(|(session, _)| session.id.0).collect();
    tracing::debug!(
        agent = agent.as_str(),
        task = task.as_str(),
        used = used.len(),
        left_out = group.left_out.len(),
        "training"
    );
    let baseline = trainer::train(
        &Recorded::new(reader, group.usable.clone()).without(taken_back),
        trainer::Options {
            agent: agent.clone(),
            task: task.clone(),
            trained_at_unix_ns: options.now_unix_ns,
            tier: Tier::common(group.usable.iter().map(|(session, _)| session.meta.tier)),
            provenance: Provenance { used: used.clone(), left_out: group.left_out.clone() },
            seed: options.seed,
            others,
            first_run,
            allowed,
        },
        progress,
    )?;
    let smallest_provable = baseline.smallest_provable();
    let left_out = group.left_out.clone();
    Ok(Trained { baseline, used, calibrated: Vec::new(), left_out, smallest_provable })
}

/// Calibrates with the sessions that are set aside for it, where there are enough.
fn calibrate(reader: &Reader, mut trained: Trained, group: Option<&Group<'_>>) -> Result<Trained, Error> {
    let Some(group) = group else { return Ok(trained) };
    trained.left_out.extend(group.left_out.iter().cloned());
    let sessions = group.usable.iter().map(|(session, _)| session.id.0);
    if trainer::calibrate_with(&mut trained.baseline, &Recorded::new(reader, group.usable.clone()))? {
        trained.calibrated = sessions.collect();
        trained.smallest_provable = trained.baseline.smallest_provable();
    } else {
        let why = format!("it was set aside to calibrate, which takes {SESSIONS_MIN} sessions");
        trained.left_out.extend(sessions.map(|session| (session, why.clone())));
    }
    Ok(trained)
}
