//! The runs of a corpus with their traces, and what is for what.

use super::steps::{Steps, Told};
use crate::Error;
use crate::trace::{Names, Trace};
use datasets::corpus::{Corpus, Kind, Mode, Run, Split};
use event::{AgentName, TaskName};
use rayon::prelude::*;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use store::{Reader, SessionId};

/// A run and its trace.
#[derive(Clone, Debug)]
pub struct Item {
    /// What it was.
    pub run: Run,
    /// What was recorded of it.
    pub trace: Trace,
    /// Sessions with the same label say less than as many independent ones: drawn from one script, or copies.
    pub cluster: String,
}

impl Item {
    /// It has an attack in it.
    pub fn is_attack(&self) -> bool {
        matches!(self.run.kind, Kind::Attack { .. })
    }

    /// Scenario and variant of its attack.
    pub fn attack(&self) -> Option<(&str, &'static str)> {
        match &self.run.kind {
            Kind::Clean => None,
            Kind::Attack { scenario, variant } => Some((scenario, variant.name())),
        }
    }

    /// From where on what it does counts: the onset, or the beginning of clean work. An attack that never began has no
    /// such place.
    pub fn counts_from_ns(&self) -> u64 {
        if self.is_attack() { self.run.onset_ns.unwrap_or(u64::MAX) } else { 0 }
    }

    /// The observer saw harm.
    pub fn harm(&self) -> bool {
        let seen = &self.run.observed;
        self.is_attack()
            && (self.run.impact_ns.is_some()
                || seen.succeeded
                || seen.secret_bytes_read > 0
                || seen.bytes_sent > 0
                || !seen.changes.is_empty())
    }

    /// The recording is there whole, and an attack in it began.
    pub fn counts(&self) -> bool {
        self.trace.events > 0 && (!self.is_attack() || self.run.onset_ns.is_some())
    }
}

/// Agent and task.
pub type Key = (String, String);

/// What is for what, by position in [`Data::items`].
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Recorded clean sessions that teach.
    pub train: Vec<usize>,
    /// Recorded clean sessions that set the scale.
    pub calibrate: Vec<usize>,
    /// Recorded clean sessions that are held out.
    pub clean: Vec<usize>,
    /// Such sessions with a version of the agent that taught nothing.
    pub upgraded: Vec<usize>,
    /// Recorded attacks.
    pub attacks: Vec<usize>,
    /// Live sessions, clean or not.
    pub live: Vec<usize>,
    /// Live attacks that never began: all that was said in them was a false alarm, and may be why.
    pub unbegun: Vec<usize>,
}

/// The error of corpora that do not belong together.
pub fn apart(first: &Corpus, other: &Corpus, why: String) -> Error {
    Error::Apart { first: first.path().to_owned(), other: other.path().to_owned(), why }
}

/// A corpus in memory.
#[derive(Clone, Debug, Default)]
pub struct Data {
    /// Every run, by id.
    pub items: Vec<Item>,
    /// By agent and task.
    pub groups: BTreeMap<Key, Group>,
    /// Of everything that was read.
    pub hash: String,
}

impl Data {
    /// Reads a corpus, of one part or of several.
    pub fn read(parts: &[Corpus], told: Told<'_>) -> Result<Data, Error> {
        let mut runs = Vec::new();
        for part in parts {
            runs.extend(part.runs()?.into_iter().map(|run| (run, part)));
        }
        for (Run { id, agent, task, .. }, _) in &runs {
            let named = agent.parse::<AgentName>().and(task.parse::<TaskName>().map(drop));
            named.map_err(|error| Error::Name { run: id.clone(), error })?;
        }
        runs.sort_by(|a, b| a.0.id.cmp(&b.0.id));
        if let Some(twice) = runs.windows(2).find(|pair| pair[0].0.id == pair[1].0.id) {
            let why = format!("both have the run {}", twice[0].0.id);
            return Err(apart(twice[0].1, twice[1].1, why));
        }
        let names = Names::default();
        let steps = Steps::begin(told, "reading recordings", runs.len());
        let read = |readers: &mut HashMap<PathBuf, Reader>, (run, part): (&Run, &Corpus)| {
            let reader = match readers.entry(part.store()) {
                Entry::Occupied(open) => open.into_mut(),
                Entry::Vacant(place) => place.insert(Reader::open(part.store())?),
            };
            let session = match reader.session(SessionId(run.session)) {
                Err(store::Error::NoSession { .. }) => {
                    return Err(Error::NoSession { run: run.id.clone(), session: run.session });
                }
                session => session?,
            };
            let trace = Trace::read(reader, &session, &names)?;
            steps.step();
            Ok(trace)
        };
        // A connection to SQLite is one thread's.
        let traces: Vec<Trace> = runs
            .par_iter()
            .map_init(HashMap::new, |readers, (run, part)| read(readers, (run, part)))
            .collect::<Result<_, Error>>()?;
        let (mut items, mut hasher) = (Vec::with_capacity(runs.len()), blake3::Hasher::new());
        let mut labels = BTreeMap::new();
        for ((run, _), trace) in runs.into_iter().zip(traces) {
            hasher.update(run.id.as_bytes());
            hasher.update(
                &serde_json::to_vec(&(&run.observed, run.onset_ns, run.impact_ns)).unwrap_or_default(),
            );
            hasher.update(&trace.digest);
            let script = format!("{}/{}/{}", run.agent, run.task, run.seed);
            let cluster = labels.entry(trace.shape).or_insert(script).clone();
            items.push(Item { run, trace, cluster });
        }
        Ok(Data::of(items, hasher.finalize().to_hex().to_string()))
    }

    /// Sorts runs into groups. A clean session that must not train does not calibrate either.
    pub fn of(items: Vec<Item>, hash: String) -> Data {
        let teaches = |item: &&Item| item.run.split == Split::Train;
        let version = |item: &Item| (item.run.agent.clone(), item.run.agent_version.clone());
        let taught: BTreeSet<(String, String)> = items.iter().filter(teaches).map(version).collect();
        let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
        for (at, item) in items.iter().enumerate() {
            let group = groups.entry((item.run.agent.clone(), item.run.task.clone())).or_default();
            let usable = item.trace.left_out.is_none();
            match (item.run.mode, item.is_attack(), item.run.split) {
                (Mode::Enforce, ..) if item.counts() => group.live.push(at),
                (Mode::Enforce, true, _) if item.trace.events > 0 => group.unbegun.push(at),
                (Mode::Record, true, _) if item.counts() => group.attacks.push(at),
                (Mode::Record, false, Split::Train) if usable => group.train.push(at),
                (Mode::Record, false, Split::Calibrate) if usable => group.calibrate.push(at),
                (Mode::Record, false, Split::Test) if item.counts() && taught.contains(&version(item)) => {
                    group.clean.push(at);
                }
                (Mode::Record, false, Split::Test) if item.counts() => group.upgraded.push(at),
                _ => {}
            }
        }
        Data { items, groups, hash }
    }

    /// Test sessions that are copies of another one, to the models.
    pub fn duplicates(&self) -> u64 {
        let tests = self.groups.values().flat_map(|group| group.clean.iter().chain(&group.attacks));
        let mut shapes: Vec<[u8; 32]> = tests.map(|&at| self.items[at].trace.shape).collect();
        let all = shapes.len();
        shapes.sort_unstable();
        shapes.dedup();
        (all - shapes.len()) as u64
    }
}
