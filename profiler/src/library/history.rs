//! How the baselines of a user came about: a revision for each that was made or removed, and the file that the last one took the
//! place of, to be looked at and never armed.
//!
//! ```text
//! ROOT/history                      the revisions, a list in MessagePack, replaced whole
//! ROOT/former/AGENT/TASK.baseline   the baseline before the present one
//! ```

use super::Library;
use crate::{Difference, Error, file};
use event::{AgentName, Tasks};
use models::{Baseline, State};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Bytes of the file.
const BYTES_MAX: usize = 4 << 20;

/// Steps that are kept, of all baselines together.
const REVISIONS_MAX: usize = 1024;

/// What became of a baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// There was none.
    Made,
    /// It took the place of an earlier one.
    Updated,
    /// It is there no more.
    Removed,
}

/// A revision, and the evidence for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// When, ns since 1970.
    pub at_unix_ns: i64,
    /// The agent.
    pub agent: AgentName,
    /// The task.
    pub task: Tasks,
    /// What became of it.
    pub became: Became,
    /// Nobody asked for it: sessions that ended had it trained.
    pub by_itself: bool,
    /// What it does unless it is forced; `None` where it was removed.
    pub state: Option<State>,
    /// Sessions that taught it.
    pub sessions: usize,
    /// Distinct workspaces of theirs.
    pub workspaces: usize,
    /// Sessions that were held out in turn.
    pub held_out: usize,
    /// Those of them to which it would have refused something.
    pub refused: usize,
    /// Places that it allows and the one before did not.
    pub added: usize,
    /// Places that the one before allowed and it does not.
    pub removed: usize,
}

impl Revision {
    /// Of a baseline that was saved; `became` says whether another one was there, `former` is that, if this build can read it.
    fn of(baseline: &Baseline, became: Became, former: Option<&Baseline>, by_itself: bool) -> Revision {
        let difference = former.map(|former| Difference::between(former, baseline)).unwrap_or_default();
        Revision {
            at_unix_ns: baseline.trained_at_unix_ns,
            agent: baseline.agent.clone(),
            task: baseline.task.clone(),
            became,
            by_itself,
            state: Some(baseline.state()),
            sessions: baseline.sessions,
            workspaces: baseline.workspaces,
            held_out: baseline.trial.sessions,
            refused: baseline.trial.refused,
            added: difference.added.len(),
            removed: difference.removed.len(),
        }
    }

    fn removed(agent: &AgentName, task: &Tasks, at_unix_ns: i64, by_itself: bool) -> Revision {
        Revision {
            at_unix_ns,
            agent: agent.clone(),
            task: task.clone(),
            became: Became::Removed,
            by_itself,
            state: None,
            sessions: 0,
            workspaces: 0,
            held_out: 0,
            refused: 0,
            added: 0,
            removed: 0,
        }
    }
}

impl Library {
    fn history_path(&self) -> PathBuf {
        self.root().join("history")
    }

    fn former_path(&self, agent: &AgentName, task: &Tasks) -> PathBuf {
        let file = format!("{task}.{}", super::SUFFIX);
        self.root().join("former").join(agent.as_str()).join(file)
    }

    /// The revisions, the oldest first.
    ///
    /// # Errors
    /// A file that is not private, too large, or no list of revisions.
    pub fn history(&self) -> Result<Vec<Revision>, Error> {
        let path = self.history_path();
        let Some(bytes) = file::read_private(&path, BYTES_MAX)? else { return Ok(Vec::new()) };
        rmp_serde::from_slice(&bytes).map_err(|_| Error::Unsafe { path, problem: "no list of revisions" })
    }

    /// The baseline that the present one took the place of; `None` where there was none that this build can read. Its seal is not
    /// checked: it is there to be looked at.
    ///
    /// # Errors
    /// A task whose name is too long for a file's.
    pub fn former(&self, agent: &AgentName, task: &Tasks) -> Result<Option<Baseline>, Error> {
        self.path(agent, task)?;
        let path = self.former_path(agent, task);
        Ok(if path.is_file() { Library::inspect(&path).ok() } else { None })
    }

    /// Notes that a baseline was saved in the place of another one, whose bytes are kept. The library is locked.
    pub(super) fn note_saved(&self, baseline: &Baseline, former: Option<Vec<u8>>) {
        let before = former.as_ref().and_then(|bytes| models::format::decode_foreign(bytes).ok());
        let became = if former.is_some() { Became::Updated } else { Became::Made };
        let kept = former.map_or(Ok(()), |bytes| {
            file::replace(&self.former_path(&baseline.agent, &baseline.task), &bytes)
        });
        let noted = kept.and(self.note(Revision::of(baseline, became, before.as_ref(), self.is_by_itself)));
        warn(noted);
    }

    /// Notes that a baseline was removed. The library is locked.
    pub(super) fn note_removed(&self, agent: &AgentName, task: &Tasks, at_unix_ns: i64) {
        warn(self.note(Revision::removed(agent, task, at_unix_ns, self.is_by_itself)));
    }

    /// Appends a revision. A list that cannot be read is begun anew: no baseline rests on it.
    fn note(&self, revision: Revision) -> Result<(), Error> {
        let mut revisions = self.history().unwrap_or_else(|error| {
            tracing::warn!(%error, "the history of the baselines begins anew");
            Vec::new()
        });
        revisions.push(revision);
        let first = revisions.len().saturating_sub(REVISIONS_MAX);
        let kept = revisions.get(first..).unwrap_or_default();
        let path = self.history_path();
        let bytes = rmp_serde::to_vec_named(kept)
            .map_err(|_| Error::Unsafe { path: path.clone(), problem: "not writable as a list" })?;
        file::replace(&path, &bytes)
    }
}

/// Says that the history lacks a revision: the baseline itself is whole.
fn warn(noted: Result<(), Error>) {
    if let Err(error) = noted {
        tracing::warn!(%error, "the history of the baselines lacks a revision");
    }
}
