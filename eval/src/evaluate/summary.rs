//! The parts of a result that only sum up.

use super::arm::Entry;
use super::data::{Data, Item};
use super::fit::Fits;
use super::incident::{self, First, first_live, first_replayed, judge};
use crate::metrics::calibrated::calibrated as targets;
use crate::metrics::delay::{self, Delay};
use crate::metrics::growth::growth as grown;
use crate::metrics::incident::{Outcome, Outcomes};
use crate::metrics::proportion::Proportion;
use crate::result::{BaselineRow, Basis, CalibratedBy, Delays, GrowthOf, Lag, Live, Quantiles, RunRow};
use crate::scenario::Scenarios;
use crate::score::Stages;
use datasets::corpus::Split;
use std::collections::BTreeMap;

/// Counts what a result rests on.
pub fn count(data: &Data, basis: &mut Basis) {
    basis.data_hash.clone_from(&data.hash);
    for group in data.groups.values() {
        basis.train += group.train.len() as u64;
        basis.calibrate += group.calibrate.len() as u64;
        basis.clean += group.clean.len() as u64;
        basis.attacks += group.attacks.len() as u64;
        let live_attacks = group.live.iter().filter(|&&at| data.items[at].is_attack()).count() as u64;
        basis.live_attacks += live_attacks;
        basis.live_clean += group.live.len() as u64 - live_attacks;
    }
    basis.duplicates = data.duplicates();
    if basis.tier.is_empty() {
        basis.tier = data.items.first().map(|item| item.trace.tier.to_string()).unwrap_or_default();
    }
}

/// What became of live sessions; `unbegun` are those whose attack never began.
pub fn live(live: &[&Item], unbegun: &[&Item], scenarios: &Scenarios) -> Live {
    let attacks: Vec<(&&Item, Outcome)> = live
        .iter()
        .filter(|item| item.is_attack())
        .map(|item| (item, judge(item, first_live(item, item.counts_from_ns()))))
        .collect();
    let of = |is: fn(&crate::Scenario) -> bool| {
        let known = |item: &Item| item.attack().and_then(|(name, _)| scenarios.get(name)).is_some_and(is);
        Outcomes::count(attacks.iter().filter(|(item, _)| known(item)).map(|(_, outcome)| *outcome))
    };
    let known_apart = |item: &Item| {
        item.attack().and_then(|(name, _)| scenarios.get(name)).is_some_and(|known| known.apart)
    };
    let clean = || live.iter().filter(|item| !item.is_attack());
    Live {
        claimed: of(|known| known.claimed),
        apart: of(|known| known.apart),
        attacks: Outcomes::count(
            attacks.iter().filter(|(item, _)| !known_apart(item)).map(|(_, outcome)| *outcome),
        ),
        clean_denied: Proportion::count(clean().map(|item| incident::denied(item))),
        clean_alerted: Proportion::count(clean().map(|item| incident::alerted(item))),
        clean_stopped: Proportion::count(clean().map(|item| incident::stopped(item))),
        alarmed_before_onset: Proportion::count(
            live.iter()
                .chain(unbegun)
                .filter(|item| item.is_attack())
                .map(|item| incident::first_early(item).is_some()),
        ),
        lag: lag(live),
    }
}

