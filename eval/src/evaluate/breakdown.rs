//! The same figures by scenario, technique, agent, task, variant, tier, stage and means.
#![expect(
    clippy::cast_possible_truncation,
    reason = "a share of a length is no longer, and none is negative"
)]

use super::arm::Entry;
use super::data::Item;
use super::incident::{First, delays, first_live, first_replayed, judge, means_words};
use crate::metrics::delay::{Delay, quantile};
use crate::metrics::incident::Outcomes;
use crate::metrics::proportion::Proportion;
use crate::metrics::roc;
use crate::result::{Breakdown, BreakdownRow, FPRS};
use crate::scenario::Scenarios;
use crate::score::{self, Stages};
use crate::words;
use std::collections::{BTreeMap, BTreeSet};

/// An attack as a breakdown sees it.
struct Attack<'d> {
    item: &'d Item,
    first: Option<First>,
    live: bool,
    /// Score and length of a replayed one.
    replayed: Option<(f64, f64, f64)>,
}

/// The values of a dimension that an attack belongs to.
type Keys = fn(&Attack<'_>, &Scenarios) -> Vec<String>;

/// Share of clean sessions at which the trivial floor is read.
const FLOOR_FPR: f64 = 0.05;

/// Every breakdown.
pub fn breakdowns(entries: &[Entry<'_>], live: &[&Item], scenarios: &Scenarios) -> Vec<Breakdown> {
    let (mut clean, mut attacks) = (Vec::new(), Vec::new());
    for entry in entries {
        let trace = &entry.item.trace;
        let values = (
            score::bits(entry.shipped(Stages::ALL).lowest()),
            trace.events as f64,
            trace.distinct_tokens() as f64,
        );
        if entry.item.is_attack() {
            let first = first_replayed(entry);
            attacks.push(Attack { item: entry.item, first, live: false, replayed: Some(values) });
        } else {
            clean.push(values);
        }
    }
    attacks.extend(live.iter().filter(|item| item.is_attack()).map(|item| Attack {
        item,
        first: first_live(item, item.counts_from_ns()),
        live: true,
        replayed: None,
    }));
    let cut = Cuts::of(&clean, &attacks);
    let dimensions: [(&str, Keys); 8] = [
        ("scenario", |attack, _| vec![scenario(attack)]),
        ("technique", |attack, scenarios| {
            scenarios.get(&scenario(attack)).map(|known| known.techniques.clone()).unwrap_or_default()
        }),
        ("agent", |attack, _| vec![attack.item.run.agent.clone()]),
        ("task", |attack, _| vec![attack.item.run.task.clone()]),
        ("variant", |attack, _| vec![attack.item.attack().map_or("", |attack| attack.1).to_owned()]),
        ("tier", |attack, _| vec![attack.item.trace.tier.to_string()]),
        ("stage", |attack, _| vec![attack.first.map_or("none", |first| first.stage.name()).to_owned()]),
        ("means", |attack, _| vec![attack.first.as_ref().map_or_else(|| "none".to_owned(), means_words)]),
    ];
    dimensions
        .into_iter()
        .map(|(by, keys)| {
            let mut rows: BTreeMap<String, Vec<&Attack<'_>>> = BTreeMap::new();
            for attack in &attacks {
                for key in keys(attack, scenarios) {
                    rows.entry(key).or_default().push(attack);
                }
            }
            let words = |key: &str| match by {
                "scenario" => scenarios.get(key).map(|known| known.title.clone()).unwrap_or_default(),
                _ => String::new(),
            };
            let rows = rows.into_iter().map(|(key, attacks)| row(&key, words(&key), &attacks, &cut));
            let rows = rows.collect();
            let totals = if by == "scenario" { totals(&attacks, scenarios, &cut) } else { Vec::new() };
            Breakdown { by: by.to_owned(), rows, totals }
        })
        .collect()
}

fn scenario(attack: &Attack<'_>) -> String {
    attack.item.attack().map_or("", |attack| attack.0).to_owned()
}

/// Every attack but those of scenarios that are reported apart, and every attack.
fn totals(attacks: &[Attack<'_>], scenarios: &Scenarios, cuts: &Cuts) -> Vec<BreakdownRow> {
    let is_apart = |name: &str| scenarios.get(name).is_some_and(|known| known.apart);
    let names: BTreeSet<String> = attacks.iter().map(scenario).collect();
    let apart: Vec<&str> = names.iter().map(String::as_str).filter(|name| is_apart(name)).collect();
    let (mut totals, all) = (Vec::new(), attacks.iter().collect::<Vec<_>>());
    if !apart.is_empty() {
        let rest: Vec<_> = all.iter().copied().filter(|attack| !is_apart(&scenario(attack))).collect();
        totals.push(row(&format!("all but {}", words::list(&apart)), String::new(), &rest, cuts));
    }
    if !all.is_empty() {
        totals.push(row(&format!("all {}", names.len()), String::new(), &all, cuts));
    }
    totals
}

/// Scores above which a session is called an attack.
struct Cuts {
    score: [f64; 3],
    /// The better one of length and distinct calls, and in which direction.
    floor: (usize, f64, f64),
}

impl Cuts {
    /// At the rates of all clean sessions.
    fn of(clean: &[(f64, f64, f64)], attacks: &[Attack<'_>]) -> Cuts {
        let scores: Vec<f64> = clean.iter().map(|clean| clean.0).collect();
        let replayed: Vec<(f64, f64, f64)> = attacks.iter().filter_map(|attack| attack.replayed).collect();
        let best = [(0, 1.0), (0, -1.0), (1, 1.0), (1, -1.0)]
            .into_iter()
            .map(|(which, sign)| {
                let read = |all: &[(f64, f64, f64)]| {
                    all.iter().map(|v| sign * if which == 0 { v.1 } else { v.2 }).collect::<Vec<f64>>()
                };
                let (clean, attack) = (read(clean), read(&replayed));
                let found = roc::detection_at(&clean, &attack, FLOOR_FPR).unwrap_or(0.0);
                (found, which, sign, cut(&clean, FLOOR_FPR))
            })
            .reduce(|best, other| if other.0 > best.0 { other } else { best });
        let floor = best.map_or((0, 1.0, f64::INFINITY), |(_, which, sign, cut)| (which, sign, cut));
        Cuts { score: FPRS.map(|fpr| cut(&scores, fpr)), floor }
    }

    fn floor_finds(&self, values: (f64, f64, f64)) -> bool {
        let (which, sign, cut) = self.floor;
        sign * if which == 0 { values.1 } else { values.2 } > cut
    }
}

/// What a score must exceed so that at most this share of clean sessions does.
fn cut(clean: &[f64], fpr: f64) -> f64 {
    let mut clean = clean.to_vec();
    clean.sort_unstable_by(|a, b| b.total_cmp(a));
    let allowed = (fpr * clean.len() as f64).floor() as usize;
    clean.get(allowed).copied().unwrap_or(f64::NEG_INFINITY)
}

fn row(key: &str, words: String, attacks: &[&Attack<'_>], cuts: &Cuts) -> BreakdownRow {
    let outcomes = |live: bool| {
        let of = attacks.iter().filter(move |attack| attack.live == live);
        Outcomes::count(of.map(|attack| judge(attack.item, attack.first)))
    };
    let replayed: Vec<(f64, f64, f64)> = attacks.iter().filter_map(|attack| attack.replayed).collect();
    let replayed_delays: Vec<Delay> = attacks
        .iter()
        .filter(|attack| !attack.live)
        .map(|attack| delays(attack.item, attack.first)[2])
        .collect();
    BreakdownRow {
        key: key.to_owned(),
        words,
        live: outcomes(true),
        offline: outcomes(false),
        detection: cuts.score.map(|cut| Proportion::count(replayed.iter().map(|values| values.0 > cut))),
        floor: Proportion::count(replayed.iter().map(|&values| cuts.floor_finds(values))),
        median_ms: quantile(&replayed_delays, 0.5),
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn at_most_the_share_exceeds_the_cut() {
        let clean: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(cut(&clean, 0.01), 20.0);
        assert_eq!(cut(&clean, 0.05), 19.0);
        assert_eq!(cut(&clean, 0.1), 18.0);
        assert_eq!(cut(&[], 0.1), f64::NEG_INFINITY);
    }
}
