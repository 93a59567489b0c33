//! An evaluation from beginning to end: a corpus in, a result out.

mod ablation;
mod arm;
mod breakdown;
mod case;
mod data;
mod drift;
mod dropping;
mod explain;
mod fit;
mod gaps;
mod incident;
mod kept;
mod learning;
mod machine;
mod mimicry;
mod options;
mod planned;
mod poisoning;
mod steps;
mod summary;

use crate::Error;
use crate::channels::Channels;
use crate::metrics::cost::cost;
use crate::metrics::floor::{Trivia, floors};
use crate::metrics::operating::{self, Track};
use crate::result::{BUDGETS, EvalResult, FORMAT, FPRS, Timing};
use crate::scenario::Scenarios;
use crate::score::Stages;
use arm::{Entry, score_all};
use data::{Data, Item};
use datasets::corpus::{Corpus, Description};
use fit::{Scope, fit_all};
use models::Thresholds;
use models::channel::CHANNELS;
pub use options::Options;
use planned::Planned;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::join;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use steps::{Steps, Told};

/// What an evaluation comes to.
pub struct Evaluation {
    /// The result.
    pub result: EvalResult,
    /// What the channels said, if it was to be kept.
    pub channels: Option<Channels>,
}

/// Evaluates a corpus. It may lie in parts, which were made with the same seed, of different agents or tasks: each part is
/// what one machine recorded. `told` hears what is being done, with how much of how much.
pub fn evaluate(
    parts: &[Corpus],
    scenarios: &Scenarios,
    options: &Options,
    told: Told<'_>,
) -> Result<Evaluation, Error> {
    let began = Instant::now();
    let description = described(parts)?;
    let data = Data::read(parts, told)?;
    let seed = options.seed;
    told("training baselines", 0, 0);
    let training = Instant::now();
    let fits = fit_all(&data, Scope::AgentTask, seed, |_, group| group.train.clone());
    let training = training.elapsed();
    if fits.is_empty() {
        return Err(Error::Nothing(
            "no agent and task of the corpus has three clean sessions to train on".to_owned(),
        ));
    }
    let tests: Vec<usize> =
        data.groups.values().flat_map(|group| group.clean.iter().chain(&group.attacks)).copied().collect();
    told("scoring sessions", 0, 0);
    let entries = score_all(&data, &tests, &fits, Scope::AgentTask);
    let lives: Vec<usize> = data.groups.values().flat_map(|group| &group.live).copied().collect();
    let live_entries = score_all(&data, &lives, &fits, Scope::AgentTask);
    let upgraded: Vec<usize> = data.groups.values().flat_map(|group| &group.upgraded).copied().collect();
    let upgraded = score_all(&data, &upgraded, &fits, Scope::AgentTask);
    let unbegun: Vec<usize> = data.groups.values().flat_map(|group| &group.unbegun).copied().collect();
    let unbegun_entries = score_all(&data, &unbegun, &fits, Scope::AgentTask);
    let unbegun: Vec<&Item> = unbegun.iter().map(|&at| &data.items[at]).collect();
    let live: Vec<&Item> = lives.iter().map(|&at| &data.items[at]).collect();
    let (clean, attacks): (Vec<&Entry<'_>>, Vec<&Entry<'_>>) =
        entries.iter().partition(|entry| !entry.item.is_attack());
    let poisons = poisoning::poisons(&data, seed);
    let steps = Steps::begin(
        told,
        "leaving parts out, training on fewer sessions and on poisoned ones, dropping records",
        ablation::STEPS
            + learning::sizes(&data).len()
            + poisoning::STEPS * poisons.len()
            + dropping::STEPS
            + drift::STEPS,
    );
    // Beside each other: one alone does not keep every core busy to its end.
    let arms = || ablation::arms(&data, (&fits, &entries), &tests, seed, &steps);
    let learning = || learning::learning(&data, &tests, seed, &steps);
    let poisoning = || poisoning::poisoning(&data, &fits, &poisons, seed, &steps);
    let loss = || dropping::dropping(&entries, seed, &steps);
    let drift = || drift::drift(&data, &entries, &upgraded, seed, &steps);
    let ((arms, learning), (poisoning, (loss, drift))) =
        join(|| join(arms, learning), || join(poisoning, || join(loss, drift)));
    told("writing it down", 0, 0);
    let tracks: Vec<Track> = entries.iter().map(|entry| entry.shipped(Stages::ALL)).collect();
    let tracks: Vec<&Track> = tracks.iter().collect();
    let trivia =
        |entries: &[&Entry<'_>]| entries.iter().map(|entry| trivia(entry.item, seed)).collect::<Vec<_>>();
    let mut basis = machine::basis(parts, description, options);
    basis.configuration_hash = configuration_hash(options);
    summary::count(&data, &mut basis);
    let planned = Planned::of(description, &data)?;
    basis.profile = planned.label();
    let mut gaps: Vec<String> = planned.gaps().collect();
    gaps.extend(gaps::gaps(&data, &fits, &attacks, &live, scenarios));
    let scored: Vec<&Entry<'_>> = entries.iter().chain(&upgraded).chain(&live_entries).collect();
    let mut cases: Vec<_> = scored.iter().copied().chain(&unbegun_entries).flat_map(case::cases).collect();
    let world = Path::new(&description.home).ancestors().nth(2).unwrap_or(Path::new(""));
    cases.iter_mut().for_each(|case| case::hide(case, &world.to_string_lossy()));
    cases.sort_by(|a, b| (a.kind, a.source, &a.run).cmp(&(b.kind, b.source, &b.run)));
    let (ns, events, syscalls) = time_scoring(&entries);
    let channels = options.channels.then(|| kept::channels(&data, &fits, &entries, options.commit.as_ref()));
    let result = EvalResult {
        format: FORMAT,
        gaps,
        basis,
        live: summary::live(&live, &unbegun, scenarios),
        offline: summary::offline(&attacks),
        arms,
        floors: floors(&trivia(&clean), &trivia(&attacks)),
        operating: BUDGETS.map(|budget| operating::within(&tracks, budget)).to_vec(),
        calibrated: summary::calibrated(&clean),
        delays: summary::delays(&attacks, &live),
        breakdowns: breakdown::breakdowns(&entries, &live, scenarios),
        mimicry: mimicry::mimicry(&attacks, &live),
        learning,
        poisoning,
        drift,
        loss,
        growth: summary::growth(&data),
        baselines: summary::baselines(&data, &fits),
        cases,
        runs: summary::runs(&data, &scored),
        timing: Timing {
            unix_s: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64),
            seconds: began.elapsed().as_secs_f64(),
            cost: cost(ns, events, syscalls, training),
        },
    };
    Ok(Evaluation { result, channels })
}