/// How far the score was behind, as the sessions' summaries say.
fn lag(live: &[&Item]) -> Option<Lag> {
    let of = |name: &str| {
        let ms = |item: &&Item| Some(item.run.summary["lag"][name].as_f64()? / 1e6);
        let mut all: Vec<f64> = live.iter().filter_map(ms).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let (p50, p99) = (of("p50_ns"), of("p99_ns"));
    Some(Lag {
        sessions: p99.len() as u64,
        p50_ms: *p50.get(p50.len() / 2)?,
        p99_ms: *p99.get(p99.len() / 2)?,
        worst_p99_ms: *p99.last()?,
    })
}

/// What the replay says of recorded attacks.
pub fn offline(attacks: &[&Entry<'_>]) -> Outcomes {
    Outcomes::count(attacks.iter().map(|entry| judge(entry.item, first_replayed(entry))))
}

/// Target against realised, by both calibrations.
pub fn calibrated(clean: &[&Entry<'_>]) -> Vec<CalibratedBy> {
    let lowest = |of: &dyn Fn(&Entry<'_>) -> f64| clean.iter().map(|entry| of(entry)).collect::<Vec<f64>>();
    let kept_apart = lowest(&|entry| entry.shipped(Stages::T2).lowest());
    let folds = lowest(&|entry| entry.track(&entry.fitted.folds, Stages::T2).lowest());
    vec![
        CalibratedBy { calibration: "sessions kept apart".to_owned(), rows: targets(&kept_apart) },
        CalibratedBy { calibration: "folds of the training sessions".to_owned(), rows: targets(&folds) },
    ]
}

/// From onset to detection.
pub fn delays(attacks: &[&Entry<'_>], live: &[&Item]) -> Delays {
    let replayed: Vec<(&Item, Option<First>)> =
        attacks.iter().map(|entry| (entry.item, first_replayed(entry))).collect();
    let lived: Vec<(&Item, Option<First>)> = live
        .iter()
        .filter(|item| item.is_attack())
        .map(|item| (*item, first_live(item, item.counts_from_ns())))
        .collect();
    let by_stage = ["T0", "T1", "T2"].map(|stage| {
        let of: Vec<_> = replayed
            .iter()
            .filter(|(_, first)| first.is_some_and(|first| first.stage.name() == stage))
            .copied()
            .collect();
        (stage.to_owned(), quantiles(&of, 0))
    });
    let units = |all: &[(&Item, Option<First>)]| (0..3).map(|unit| quantiles(all, unit)).collect();
    Delays { live: units(&lived), offline: units(&replayed), by_stage: by_stage.to_vec() }
}

fn quantiles(all: &[(&Item, Option<First>)], unit: usize) -> Quantiles {
    let delays: Vec<Delay> = all.iter().map(|(item, first)| incident::delays(item, *first)[unit]).collect();
    Quantiles {
        unit: ["events", "actions", "ms"][unit].to_owned(),
        half: delay::quantile(&delays, 0.5),
        nine_tenths: delay::quantile(&delays, 0.9),
        curve: delay::curve(&delays),
    }
}

/// Whether sessions differ.
pub fn growth(data: &Data) -> Vec<GrowthOf> {
    let places = |all: &[usize]| all.iter().map(|&at| data.items[at].trace.places()).collect::<Vec<_>>();
    data.groups
        .iter()
        .map(|(key, group)| GrowthOf {
            agent: key.0.clone(),
            task: key.1.clone(),
            growth: grown(&places(&group.train), &places(&group.clean)),
        })
        .collect()
}

/// The baselines.
pub fn baselines(data: &Data, fits: &Fits) -> Vec<BaselineRow> {
    data.groups
        .keys()
        .map(|key| {
            let left_out = data
                .items
                .iter()
                .filter(|item| item.run.agent == key.0 && item.run.task == key.1)
                .filter(|item| item.run.split == Split::Train && !item.is_attack())
                .filter_map(|item| Some((item.run.id.clone(), item.trace.left_out.clone()?)))
                .collect();
            let row = BaselineRow {
                agent: key.0.clone(),
                task: key.1.clone(),
                sessions: 0,
                left_out,
                calibrated_on: 0,
                events: 0,
                bytes: 0,
                smallest_provable: 1.0,
                missing: None,
            };
            let Some(fitted) = fits.get(key) else {
                return BaselineRow { missing: Some("too few usable sessions".to_owned()), ..row };
            };
            let baseline = &fitted.baseline;
            BaselineRow {
                sessions: baseline.sessions as u64,
                calibrated_on: fitted.calibrated_on as u64,
                events: baseline.tokens,
                bytes: models::encode(baseline, &[0; 32], 1).map_or(0, |bytes| bytes.len() as u64),
                smallest_provable: baseline.smallest_provable(),
                ..row
            }
        })
        .collect()
}

/// The row of every run; `scored` are those that have a score.
pub fn runs(data: &Data, scored: &[&Entry<'_>]) -> Vec<RunRow> {
    let scored: BTreeMap<&str, &Entry<'_>> =
        scored.iter().map(|entry| (entry.item.run.id.as_str(), *entry)).collect();
    data.items.iter().map(|item| incident::row(item, scored.get(item.run.id.as_str()).copied())).collect()
}
