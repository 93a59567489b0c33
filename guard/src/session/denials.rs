//! The denials of a report: equal ones are one, with a count, so that who repeats one thing hides no other.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use wire::{DENIALS_MAX, Denial};

/// Where each kind of denial stands in the report.
#[derive(Debug, Default)]
pub(super) struct Denials {
    hasher: RandomState,
    places: HashMap<u64, usize>,
}

impl Denials {
    /// Puts a denial into the list, or counts it with its equal.
    pub(super) fn note(&mut self, list: &mut Vec<Denial>, denial: &Denial) {
        let Denial { stage, means, op, object, fate, .. } = denial;
        let kind = self.hasher.hash_one((stage, means, op, object, fate));
        if let Some(known) = self.places.get(&kind).and_then(|place| list.get_mut(*place)) {
            known.times += 1;
        } else if list.len() < DENIALS_MAX {
            self.places.insert(kind, list.len());
            list.push(denial.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::{Fate, Means, Stage};

    #[test]
    fn equal_denials_are_one_and_hide_no_other() {
        let denial = |object: &str, fate| Denial {
            time_ns: 1,
            stage: Stage::T0,
            means: Means::Lsm,
            op: "open".into(),
            object: object.into(),
            pid: 7,
            fate,
            times: 1,
            number: 1,
            reason: "private key".into(),
        };
        let (mut denials, mut list) = (Denials::default(), Vec::new());
        for _ in 0..2 * DENIALS_MAX {
            denials.note(&mut list, &denial("/a", Fate::Refused));
        }
        denials.note(&mut list, &denial("/b", Fate::Refused));
        denials.note(&mut list, &denial("/a", Fate::Happened));
        let told: Vec<_> = list.iter().map(|denial| (denial.object.as_str(), denial.times)).collect();
        assert_eq!(told, [("/a", 2 * DENIALS_MAX as u64), ("/b", 1), ("/a", 1)]);
        for n in 0..2 * DENIALS_MAX {
            denials.note(&mut list, &denial(&format!("/{n}"), Fate::Refused));
        }
        assert_eq!(list.len(), DENIALS_MAX);
    }
}
