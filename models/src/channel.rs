//! The channels: running values that say, one-sidedly, how unlike the baseline a session is. The same code runs while
//! calibrating and while scoring.
//!
//! | channel | value |
//! | --- | --- |
//! | `sequence`, `sequence-slow` | surprise of a thread's tokens, running mean, bits per event |
//! | `actions` | surprise of the session's action stream, running mean, bits per action |
//! | `syscalls`, `syscalls-slow` | surprise of a thread's raw system calls, running mean, bits per call |
//! | `novelty` | first touches, running sum of what each cost above the everyday, bits |
//! | `volume` | surprise of the session's counts, bits |
//! | `cluster` | distance of the last window to every known kind of window, spreads |
//!
//! Running means begin at zero: a session is not suspect because it has just begun. Sustained surprise at several time
//! scales tells far more than any single event does.

use crate::group::Group;
use crate::learned::Models;
use crate::ngram::{History, Ngram};
use crate::reading::Reading;
use crate::thread::Threads;
use crate::volume::Tally;
use crate::window::Window;
use event::{Place, Step, Token};
use rustc_hash::{FxHashMap, FxHashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// A channel's name, and how its values are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Channel {
    /// Its name, as users see it.
    pub name: &'static str,
    /// How its values are calibrated.
    pub reading: Reading,
    /// What it extrapolates is acted upon: it says what was done. In which order is another matter in every repository, so
    /// that past what held-out sessions prove a person is asked.
    pub acts: bool,
    /// What its reasons are.
    pub tells: Tells,
}

/// What the reasons of a channel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells {
    /// What was done.
    Steps,
    /// That system calls came in another order.
    Calls,
    /// Where it was done.
    Places,
    /// How often.
    Counts,
    /// That the whole of what was done lately is new.
    Windows,
}

const fn running(name: &'static str, unit: f64, acts: bool, tells: Tells) -> Channel {
    Channel { name, reading: Reading { cumulative: false, modelled: false, unit, tail: true }, acts, tells }
}

/// Every channel, in the order of [`Channels::values`]. The units are such that sessions that were all alike do not make
/// an alarm of one new tool call: some five events in a row that were never seen, or a hundred system calls in an order
/// that was never seen, are needed.
pub const CHANNELS: [Channel; 8] = [
    running("sequence", 0.8, false, Tells::Steps),
    running("sequence-slow", 0.35, false, Tells::Steps),
    running("actions", 0.7, false, Tells::Steps),
    running("syscalls", 0.6, false, Tells::Calls),
    running("syscalls-slow", 0.25, false, Tells::Calls),
    running("novelty", 4.0, true, Tells::Places),
    Channel {
        name: "volume",
        reading: Reading { cumulative: true, modelled: true, unit: 1.0, tail: true },
        acts: true,
        tells: Tells::Counts,
    },
    // A dozen sessions have not shown every kind of window: one that is far from all of them is no proof of anything.
    Channel {
        name: "cluster",
        reading: Reading { cumulative: false, modelled: false, unit: 0.25, tail: false },
        acts: true,
        tells: Tells::Windows,
    },
];

const SEQUENCE: usize = 0;
const ACTIONS: usize = 2;
const SYSCALLS: usize = 3;
const NOVELTY: usize = 5;
const VOLUME: usize = 6;
const CLUSTER: usize = 7;

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

/// What one symbol may add at most, in bits: a single symbol is no pattern, however rare.
const SYMBOL_BITS_MAX: f64 = 16.0;

/// A symbol that surprises by so many bits was hardly ever seen here.
const SURPRISING_BITS: f64 = 8.0;

