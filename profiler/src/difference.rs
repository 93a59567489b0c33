//! What one baseline allows and another does not.

use event::{Place, Reach};
use models::{Baseline, words};
use serde::Serialize;
use std::collections::BTreeMap;

/// A place that one baseline allows and another does not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Differing {
    /// How it is reached for.
    pub reach: Reach,
    /// The place.
    pub place: String,
    /// So is what is new below it.
    pub open: bool,
}

/// Two baselines side by side: of one task at two times, or of two tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What the second allows and the first does not.
    pub added: Vec<Differing>,
    /// What the first allows and the second does not.
    pub removed: Vec<Differing>,
}

impl Difference {
    /// From the first to the second. A place stands for all below it.
    pub fn between(first: &Baseline, second: &Baseline) -> Difference {
        let (first, second) = (Allowing::of(first), Allowing::of(second));
        Difference { added: second.without(&first), removed: first.without(&second) }
    }

    /// Whether both allow the same.
    pub fn is_none(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// How a place is reached for, and its components.
type At = (Reach, Vec<Vec<u8>>);

/// The places that a baseline allows, and whether what is new below each may be touched.
struct Allowing(BTreeMap<At, bool>);

impl Allowing {
    fn of(baseline: &Baseline) -> Allowing {
        let mut places = BTreeMap::new();
        for region in baseline.models.novelty.regions() {
            let open = region.open || region.allowed;
            if open || region.known {
                let names = region.components.iter().map(|name| name.to_vec()).collect();
                *places.entry((region.reach, names)).or_insert(false) |= open;
            }
        }
        Allowing(places)
    }

    /// Whether it allows a place; `below`: and what is new below it.
    fn allows(&self, at: &At, below: bool) -> bool {
        self.0.get(at).is_some_and(|open| *open || !below) || self.is_below_open(at)
    }

    /// Whether a directory above a place is open.
    fn is_below_open(&self, (reach, names): &At) -> bool {
        let mut above = (*reach, names.clone());
        while above.1.pop().is_some() {
            if self.0.get(&above) == Some(&true) {
                return true;
            }
        }
        false
    }

    /// What it allows and the other does not: the topmost places.
    fn without(&self, other: &Allowing) -> Vec<Differing> {
        let missing = self.0.iter().filter(|(at, open)| !self.is_below_open(at) && !other.allows(at, **open));
        let mut places: Vec<Differing> = missing
            .map(|((reach, names), open)| Differing {
                reach: *reach,
                place: words(&Place {
                    reach: *reach,
                    components: names.iter().map(|name| name.clone().into()).collect(),
                }),
                open: *open,
            })
            .collect();
        places.sort();
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowing(places: &[(&str, bool)]) -> Allowing {
        let at = |path: &str| (Reach::Read, path.split('/').map(|name| name.as_bytes().to_vec()).collect());
        Allowing(places.iter().map(|(path, open)| (at(path), *open)).collect())
    }

    fn added(first: &[(&str, bool)], second: &[(&str, bool)]) -> Vec<(String, bool)> {
        let missing = allowing(second).without(&allowing(first));
        missing.into_iter().map(|differing| (differing.place, differing.open)).collect()
    }

    #[test]
    fn a_place_is_added_where_nothing_allowed_it() {
        let first = [("$home/a", false), ("$home/open", true)];
        assert_eq!(added(&first, &first), []);
        assert_eq!(added(&first, &[("$home/a", false), ("$home/open/below", false)]), []);
        assert_eq!(added(&first, &[("$home/b", false)]), [("$home/b".to_owned(), false)]);
        // What was allowed alone, and now with all below it.
        assert_eq!(added(&first, &[("$home/a", true)]), [("$home/a".to_owned(), true)]);
        // One line for a directory and what lies below it.
        let second = [("$home/new", true), ("$home/new/x", false), ("$home/new/y", true)];
        assert_eq!(added(&first, &second), [("$home/new".to_owned(), true)]);
        assert_eq!(added(&second, &first).len(), 2);
    }
}
