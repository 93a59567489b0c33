//! Records that were lost: the same test sessions with bursts of records taken out, each announced as the kernel side
//! announces a loss. Scored by T2 alone: T0 and T1 are asked before an operation, and no record that is lost changes what
//! they answer.

use super::arm::{Entry, arm};
use super::steps::Steps;
use crate::result::Lossy;
use crate::score::{self, Stages};
use crate::trace::{Record, Trace};
use models::Thresholds;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use std::sync::Arc;

/// Shares of records; none is what the others are to be compared with.
const SHARES: [f64; 4] = [0.0, 0.01, 0.05, 0.2];

/// Rows of the result.
pub const STEPS: usize = SHARES.len();

/// Records of a burst: what a ring loses while its reader is late for some tens of microseconds.
const BURST: usize = 64;

/// Every share.
pub fn dropping(entries: &[Entry<'_>], seed: u64, steps: &Steps<'_>) -> Vec<Lossy> {
    SHARES
        .into_iter()
        .map(|share| {
            let scored: Vec<(Entry<'_>, u64)> = entries
                .par_iter()
                .map(|entry| {
                    let (trace, dropped) = without(&entry.item.trace, share, seed);
                    let (baseline, from_ns) = (&entry.fitted.baseline, entry.item.counts_from_ns());
                    let scored = score::score(&trace, baseline, Thresholds::default(), from_ns);
                    let fitted = Arc::clone(&entry.fitted);
                    (Entry { item: entry.item, fitted, scored }, dropped)
                })
                .collect();
            steps.step();
            let dropped = scored.iter().map(|(_, dropped)| dropped).sum();
            let entries = scored.iter().map(|(entry, _)| entry);
            let name = format!("T2 alone, {:.0} % of records dropped", share * 100.0);
            Lossy {
                share,
                dropped,
                arm: arm("loss", &name, entries, seed, |entry| entry.shipped(Stages::T2)),
            }
        })
        .collect()
}

/// The trace without a share of its records, and how many that were.
fn without(trace: &Trace, share: f64, seed: u64) -> (Trace, u64) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed ^ trace.session as u64);
    let begin = (share / BURST as f64 / (1.0 - share)).min(1.0);
    let (mut records, mut dropped, mut left) = (Vec::with_capacity(trace.records.len()), 0, 0);
    for record in &trace.records {
        if left == 0 && random.gen_bool(begin) {
            left = BURST;
            records.push(Record::Loss(BURST as u64));
        }
        if left > 0 {
            left -= 1;
            dropped += 1;
        } else {
            records.push(record.clone());
        }
    }
    (Trace { records, ..trace.clone_without_records() }, dropped)
}
