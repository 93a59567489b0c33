//! Facts about a step that several channels need, computed once.

use crate::group::Group;
use crate::learned::Models;
use crate::ngram::{History, Ngram};
use crate::recent::TELLING_BITS;
use crate::surprise::{Surprises, surprise};
use crate::thread::{Thread, Threads};
use event::{Place, Step, Token};
use rustc_hash::FxHashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Places that are remembered as touched. Past it every touch counts as a first one again.
const TOUCHED_MAX: usize = 1 << 20;

/// A step, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'s> {
    pub step: &'s Step,
    /// Surprise of its token in its thread, where it is worth telling.
    pub surprising: Option<Surprising>,
    /// The same in bits, less with every time that it surprises again.
    pub bits: f64,
    /// Costs of the first touches among [`Step::touches`], in that order, bits.
    pub touches: [Option<f64>; 2],
    /// It reached for its own place for the first time.
    pub first: bool,
    /// What it counts for, if it is an action.
    pub group: Option<Group>,
}

/// A token that surprised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Surprising {
    token: Token,
    pub bits: f64,
    /// The longest known n-gram that ends in it.
    order: usize,
    before: Option<Token>,
}

impl Surprising {
    /// A token after a history.
    pub fn of(token: Token, bits: f64, model: &Ngram, history: &History) -> Self {
        let before = history.recent().first().map(|&symbol| Token(symbol));
        Self { token, bits, order: model.seen_order(history, token.0), before }
    }

    /// In a sentence, with what the model has counted.
    pub fn words(&self, model: &Ngram) -> String {
        let token = self.token.describe();
        match (model.count(self.token.0), self.before) {
            (0, _) => format!("`{token}` was never seen while training"),
            (seen, Some(before)) => {
                let after = if self.order < 2 { "never" } else { "seldom" };
                let before = before.describe();
                format!("`{token}` was seen {seen} times while training, and {after} after `{before}`")
            }
            (seen, None) => {
                format!("`{token}` was seen {seen} times while training, and seldom at the beginning")
            }
        }
    }
}

/// A raw system call of a thread, and how surprising it is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub tid: u32,
    pub symbol: u32,
    pub bits: f64,
}

/// Reads one session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader {
    threads: Threads<Thread>,
    touched: FxHashSet<u64>,
    surprises: Surprises,
}

impl Reader {
    /// Reads a step.
    pub fn step<'s>(&mut self, step: &'s Step, models: &Models) -> Seen<'s> {
        let (surprising, bits) = self.token(step, models);
        let mut touches = [None; 2];
        for (touch, bits) in step.touches().zip(&mut touches) {
            *bits = self.is_first(touch.place).then(|| models.novelty.first_touch_bits(touch.place));
        }
        let first = step.place.is_some() && touches[0].is_some();
        if let Some(child) = step.child {
            self.threads.fork(step.tid, child);
        }
        if step.ended {
            self.threads.end(step.tid);
        }
        let group = step.action.then(|| Group::of(step, first)).flatten();
        Seen { step, surprising, bits, touches, first, group }
    }

    fn token(&mut self, step: &Step, models: &Models) -> (Option<Surprising>, f64) {
        let history = &mut self.threads.get(step.tid).tokens;
        let broader = models.background.as_ref().map(|background| &background.tokens);
        let bits = surprise(&models.tokens, broader, history, step.token.0);
        let telling = bits >= TELLING_BITS;
        let surprising = telling.then(|| Surprising::of(step.token, bits, &models.tokens, history));
        history.push(step.token.0);
        (surprising, self.surprises.again(step.token.0, bits))
    }

    fn is_first(&mut self, place: &Place) -> bool {
        if self.touched.len() >= TOUCHED_MAX {
            self.touched.clear();
        }
        // What a session names must not be easily made to look like what it named before. Nothing of it is stored, so that no
        // other build ever reads it.
        let mut hasher = DefaultHasher::new();
        place.hash(&mut hasher);
        self.touched.insert(hasher.finish())
    }

    /// Reads a raw system call of a session that runs.
    pub fn syscall(&mut self, tid: u32, number: u32, ret: i64, models: &Models) -> Option<Call> {
        if models.syscalls.observations() == 0 {
            return None;
        }
        let symbol = self.threads.get(tid).tells(number, ret)?;
        self.call(tid, symbol, models)
    }

    /// Reads a raw system call of a trace as it was written down.
    pub fn call(&mut self, tid: u32, symbol: u32, models: &Models) -> Option<Call> {
        if models.syscalls.observations() == 0 {
            return None;
        }
        let history = &mut self.threads.get(tid).syscalls;
        let broader = models.background.as_ref().map(|background| &background.syscalls);
        let bits = surprise(&models.syscalls, broader, history, symbol);
        history.push(symbol);
        Some(Call { tid, symbol, bits })
    }

    /// Records are missing here.
    pub fn interrupt(&mut self) {
        self.threads.each(Thread::interrupt);
    }
}
