//! The models of an agent and a task, which the channels read.

use crate::cluster::Clusters;
use crate::ngram::Ngram;
use crate::novelty::Novelty;
use crate::volume::Volume;
use serde::{Deserialize, Serialize};

/// Longest n-gram over the tokens of a thread.
pub const TOKEN_ORDER: usize = 6;
/// Longest n-gram over a session's actions.
pub const ACTION_ORDER: usize = 3;
/// Longest n-gram over the raw system calls of a thread.
pub const SYSCALL_ORDER: usize = 6;
/// Longest n-gram of a background: what it adds is what else there is, not in which order it comes.
pub const BACKGROUND_ORDER: usize = 3;

/// Sequence models of something broader than the task: the agent's other tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Background {
    /// Tokens, per thread.
    pub tokens: Ngram,
    /// Actions, per session.
    pub actions: Ngram,
    /// Raw system calls, per thread.
    pub syscalls: Ngram,
}

impl Default for Background {
    fn default() -> Self {
        let [tokens, actions, syscalls] = [BACKGROUND_ORDER; 3].map(Ngram::new);
        Self { tokens, actions, syscalls }
    }
}

impl Background {
    /// Adds another one.
    pub fn merge(&mut self, other: &Background) {
        self.tokens.merge(&other.tokens);
        self.actions.merge(&other.actions);
        self.syscalls.merge(&other.syscalls);
    }

    /// The same in the one form that does not depend on the order of what was added: see [`Ngram::settled`].
    pub(crate) fn settled(&self) -> Self {
        let [tokens, actions, syscalls] = [&self.tokens, &self.actions, &self.syscalls].map(Ngram::settled);
        Self { tokens, actions, syscalls }
    }

    /// Takes away what another one, which was added, had taught.
    pub(crate) fn subtract(&mut self, other: &Background) {
        self.tokens.subtract(&other.tokens);
        self.actions.subtract(&other.actions);
        self.syscalls.subtract(&other.syscalls);
    }
}

/// Everything that was learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Models {
    /// Tokens, per thread.
    pub tokens: Ngram,
    /// Actions, per session.
    pub actions: Ngram,
    /// Raw system calls, per thread; empty where they were not recorded.
    pub syscalls: Ngram,
    /// Places.
    pub novelty: Novelty,
    /// Counts.
    pub volume: Volume,
    /// Kinds of windows; one set of clusters for each task that was merged.
    pub clusters: Vec<Clusters>,
    /// What the sequence models lean on where they know nothing.
    pub background: Option<Background>,
}

impl Default for Models {
    fn default() -> Self {
        Self {
            tokens: Ngram::new(TOKEN_ORDER),
            actions: Ngram::new(ACTION_ORDER),
            syscalls: Ngram::new(SYSCALL_ORDER),
            novelty: Novelty::default(),
            volume: Volume::default(),
            clusters: Vec::new(),
            background: None,
        }
    }
}

impl Models {
    /// Adds what `other` learned, as from further sessions.
    pub fn merge(&mut self, other: &Models) {
        self.tokens.merge(&other.tokens);
        self.actions.merge(&other.actions);
        self.syscalls.merge(&other.syscalls);
        self.novelty.merge(&other.novelty);
        self.volume.merge(&other.volume);
        self.clusters.extend(other.clusters.iter().cloned());
    }

    pub(crate) fn is_sound(&self) -> bool {
        let ngrams = |tokens: &Ngram, actions: &Ngram, syscalls: &Ngram| {
            tokens.is_sound() && actions.is_sound() && syscalls.is_sound()
        };
        ngrams(&self.tokens, &self.actions, &self.syscalls)
            && self.background.as_ref().is_none_or(|b| ngrams(&b.tokens, &b.actions, &b.syscalls))
    }
}
