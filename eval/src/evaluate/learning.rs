//! How many sessions it takes: the baselines trained again on fewer.

use super::arm::{arm, score_all};
use super::data::Data;
use super::fit::{Scope, fit_all};
use super::steps::Steps;
use crate::metrics::proportion::Proportion;
use crate::result::Learned;
use crate::score::Stages;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Sessions that teach a baseline; 12 is what a user records first, 40 a good week. Of 40 recorded sessions fewer teach: some
/// calibrate and some are held out.
const SIZES: [usize; 7] = [3, 6, 12, 20, 30, 40, 80];

/// The curve, up to as many sessions as the largest group has.
pub fn learning(data: &Data, tests: &[usize], seed: u64, steps: &Steps<'_>) -> Vec<Learned> {
    let learned = |size| {
        let learned = learned(data, tests, size, seed);
        steps.step();
        learned
    };
    sizes(data).into_iter().map(learned).collect()
}

/// Its sizes: as many steps.
pub fn sizes(data: &Data) -> Vec<usize> {
    let most = data.groups.values().map(|group| group.train.len()).max().unwrap_or(0);
    let mut sizes: Vec<usize> = SIZES.into_iter().filter(|&size| size < most).collect();
    sizes.push(most);
    sizes.retain(|&size| size >= models::SESSIONS_MIN);
    sizes
}

fn learned(data: &Data, tests: &[usize], size: usize, seed: u64) -> Learned {
    let fits = fit_all(data, Scope::AgentTask, seed, |_, group| first(&group.train, size, seed));
    let entries = score_all(data, tests, &fits, Scope::AgentTask);
    let clean = entries.iter().filter(|entry| !entry.item.is_attack());
    let denied = Proportion::count(clean.map(|entry| !entry.scored.touches.is_empty()));
    let full = fits.values().filter(|fitted| fitted.baseline.sessions >= size).count();
    let proved: f64 = fits.values().map(|fitted| fitted.baseline.smallest_provable()).sum();
    Learned {
        sessions: size as u64,
        baselines: full as u64,
        arm: arm("learning", &format!("{size} sessions"), &entries, seed, |entry| entry.shipped(Stages::ALL)),
        denied,
        smallest_provable: proved / fits.len().max(1) as f64,
    }
}

/// So many of them in a seeded order, so that fewer are a part of more.
pub fn first(all: &[usize], size: usize, seed: u64) -> Vec<usize> {
    let mut order = all.to_vec();
    order.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
    order.truncate(size);
    order
}
