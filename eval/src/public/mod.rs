//! Sets of traces that others recorded, through the same training and the same score as sessions of an agent: what there
//! is of a session there, its raw system calls, stands beside what others score such traces by.

pub mod read;
mod reference;
mod sets;
mod table;

pub use sets::{Part, Set};
pub use table::markdown;

use crate::Error;
use crate::metrics::roc;
use crate::score::bits;
use event::AgentName;
use models::corpus::{Corpus, Item};
use models::thread::syscall_symbol;
use models::train::{self, Options};
use models::{Baseline, Scorer};
use rayon::prelude::*;
use read::Calls;
use reference::Reference;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::Path;
use std::result::Result as StdResult;
use std::sync::Arc;

/// Shares of clean traces that detection is counted at.
const FPRS: [f64; 4] = [0.01, 0.05, 0.1, 0.15];

/// Calls that a score of the beginning has seen.
const FIRST: usize = 100;

/// What a set came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Result {
    /// The set.
    pub set: Set,
    /// BLAKE3 of every trace that was read, with its name.
    pub data: String,
    /// Seed of what is random.
    pub seed: u64,
    /// What each part of it came to.
    pub parts: Vec<PartResult>,
}

/// What one part came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartResult {
    /// Its name.
    pub name: String,
    /// Traces that taught, that were clean, and that attacked.
    pub traces: [usize; 3],
    /// Scores, Wardline's first.
    pub scores: Vec<Row>,
}

/// What one score came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Area under the curve, of whole traces.
    pub auc: Option<f64>,
    /// The same in both halves, which the names of the traces part.
    pub halves: [Option<f64>; 2],
    /// The same of the first hundred calls.
    pub first: Option<f64>,
    /// Attacks detected at 1, 5, 10 and 15 % of clean traces.
    pub detected: [Option<f64>; 4],
}

/// Evaluates a set that lies in a directory.
pub fn public(set: Set, directory: &Path, seed: u64) -> StdResult<Result, Error> {
    let parts = set.read(directory)?;
    let data = digest(&parts);
    let parts = parts.iter().map(|part| part_result(part, seed)).collect::<StdResult<_, _>>()?;
    Ok(Result { set, data, seed, parts })
}

fn digest(parts: &[Part]) -> String {
    let mut hasher = blake3::Hasher::new();
    for calls in parts.iter().flat_map(|part| part.train.iter().chain(&part.clean).chain(&part.attacks)) {
        hasher.update(&(calls.name.len() as u64).to_le_bytes());
        hasher.update(calls.name.as_bytes());
        hasher.update(&(calls.calls.len() as u64).to_le_bytes());
        calls.calls.iter().for_each(|call| _ = hasher.update(&call.to_le_bytes()));
    }
    hasher.finalize().to_hex().to_string()
}

/// What a trace is scored by.
type Scored<'s> = Box<dyn Fn(&[u32]) -> f64 + Sync + 's>;

fn part_result(part: &Part, seed: u64) -> StdResult<PartResult, Error> {
    let agent = AgentName::of_program(part.name.as_bytes());
    let options = Options { agent, seed, ..Options::default() };
    let baseline = Arc::new(learn(part, options)?);
    let reference = Reference::learn(part.train.iter().map(|trace| trace.calls.as_slice()));
    let known: BTreeSet<u32> = part.train.iter().flat_map(|trace| &trace.calls).copied().collect();
    let scores: Vec<(&str, Scored<'_>)> = vec![
        ("Wardline", Box::new(|calls| score(&baseline, calls))),
        ("stide, 6 calls: share of unseen windows", Box::new(|calls| reference.stide(calls))),
        ("Witten-Bell, 6 calls: mean", Box::new(|calls| reference.mean(calls))),
        ("Witten-Bell: the most surprising 120 calls", Box::new(|calls| reference.stretch(calls))),
        ("Witten-Bell: the least surprising 120 calls", Box::new(|calls| reference.least(calls))),
        ("floor: calls that were never seen", Box::new(|calls| unknown(&known, calls))),
        ("floor: length", Box::new(|calls| calls.len() as f64)),
        (
            "floor: few distinct calls",
            Box::new(|calls| -(calls.iter().collect::<BTreeSet<_>>().len() as f64)),
        ),
    ];
    let scores = scores.iter().map(|(name, score)| row(name, part, score)).collect();
    Ok(PartResult {
        name: part.name.clone(),
        traces: [part.train.len(), part.clean.len(), part.attacks.len()],
        scores,
    })
}

fn unknown(known: &BTreeSet<u32>, calls: &[u32]) -> f64 {
    calls.iter().filter(|call| !known.contains(call)).count() as f64 / calls.len().max(1) as f64
}

fn row(name: &str, part: &Part, score: &Scored<'_>) -> Row {
    let of = |traces: &[Calls]| -> Vec<(bool, f64, f64)> {
        let scored = traces.par_iter().map(|trace| {
            let first = &trace.calls[..trace.calls.len().min(FIRST)];
            (is_of_the_first_half(&trace.name), score(&trace.calls), score(first))
        });
        scored.collect()
    };
    let (clean, attacks) = (of(&part.clean), of(&part.attacks));
    let whole = |all: &[(bool, f64, f64)]| all.iter().map(|(_, whole, _)| *whole).collect::<Vec<f64>>();
    let first = |all: &[(bool, f64, f64)]| all.iter().map(|(.., first)| *first).collect::<Vec<f64>>();
    let half = |all: &[(bool, f64, f64)], first| {
        all.iter().filter(|(half, ..)| *half == first).map(|(_, whole, _)| *whole).collect::<Vec<f64>>()
    };
    Row {
        name: name.to_owned(),
        auc: roc::auc(&whole(&clean), &whole(&attacks)),
        halves: [true, false].map(|which| roc::auc(&half(&clean, which), &half(&attacks, which))),
        first: roc::auc(&first(&clean), &first(&attacks)),
        detected: FPRS.map(|fpr| roc::detection_at(&whole(&clean), &whole(&attacks), fpr)),
    }
}

/// A trace is of one half or the other by the first bit of its name's BLAKE3.
fn is_of_the_first_half(name: &str) -> bool {
    blake3::hash(name.as_bytes()).as_bytes()[0] & 0x80 == 0
}

/// Learns a part as the sessions of an agent are learned.
fn learn(part: &Part, options: Options) -> StdResult<Baseline, Error> {
    train::train(&Traces(&part.train), options, &mut |_| {})
        .map_err(|error| Error::Nothing(format!("{}: {error}", part.name)))
}

/// What Wardline says of a trace, in bits.
fn score(baseline: &Arc<Baseline>, calls: &[u32]) -> f64 {
    let mut scorer = Scorer::new(Arc::clone(baseline));
    for &call in calls {
        scorer.push_call(THREAD, syscall_symbol(call, 0));
    }
    bits(scorer.score().p)
}

/// The one thread of a trace.
const THREAD: u32 = 1;

/// Traces as sessions, each in a workspace of its own name: nobody says where they ran.
struct Traces<'t>(&'t [Calls]);

impl Corpus for Traces<'_> {
    type Error = Infallible;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn workspace(&self, session: usize) -> u64 {
        session as u64
    }

    fn replay(&self, session: usize, sink: &mut dyn FnMut(Item<'_>)) -> StdResult<(), Infallible> {
        let calls = self.0.get(session).map_or(&[][..], |trace| &trace.calls);
        calls.iter().for_each(|&call| sink(Item::Call { tid: THREAD, symbol: syscall_symbol(call, 0) }));
        Ok(())
    }
}
