//! The channels of a session as they run. The same code runs while calibrating and while scoring.
//!
//! Sustained surprise at several time scales tells far more than any single event does. A running mean is one from half
//! a half-life on, and rises to it from zero before: a session is not suspect because it has just begun, and a short one
//! is not taken for normal because it ended soon.

use crate::block::Block;
use crate::channel::{ACTIONS, CHANNELS, CLUSTER, NOVELTY, RUNNING, SEQUENCE, SYSCALLS, VOLUME};
use crate::group::Group;
use crate::learned::Models;
use crate::mean::Mean;
use crate::ngram::History;
use crate::surprise::{Surprises, surprise};
use crate::thread::Threads;
use crate::volume::{Recall, Tally};
use crate::window::Window;
use event::{Place, Step, Token};
use rustc_hash::{FxHashMap, FxHashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Half-lives of the running means over a thread's events: a command, and a tool call with its commands.
const SEQUENCE_HALF_LIVES: [f64; 2] = [8.0, 64.0];
/// The same over raw system calls, of which an event has some twenty.
const SYSCALL_HALF_LIVES: [f64; 2] = [64.0, 1024.0];
/// The same over the session's actions.
const ACTION_HALF_LIFE: f64 = 16.0;
/// Half-life of the sum of novelty, in actions.
const NOVELTY_HALF_LIFE: f64 = 64.0;

/// What a first touch costs every day: nothing is added up to here, in bits.
const EVERYDAY_BITS: f64 = 4.0;

/// Places that are remembered as touched. Past it every touch counts as a first one again.
const TOUCHED_MAX: usize = 1 << 20;

/// What an action brought about, for explanations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effect {
    /// The step was an action.
    pub action: bool,
    /// Surprise of the token in its thread, bits, and the longest known n-gram that ends in it.
    pub token: Option<(Token, f64, usize)>,
    /// Costs of the first touches among [`Step::touches`], in that order, bits.
    pub touches: [Option<f64>; 2],
    /// What it counted for.
    pub group: Option<Group>,
    /// The block that the action before it was the last of.
    pub ended: Option<Block>,
}

/// The channels of one session.
#[derive(Clone, Debug)]
pub struct Channels {
    models: Arc<Models>,
    threads: Threads,
    actions: History,
    touched: FxHashSet<u64>,
    fresh_below: FxHashMap<usize, u32>,
    tally: Tally,
    recall: Recall,
    window: Window,
    /// Highest values since the last action.
    peaks: [f64; CHANNELS.len()],
    values: [f64; CHANNELS.len()],
    block: Block,
    action_bits: Mean,
    surprises: Surprises,
    surprising_actions: Surprises,
}

impl Channels {
    /// For one session, under these models.
    pub fn new(models: Arc<Models>) -> Self {
        Self {
            models,
            threads: Threads::default(),
            actions: History::default(),
            touched: FxHashSet::default(),
            fresh_below: FxHashMap::default(),
            tally: Tally::default(),
            recall: Recall::default(),
            window: Window::default(),
            peaks: [0.0; CHANNELS.len()],
            values: [0.0; CHANNELS.len()],
            block: Block::default(),
            action_bits: Mean::default(),
            surprises: Surprises::default(),
            surprising_actions: Surprises::default(),
        }
    }

    /// The same under other models from now on.
    pub fn go_on_under(&mut self, models: Arc<Models>) {
        self.models = models;
        self.recall = Recall::default();
    }

    /// What they say in the block that the session is in.
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// The same with what came after the last action.
    pub fn standing(&self) -> Block {
        let mut values = self.values;
        for at in RUNNING {
            values[at] = values[at].max(self.peaks[at]);
        }
        let mut block = self.block.clone();
        block.raise(&values);
        block
    }

    /// The counts of the session.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Takes in a step. Values change with actions only.
    pub fn push(&mut self, step: &Step) -> Effect {
        let mut effect = Effect { action: step.action, ..Effect::default() };
        self.sequence(step, &mut effect);
        for (touch, bits) in step.touches().zip(&mut effect.touches) {
            *bits = self.is_first_touch(touch.place).then(|| self.touch(touch.place));
        }
        let first = step.place.is_some() && effect.touches[0].is_some();
        if let Some(child) = step.child {
            self.threads.fork(step.tid, child);
        }
        if step.ended {
            self.threads.end(step.tid);
        }
        if step.action {
            self.act(step, first, &mut effect);
        }
        effect
    }

