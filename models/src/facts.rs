//! The contribution of one session, kept apart so that it can be removed.
#![expect(clippy::indexing_slicing, reason = "a place has names")]

use crate::corpus::{Corpus, Item};
use crate::group::Group;
use crate::learned::{ACTION_ORDER, BACKGROUND_ORDER, Background, SYSCALL_ORDER, TOKEN_ORDER};
use crate::ngram::{History, Ngram};
use crate::novelty::is_of_the_agent;
use crate::thread::{Thread, Threads};
use crate::volume::{Sample, Tally};
use crate::window::{Features, WINDOW_STRIDE, Window};
use event::{Op, Place, Step, Tier};
use std::collections::BTreeSet;

/// Distinct places of one session that are learned; past it they stay novel.
const PLACES_MAX: usize = 1 << 17;

/// What one session taught.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub tokens: Ngram,
    pub actions: Ngram,
    pub syscalls: Ngram,
    pub places: BTreeSet<Place>,
    /// Places that a compiled baseline would have been asked about.
    pub asked: BTreeSet<Place>,
    /// The same of the first program that was started.
    pub start: BTreeSet<Place>,
    pub sample: Sample,
    pub windows: Vec<Features>,
    pub workspace: u64,
}

/// Reads a session.
struct Learner {
    tokens: Ngram,
    actions: Ngram,
    syscalls: Ngram,
    threads: Threads<Thread>,
    history: History,
    places: BTreeSet<Place>,
    touched: BTreeSet<Place>,
    tally: Tally,
    window: Window,
    windows: Vec<Features>,
    action_count: u64,
}

impl Facts {
    /// `tier`: in which a baseline of it would be asked.
    pub fn read<C: Corpus>(corpus: &C, session: usize, tier: Tier) -> Result<Facts, C::Error> {
        let mut learner = Learner::new(TOKEN_ORDER, ACTION_ORDER, SYSCALL_ORDER);
        let (mut asked, mut start) = (BTreeSet::new(), BTreeSet::new());
        corpus.replay(session, &mut |item| {
            if let Item::Step(step) = item
                && asked.len() < PLACES_MAX
            {
                if start.is_empty() && step.token.op() == Some(Op::Exec) {
                    start.extend(step.asked(tier).cloned());
                }
                asked.extend(step.asked(tier).cloned());
            }
            learner.take(item);
        })?;
        Ok(Facts {
            tokens: learner.tokens,
            actions: learner.actions,
            syscalls: learner.syscalls,
            places: learner.places,
            asked,
            start,
            sample: learner.tally.sample(),
            windows: learner.windows,
            workspace: corpus.workspace(session),
        })
    }
}

/// What a session teaches the agent's other tasks: short n-grams, and the places of files outside the workspace.
pub(crate) fn for_others<C: Corpus>(
    corpus: &C,
    session: usize,
) -> Result<(Background, BTreeSet<Place>), C::Error> {
    let mut learner = Learner::new(BACKGROUND_ORDER, BACKGROUND_ORDER, BACKGROUND_ORDER);
    corpus.replay(session, &mut |item| learner.take(item))?;
    let Learner { tokens, actions, syscalls, mut places, .. } = learner;
    places.retain(|place| is_of_the_agent(place.reach) && place.components[0] != "$workspace");
    Ok((Background { tokens, actions, syscalls }, places))
}

impl Learner {
    fn new(tokens: usize, actions: usize, syscalls: usize) -> Self {
        Learner {
            tokens: Ngram::new(tokens),
            actions: Ngram::new(actions),
            syscalls: Ngram::new(syscalls),
            threads: Threads::default(),
            history: History::default(),
            places: BTreeSet::new(),
            touched: BTreeSet::new(),
            tally: Tally::default(),
            window: Window::default(),
            windows: Vec::new(),
            action_count: 0,
        }
    }

    fn take(&mut self, item: Item<'_>) {
        match item {
            Item::Step(step) => self.step(step),
            Item::Syscall { tid, number, ret } => {
                if let Some(symbol) = self.threads.get(tid).tells(number, ret) {
                    self.call(tid, symbol);
                }
            }
            Item::Call { tid, symbol } => self.call(tid, symbol),
            Item::Loss(_) => {
                self.threads.each(Thread::interrupt);
                self.history = History::default();
            }
        }
    }

    fn call(&mut self, tid: u32, symbol: u32) {
        let thread = self.threads.get(tid);
        self.syscalls.learn(&thread.syscalls, symbol);
        thread.syscalls.push(symbol);
    }

    fn step(&mut self, step: &Step) {
        let symbol = step.token.0;
        let thread = self.threads.get(step.tid);
        self.tokens.learn(&thread.tokens, symbol);
        thread.tokens.push(symbol);
        if let Some(child) = step.child {
            self.threads.fork(step.tid, child);
        }
        if step.ended {
            self.threads.end(step.tid);
        }
        let first = self.touch(step);
        if step.action {
            self.actions.learn(&self.history, symbol);
            self.history.push(symbol);
            self.tally.push(Group::of(step, first));
            self.window.push(step, first);
            self.action_count += 1;
            if self.action_count.is_multiple_of(WINDOW_STRIDE as u64) {
                self.windows.extend(self.window.features().cloned());
            }
        }
    }

    /// Learns the places that the step teaches. Whether it reached for its own for the first time.
    fn touch(&mut self, step: &Step) -> bool {
        for place in step.taught() {
            if self.places.len() < PLACES_MAX {
                self.places.insert(place.clone());
            }
        }
        let Some(place) = &step.place else { return false };
        self.touched.len() < PLACES_MAX && self.touched.insert(place.clone())
    }
}