/// What all parts of a corpus say of it; an error where they differ in what a result rests on.
fn described(parts: &[Corpus]) -> Result<&Description, Error> {
    let [first, others @ ..] = parts else {
        return Err(Error::Nothing("no corpus was named".to_owned()));
    };
    // Older ones do not tell.
    let build = parts.iter().find_map(|part| part.description.build.as_ref());
    for other in others {
        let (a, b) = (&first.description, &other.description);
        let differs = [
            ("seeds", a.seed != b.seed),
            ("profiles", planned::profile(a) != planned::profile(b)),
            ("kernels", a.kernel != b.kernel),
            ("tiers", a.tier != b.tier),
            ("homes", a.home != b.home),
            ("repositories", a.repositories != b.repositories),
            ("versions of Wardline", a.wardline != b.wardline),
            ("builds of Wardline", b.build.is_some() && b.build.as_ref() != build),
        ];
        if let Some((what, _)) = differs.into_iter().find(|(_, differs)| *differs) {
            return Err(data::apart(first, other, format!("their {what} differ")));
        }
    }
    Ok(&first.description)
}

/// What a session is to somebody who does not look into it.
fn trivia(item: &Item, seed: u64) -> Trivia {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed ^ item.run.session as u64);
    Trivia {
        length: item.trace.events as f64,
        distinct: item.trace.distinct_tokens() as f64,
        random: random.gen_range(0.0..1.0),
    }
}

/// Sessions that are scored once more for the time it takes, with nothing beside them.
const TIMED: usize = 8;

fn time_scoring(entries: &[Entry<'_>]) -> (Duration, u64, u64) {
    let (mut time, mut events, mut syscalls) = (Duration::ZERO, 0, 0);
    for entry in entries.iter().take(TIMED) {
        let began = Instant::now();
        let scored = crate::score::score(
            &entry.item.trace,
            &entry.fitted.baseline,
            Thresholds::default(),
            entry.item.counts_from_ns(),
        );
        time += began.elapsed();
        drop(scored);
        events += entry.item.trace.events;
        syscalls += entry.item.trace.syscalls;
    }
    (time, events, syscalls)
}

/// Of what decides a result beside the data.
fn configuration_hash(options: &Options) -> String {
    let mut hasher = blake3::Hasher::new();
    let names: Vec<&str> = CHANNELS.iter().map(|channel| channel.name).collect();
    let decisive = (Thresholds::default(), names, models::DENIAL_BUDGET_BITS, FPRS, BUDGETS, options.seed);
    hasher.update(&serde_json::to_vec(&decisive).unwrap_or_default());
    hasher.update(&event::vocabulary_hash());
    hasher.update(options.wardline.as_bytes());
    hasher.finalize().to_hex().to_string()
}