/// Symbols whose surprises are counted: numbers of system calls are the session's to choose. Past it each one tells anew.
const SYMBOLS_MAX: usize = 1 << 14;

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
    window: Window,
    peaks: [f64; CHANNELS.len()],
    values: [f64; CHANNELS.len()],
    surprises: Surprises,
    surprising_actions: Surprises,
    surprising_calls: Surprises,
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
            window: Window::default(),
            peaks: [0.0; CHANNELS.len()],
            values: [0.0; CHANNELS.len()],
            surprises: Surprises::default(),
            surprising_actions: Surprises::default(),
            surprising_calls: Surprises::default(),
        }
    }

    /// The same under other models from now on.
    pub fn go_on_under(&mut self, models: Arc<Models>) {
        self.models = models;
    }

    /// The values after the last action, in the order of [`CHANNELS`].
    pub fn values(&self) -> &[f64; CHANNELS.len()] {
        &self.values
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
            run(&mut thread.token_bits[scale], bits, *half_life);
            let peak = &mut self.peaks[SEQUENCE + scale];
            *peak = peak.max(thread.token_bits[scale]);
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
        run(&mut self.values[ACTIONS], bits, ACTION_HALF_LIFE);
        self.values[NOVELTY] *= (-1.0 / NOVELTY_HALF_LIFE).exp2();
        self.values[NOVELTY] += std::mem::take(&mut self.peaks[NOVELTY]);
        for at in [SEQUENCE, SEQUENCE + 1, SYSCALLS, SYSCALLS + 1] {
            self.values[at] = std::mem::take(&mut self.peaks[at]);
        }
        effect.group = self.tally.push(step, first);
        self.window.push(step, first);
        self.values[VOLUME] = self.models.volume.surprise(&self.tally).0;
        if !self.models.clusters.is_empty()
            && let Some(features) = self.window.features()
        {
            let distances = self.models.clusters.iter().map(|clusters| clusters.distance(&features));
            self.values[CLUSTER] = distances.fold(f64::INFINITY, f64::min);
        }
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

    /// Takes in a raw system call.
    pub fn push_syscall(&mut self, tid: u32, number: u32, ret: i64) {
        if self.models.syscalls.observations() == 0 {
            return;
        }
        let models = &self.models;
        let thread = self.threads.get(tid);
        let Some(symbol) = thread.syscall(number, ret) else { return };
        let background = models.background.as_ref().map(|b| &b.syscalls);
        let bits = surprise(&models.syscalls, background, &thread.syscalls, symbol);
        let bits = self.surprising_calls.again(symbol, bits);
        for (scale, half_life) in SYSCALL_HALF_LIVES.iter().enumerate() {
            run(&mut thread.syscall_bits[scale], bits, *half_life);
            let peak = &mut self.peaks[SYSCALLS + scale];
            *peak = peak.max(thread.syscall_bits[scale]);
        }
        thread.syscalls.push(symbol);
    }

    /// Records are missing here.
    pub fn interrupt(&mut self) {
        self.threads.interrupt();
        self.actions = History::default();
    }
}

/// How often each symbol has surprised in this session. What a session does again and again it has told once: the k-th
/// surprise by the same symbol counts for a k-th, as the k-th new file of a directory does.
#[derive(Clone, Debug, Default)]
struct Surprises(FxHashMap<u32, u32>);

impl Surprises {
    fn again(&mut self, symbol: u32, bits: f64) -> f64 {
        if bits < SURPRISING_BITS {
            return bits;
        }
        if self.0.len() >= SYMBOLS_MAX && !self.0.contains_key(&symbol) {
            return bits;
        }
        let times = self.0.entry(symbol).or_insert(0);
        *times = times.saturating_add(1);
        (bits / f64::from(*times)).max(SURPRISING_BITS / 2.0)
    }
}

fn run(mean: &mut f64, value: f64, half_life: f64) {
    let keep = (-1.0 / half_life).exp2();
    *mean = *mean * keep + value * (1.0 - keep);
}

/// Surprise under a model that leans on a broader one where it knows nothing, bounded, in bits.
fn surprise(model: &Ngram, broader: Option<&Ngram>, history: &History, symbol: u32) -> f64 {
    if model.observations() == 0 {
        return 0.0;
    }
    let uniform = model.uniform();
    let base = broader.map_or(uniform, |broader| broader.probability(history, symbol, uniform));
    (-model.probability(history, symbol, base).log2()).clamp(0.0, SYMBOL_BITS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_surprises_again_and_again_counts_less_each_time() {
        let mut surprises = Surprises::default();
        let bits = [16.0, 16.0, 16.0, 3.0].map(|bits| surprises.again(7, bits));
        assert_eq!(bits, [16.0, 8.0, 16.0 / 3.0, 3.0]);
        assert_eq!(surprises.again(8, 16.0), 16.0, "another symbol has told nothing yet");
        let last = (0..100).map(|_| surprises.again(7, 16.0)).last();
        assert_eq!(last, Some(SURPRISING_BITS / 2.0), "and it never becomes normal");
        (0..2 * SYMBOLS_MAX as u32).for_each(|symbol| _ = surprises.again(symbol, 16.0));
        assert_eq!(surprises.0.len(), SYMBOLS_MAX);
    }
}
