//! The library: baselines as files, one directory a user.
//!
//! ```text
//! ROOT/baselines/AGENT/TASK.baseline   sealed, see models::format
//! ROOT/key                             32 random bytes, made with the first baseline
//! ROOT/answers                         what was answered to refusals: see answers.rs
//! ROOT/counters                        for each baseline the counter it was last saved with
//! ROOT/history, ROOT/former            how they came about: see history.rs
//! ```
//!
//! Everything is mode 0600 (directories 0700), owned by who saves, and replaced atomically. A baseline whose counter is
//! lower than the one noted was rolled back and is refused; who can put back both the baseline and `counters` is the
//! owner, and is not defended against.

pub(crate) mod answers;
pub(crate) mod history;
pub(crate) mod update;

use crate::Error;
use crate::file;
use event::{AgentName, Tasks};
use models::{Baseline, Expected, decode, encode};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Bytes of the counter file: some ten thousand baselines.
const COUNTERS_BYTES_MAX: usize = 1 << 20;

const SUFFIX: &str = "baseline";

/// A baseline in the library.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The agent.
    pub agent: AgentName,
    /// The task.
    pub task: Tasks,
    /// Its file.
    pub path: PathBuf,
}

/// Baselines of one user.
#[derive(Clone, Debug)]
pub struct Library {
    root: PathBuf,
    is_by_itself: bool,
}

