//! Attacks that hide among normal steps, beside the same attacks in the open. They were written beforehand: nobody asks a
//! baseline for its score here, and tries again.

use super::arm::Entry;
use super::data::Item;
use super::incident::{First, first_live, first_replayed, judge};
use crate::metrics::incident::{Outcome, Outcomes};
use crate::result::{Mimicry, MimicryRow};
use datasets::corpus::Variant;
use std::collections::{BTreeMap, BTreeSet};

/// The scenario whose every step looks like normal work, one at a time: a secret goes into a source file, and leaves with an
/// ordinary push.
const SLOW: &str = "S26";

/// An attack and what became of it.
struct Judged<'d> {
    scenario: &'d str,
    variant: &'static str,
    live: bool,
    outcome: Outcome,
}

fn judged(item: &Item, live: bool, first: Option<First>) -> Option<Judged<'_>> {
    let (scenario, variant) = item.attack()?;
    Some(Judged { scenario, variant, live, outcome: judge(item, first) })
}

/// By variant. `None` where no scenario was tried both padded and at once.
pub fn mimicry(replayed: &[&Entry<'_>], live: &[&Item]) -> Option<Mimicry> {
    let replayed = replayed.iter().filter_map(|entry| judged(entry.item, false, first_replayed(entry)));
    let live = live.iter().filter_map(|item| judged(item, true, first_live(item, item.counts_from_ns())));
    let all: Vec<Judged<'_>> = replayed.chain(live).collect();
    let mut tried: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for attack in all.iter().filter(|attack| !attack.live) {
        tried.entry(attack.scenario).or_default().insert(attack.variant);
    }
    let known: BTreeSet<&str> = tried.values().flatten().copied().collect();
    tried.retain(|_, variants| *variants == known);
    let of = |name: &str, has: &dyn Fn(&Judged<'_>) -> bool| {
        let outcomes = |live| {
            let attacks = all.iter().filter(|attack| attack.live == live && has(attack));
            Outcomes::count(attacks.map(|attack| attack.outcome))
        };
        MimicryRow { name: name.to_owned(), replayed: outcomes(false), live: outcomes(true) }
    };
    let in_variant = |variant: Variant| {
        let name = variant.name();
        of(name, &|attack| attack.variant == name && tried.contains_key(attack.scenario))
    };
    let (at_once, padded) = (in_variant(Variant::Immediate), in_variant(Variant::Padded));
    let seen = Variant::ALL.into_iter().filter(|variant| known.contains(variant.name()));
    let mut rows: Vec<MimicryRow> = seen.map(in_variant).collect();
    if tried.contains_key(SLOW) {
        rows.push(of(&format!("{SLOW}, every variant"), &|attack| attack.scenario == SLOW));
    }
    let both = [Variant::Immediate, Variant::Padded].iter().all(|variant| known.contains(variant.name()));
    (both && !tried.is_empty()).then(|| Mimicry {
        scenarios: tried.len() as u64,
        rows,
        replayed: padded.replayed.in_time().above(at_once.replayed.in_time()),
        live: padded.live.in_time().above(at_once.live.in_time()),
    })
}
