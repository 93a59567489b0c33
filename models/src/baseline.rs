//! A baseline: what one agent normally does for one task, with what it rests on.

use crate::allowed::Allowed;
use crate::calibration::Calibration;
use crate::error::Error;
use crate::learned::Models;
use crate::limits::SESSIONS_MIN;
use crate::trial::Trial;
use event::{AgentName, Tasks, Tier};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where a baseline comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Sessions of the store that it was trained on.
    pub used: Vec<i64>,
    /// Sessions that were left out, and why.
    pub left_out: Vec<(i64, String)>,
}

/// The trained model of one (agent, task).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// The agent.
    pub agent: AgentName,
    /// The task; several for a union.
    pub task: Tasks,
    /// Sessions (or segments) that taught it.
    pub sessions: usize,
    /// Events that taught it.
    pub tokens: u64,
    /// Raw system calls that taught it.
    pub syscalls: u64,
    /// Distinct workspaces in which they worked.
    pub workspaces: usize,
    /// When it was trained, ns since 1970.
    pub trained_at_unix_ns: i64,
    /// What the kernel could do that recorded its sessions.
    pub tier: Tier,
    /// Where it comes from.
    pub provenance: Provenance,
    /// How events were read: see [`event::vocabulary_hash`].
    pub vocabulary: [u8; 32],
    /// Training did not come to its end, or lacks sessions: it may be looked at, and arms nothing.
    pub partial: bool,
    /// What was learned.
    pub models: Arc<Models>,
    /// From held-out sessions.
    pub calibration: Calibration,
    /// What it would have refused sessions that it did not know.
    pub trial: Trial,
}

/// What a baseline does to a session that is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It only watches: it says what it would refuse.
    Shadow,
    /// It refuses.
    Enforcing,
}

impl State {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            State::Shadow => "shadow",
            State::Enforcing => "enforcing",
        }
    }
}

impl Baseline {
    /// Whether it may be enforced.
    pub fn check(&self) -> Result<(), Error> {
        let (agent, task) = (self.agent.clone(), self.task.clone());
        if self.partial {
            Err(Error::Partial(agent, task))
        } else if self.vocabulary != event::vocabulary_hash() {
            Err(Error::Outdated(agent, task))
        } else if self.sessions < SESSIONS_MIN {
            Err(Error::RestsOnFew { agent, task, sessions: self.sessions })
        } else {
            Ok(())
        }
    }

    /// What it does unless it is forced: one that would have refused too many sessions that it did not know only watches.
    pub fn state(&self) -> State {
        if self.trial.is_passed() { State::Enforcing } else { State::Shadow }
    }

    /// Opens what a person allowed, whatever its sessions say.
    pub fn allow(&mut self, allowed: impl IntoIterator<Item = Allowed>) {
        Arc::make_mut(&mut self.models).novelty.allow(allowed);
    }

    /// The smallest p that its held-out sessions prove: false alarms below it are extrapolated.
    pub fn smallest_provable(&self) -> f64 {
        self.calibration.smallest_provable()
    }

    /// One baseline out of several of an agent, for a task that is not known: what was normal for any of them is normal. `None` of
    /// none. Calibration is pooled: each task's held-out sessions were scored by a narrower model, so that the pooled
    /// p-values err on the side of no alarm.
    pub fn union(baselines: &[&Baseline]) -> Option<Baseline> {
        let (first, rest) = baselines.split_first()?;
        let mut union = (*first).clone();
        let mut models = (*first.models).clone();
        for baseline in rest {
            models.merge(&baseline.models);
            union.calibration.merge(&baseline.calibration);
            union.trial.merge(&baseline.trial);
            union.task = union.task.and(&baseline.task);
            union.sessions += baseline.sessions;
            union.tokens += baseline.tokens;
            union.syscalls += baseline.syscalls;
            union.workspaces = union.workspaces.max(baseline.workspaces);
            union.trained_at_unix_ns = union.trained_at_unix_ns.max(baseline.trained_at_unix_ns);
            union.provenance.used.extend(&baseline.provenance.used);
            union.provenance.left_out.extend(baseline.provenance.left_out.iter().cloned());
            union.partial |= baseline.partial || union.vocabulary != baseline.vocabulary;
            union.tier = Tier::common([union.tier, baseline.tier]);
        }
        models.background = None;
        union.models = Arc::new(models);
        Some(union)
    }
}