impl Library {
    /// The library in this directory, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), is_by_itself: false }
    }

    /// The same, for who trains without being asked.
    #[must_use]
    pub fn by_itself(self) -> Self {
        Self { is_by_itself: true, ..self }
    }

    /// The file of a baseline, whether there is one or not.
    pub fn path(&self, agent: &AgentName, task: &Tasks) -> Result<PathBuf, Error> {
        if !task.is_short() {
            return Err(Error::Long(task.clone()));
        }
        Ok(self.baselines().join(agent.as_str()).join(format!("{task}.{SUFFIX}")))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    fn baselines(&self) -> PathBuf {
        self.root.join("baselines")
    }

    fn counters_path(&self) -> PathBuf {
        self.root.join("counters")
    }

    /// Every baseline, by agent and task. Files with other names are passed over.
    pub fn list(&self) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        for (agent, directory) in file::list(&self.baselines())? {
            let Ok(agent) = agent.parse::<AgentName>() else { continue };
            for (name, path) in file::list(&directory)? {
                let task = name.strip_suffix(SUFFIX).and_then(|rest| rest.strip_suffix('.'));
                if let Some(task) = task.and_then(|task| task.parse::<Tasks>().ok()).filter(Tasks::is_short) {
                    entries.push(Entry { agent: agent.clone(), task, path });
                }
            }
        }
        entries.sort();
        Ok(entries)
    }

    /// The baseline of an agent and a task.
    pub fn load(&self, agent: &AgentName, task: &Tasks) -> Result<Baseline, Error> {
        let path = self.path(agent, task)?;
        let Some(bytes) = file::read_private(&path, models::format::SIZE_MAX)? else {
            return Err(Error::Missing { agent: agent.clone(), task: task.clone(), path });
        };
        let key = self.key()?.ok_or_else(|| Error::Unsafe { path: self.key_path(), problem: "missing" })?;
        let counters = self.counters()?;
        let Some(&counter) = counters.get(&(agent.clone(), task.clone())) else {
            return Err(Error::Counter {
                path: self.counters_path(),
                problem: "without an entry for a baseline",
            });
        };
        let expected = Expected { counter, ..Expected::default() };
        let (baseline, _) =
            decode(&bytes, &key, expected).map_err(|error| Error::Format { path: path.clone(), error })?;
        if baseline.agent != *agent || baseline.task != *task {
            return Err(Error::Misplaced { path, agent: baseline.agent, task: baseline.task });
        }
        Ok(baseline)
    }

    /// What is normal for any task of an agent: for a task that has no baseline. `None` when the agent has none at all.
    pub fn union(&self, agent: &AgentName) -> Result<Option<Baseline>, Error> {
        let entries = self.list()?;
        let of_agent = entries.iter().filter(|entry| entry.agent == *agent);
        let baselines = of_agent
            .map(|entry| self.load(&entry.agent, &entry.task))
            .collect::<Result<Vec<Baseline>, Error>>()?;
        Ok(Baseline::union(&baselines.iter().collect::<Vec<&Baseline>>()))
    }

    /// Saves a baseline under its agent and task, in the place of an earlier one. Returns its file.
    pub fn save(&self, baseline: &Baseline) -> Result<PathBuf, Error> {
        let path = self.path(&baseline.agent, &baseline.task)?;
        let _lock = file::lock(&self.root)?;
        let key = match self.key()? {
            Some(key) => key,
            None => self.make_key()?,
        };
        let mut counters = self.counters()?;
        let counter = counters.values().max().map_or(Some(1), |last| last.checked_add(1));
        let Some(counter) = counter else {
            return Err(Error::Counter { path: self.counters_path(), problem: "at its end" });
        };
        let bytes =
            encode(baseline, &key, counter).map_err(|error| Error::Format { path: path.clone(), error })?;
        let former = file::read_private(&path, models::format::SIZE_MAX).unwrap_or_default();
        // The baseline first: a crash in between leaves one that is newer than noted, which is no roll-back.
        file::replace(&path, &bytes)?;
        counters.insert((baseline.agent.clone(), baseline.task.clone()), counter);
        self.write_counters(&counters)?;
        self.note_saved(baseline, former);
        Ok(path)
    }

    /// Removes a baseline, at a time in ns since 1970. Its counter stays noted.
    pub fn remove(&self, agent: &AgentName, task: &Tasks, now_unix_ns: i64) -> Result<(), Error> {
        let path = self.path(agent, task)?;
        let _lock = file::lock(&self.root)?;
        match std::fs::remove_file(&path) {
            Ok(()) => {
                self.note_removed(agent, task, now_unix_ns);
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::Missing { agent: agent.clone(), task: task.clone(), path })
            }
            Err(error) => Err(Error::Io { doing: "removing", path, error }),
        }
    }

    /// Reads a baseline from elsewhere without checking its seal: to show it, never to arm it. Adopt it with
    /// [`Library::save`] once a person has agreed.
    pub fn inspect(path: &Path) -> Result<Baseline, Error> {
        let bytes = file::read(path, models::format::SIZE_MAX)?;
        models::format::decode_foreign(&bytes).map_err(|error| Error::Format { path: path.to_owned(), error })
    }

    fn key_path(&self) -> PathBuf {
        self.root.join("key")
    }

    fn key(&self) -> Result<Option<[u8; 32]>, Error> {
        let path = self.key_path();
        let Some(bytes) = file::read_private(&path, 33)? else { return Ok(None) };
        let key = bytes.try_into().map_err(|_| Error::Unsafe { path, problem: "no key of 32 bytes" })?;
        Ok(Some(key))
    }

    fn make_key(&self) -> Result<[u8; 32], Error> {
        if !self.list()?.is_empty() {
            return Err(Error::Unsafe {
                path: self.key_path(),
                problem: "missing beside baselines that it sealed",
            });
        }
        let key = file::random()?;
        file::replace(&self.key_path(), &key)?;
        Ok(key)
    }

    /// The noted counters. Each line: the counter, the agent, the task.
    fn counters(&self) -> Result<BTreeMap<(AgentName, Tasks), u64>, Error> {
        let path = self.counters_path();
        let malformed = || Error::Counter { path: path.clone(), problem: "malformed" };
        let Some(bytes) = file::read_private(&path, COUNTERS_BYTES_MAX)? else {
            if self.list()?.is_empty() {
                return Ok(BTreeMap::new());
            }
            return Err(Error::Counter { path, problem: "missing" });
        };
        let text = String::from_utf8(bytes).map_err(|_| malformed())?;
        let mut counters = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.split(' ');
            let (Some(counter), Some(agent), Some(task), None) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                return Err(malformed());
            };
            let counter = counter.parse().map_err(|_| malformed())?;
            let agent = agent.parse().map_err(|_| malformed())?;
            counters.insert((agent, task.parse().map_err(|_| malformed())?), counter);
        }
        Ok(counters)
    }

    fn write_counters(&self, counters: &BTreeMap<(AgentName, Tasks), u64>) -> Result<(), Error> {
        let text: String =
            counters.iter().map(|((agent, task), counter)| format!("{counter} {agent} {task}\n")).collect();
        file::replace(&self.counters_path(), text.as_bytes())
    }
}