    fn sequence(&mut self, step: &Step, effect: &mut Effect) {
        let models = &self.models;
        let thread = self.threads.get(step.tid);
        let symbol = step.token.0;
        let bits =
            surprise(&models.tokens, models.background.as_ref().map(|b| &b.tokens), &thread.tokens, symbol);
        effect.token = Some((step.token, bits, models.tokens.seen_order(&thread.tokens, symbol)));
        let bits = self.surprises.again(symbol, bits);
        for (scale, half_life) in SEQUENCE_HALF_LIVES.iter().enumerate() {
            let mean = thread.token_bits[scale].push(bits, *half_life);
            let peak = &mut self.peaks[SEQUENCE + scale];
            *peak = peak.max(mean);
        }
        thread.tokens.push(symbol);
    }

    fn act(&mut self, step: &Step, first: bool, effect: &mut Effect) {
        let models = &self.models;
        let symbol = step.token.0;
        let bits =
            surprise(&models.actions, models.background.as_ref().map(|b| &b.actions), &self.actions, symbol);
        self.actions.push(symbol);
        let bits = self.surprising_actions.again(symbol, bits);
        self.values[ACTIONS] = self.action_bits.push(bits, ACTION_HALF_LIFE);
        self.values[NOVELTY] *= (-1.0 / NOVELTY_HALF_LIFE).exp2();
        self.values[NOVELTY] += std::mem::take(&mut self.peaks[NOVELTY]);
        for at in RUNNING {
            self.values[at] = std::mem::take(&mut self.peaks[at]);
        }
        effect.group = self.tally.push(step, first);
        self.window.push(step, first);
        self.values[VOLUME] = self.models.volume.recalled(&self.tally, &mut self.recall).0;
        if !self.models.clusters.is_empty()
            && let Some(features) = self.window.features()
        {
            let distances = self.models.clusters.iter().map(|clusters| clusters.distance(features));
            self.values[CLUSTER] = distances.fold(f64::INFINITY, f64::min);
        }
        effect.ended = self.block.push(&self.values);
    }

    fn is_first_touch(&mut self, place: &Place) -> bool {
        if self.touched.len() >= TOUCHED_MAX {
            self.touched.clear();
        }
        let mut hasher = DefaultHasher::new();
        place.hash(&mut hasher);
        self.touched.insert(hasher.finish())
    }

    /// Adds the cost of a first touch. The k-th one below the same node counts for a k-th: what leads to one place
    /// leads to its neighbours.
    fn touch(&mut self, place: &Place) -> f64 {
        let bits = self.models.novelty.first_touch_bits(place);
        if bits > EVERYDAY_BITS {
            let times = self.fresh_below.entry(self.models.novelty.nearest(place)).or_insert(0);
            *times += 1;
            self.peaks[NOVELTY] += (bits - EVERYDAY_BITS) / f64::from(*times);
        }
        bits
    }

    /// Takes in a raw system call of a session that runs.
    pub fn push_syscall(&mut self, tid: u32, number: u32, ret: i64) {
        if self.models.syscalls.observations() > 0
            && let Some(symbol) = self.threads.get(tid).tells(number, ret)
        {
            self.push_call(tid, symbol);
        }
    }

    /// Takes in a raw system call of a trace as it was written down.
    pub fn push_call(&mut self, tid: u32, symbol: u32) {
        if self.models.syscalls.observations() == 0 {
            return;
        }
        let models = &self.models;
        let thread = self.threads.get(tid);
        let background = models.background.as_ref().map(|b| &b.syscalls);
        let bits = surprise(&models.syscalls, background, &thread.syscalls, symbol);
        for (scale, half_life) in SYSCALL_HALF_LIVES.iter().enumerate() {
            let mean = thread.syscall_bits[scale].push(bits, *half_life);
            let peak = &mut self.peaks[SYSCALLS + scale];
            *peak = peak.max(mean);
        }
        thread.syscalls.push(symbol);
    }

    /// Records are missing here.
    pub fn interrupt(&mut self) {
        self.threads.interrupt();
        self.actions = History::default();
    }
}
