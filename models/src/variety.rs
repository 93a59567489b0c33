//! Whether sessions name things by themselves: so many of them that each showed a child which none of the others did.
//!
//! The largest such group of sessions can only grow when sessions are added, in whatever order: what they show beside the
//! others changes nothing between these. So what it opens, no further session closes. (In the bipartite graph of sessions
//! and children it is an induced matching.)
#![expect(
    clippy::indexing_slicing,
    reason = "a table's rows name rows of the same table: what is read from a file is checked (`is_sound`), and `fuzz/targets/baseline.rs` looks for more"
)]

use std::collections::{BTreeMap, BTreeSet};

/// Sessions that are tried against a group. Past it, no two of a thousand sessions showed the same: that is variety, too.
const TRIES_MAX: usize = 1 << 19;

/// The children that some sessions showed, and the workspaces of these sessions; both ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shown {
    pub children: Vec<u32>,
    pub workspaces: Vec<u64>,
}

/// Whether so many sessions each showed a child that none of the others in the group did. Each is of another workspace, or
/// they are twice as many: what is in one workspace leads its sessions alike. No two of `shown` have the same children.
pub(crate) fn is_varied(shown: &[Shown], needed: usize) -> bool {
    let mut search = Search { shown, needed, tries: 0 };
    search.extend(&mut Vec::new(), 0)
}

struct Search<'s> {
    shown: &'s [Shown],
    needed: usize,
    tries: usize,
}

impl Search<'_> {
    /// Whether a group can be extended to what is needed by sessions from `from` on. That each has its own holds of every
    /// part of a group in which it holds, so that a group in which it does not is left at once.
    fn extend(&mut self, group: &mut Vec<usize>, from: usize) -> bool {
        if self.is_enough(group) {
            return true;
        }
        for next in from..self.shown.len() {
            self.tries += 1;
            if self.tries > TRIES_MAX {
                return true;
            }
            group.push(next);
            if self.each_has_its_own(group) && self.extend(group, next + 1) {
                return true;
            }
            group.pop();
        }
        false
    }

    fn is_enough(&self, group: &[usize]) -> bool {
        group.len() >= 2 * self.needed || group.len() >= self.needed && self.workspaces(group) >= self.needed
    }

    /// How many of a group can be of a workspace each (Kuhn 1955: one more, as long as somebody can make room).
    fn workspaces(&self, group: &[usize]) -> usize {
        let mut taken = BTreeMap::new();
        group.iter().filter(|&&one| self.finds_room(one, &mut taken, &mut BTreeSet::new())).count()
    }

    fn finds_room(&self, one: usize, taken: &mut BTreeMap<u64, usize>, asked: &mut BTreeSet<u64>) -> bool {
        for &workspace in &self.shown[one].workspaces {
            if asked.insert(workspace)
                && taken.get(&workspace).copied().is_none_or(|other| self.finds_room(other, taken, asked))
            {
                taken.insert(workspace, one);
                return true;
            }
        }
        false
    }

    fn each_has_its_own(&self, group: &[usize]) -> bool {
        let showed = |one: usize, child: &u32| self.shown[one].children.binary_search(child).is_ok();
        group.iter().all(|&one| {
            let mut children = self.shown[one].children.iter();
            children.any(|child| group.iter().all(|&other| other == one || !showed(other, child)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The largest group of sessions with these children, each session of a workspace of its own.
    fn largest(children: &[&[u32]]) -> usize {
        let shown: Vec<Shown> = (0..)
            .zip(children)
            .map(|(workspace, children)| Shown { children: children.to_vec(), workspaces: vec![workspace] })
            .collect();
        // A group of one is of one workspace.
        (2..).take_while(|&needed| is_varied(&shown, needed)).last().unwrap_or(1)
    }

    #[test]
    fn what_was_always_the_same_is_no_variety_and_what_each_showed_alone_is() {
        assert_eq!(largest(&[&[]]), 1);
        assert_eq!(largest(&[&[1, 2, 3]]), 1);
        assert_eq!(largest(&[&[1], &[2], &[3]]), 3);
        let all: &[&[u32]] = &[&[1, 9], &[2, 9], &[3, 9], &[1, 2, 3, 9]];
        assert_eq!(largest(all), 3, "one that showed all takes nothing away");
        assert_eq!(largest(&[&[1], &[1, 2], &[1, 2, 3]]), 1, "each showed what those before had shown");
        assert_eq!(largest(&[&[1, 2], &[2, 3], &[1, 3]]), 2, "of three children no two are a session's own");
    }

    #[test]
    fn where_they_share_workspaces_twice_as_many_are_needed() {
        let of = |sessions: u32| -> Vec<Shown> {
            (0..sessions).map(|n| Shown { children: vec![n], workspaces: vec![7] }).collect()
        };
        assert!(!is_varied(&of(5), 3) && is_varied(&of(6), 3));
        let mut mixed = of(3);
        mixed[0].workspaces.extend([8, 9]);
        assert!(!is_varied(&mixed, 3), "the other two are of one workspace");
        mixed[2].workspaces.push(8);
        assert!(is_varied(&mixed, 3), "the first can be of 9, the second is of 7, and the third of 8");
    }

    proptest! {
        #[test]
        fn another_session_takes_no_variety_away(
            sessions in prop::collection::vec((0u64..3, prop::collection::btree_set(0u32..6, 0..5)), 1..9),
        ) {
            let of = |sessions: &[(u64, BTreeSet<u32>)]| {
                let mut shown: BTreeMap<&BTreeSet<u32>, BTreeSet<u64>> = BTreeMap::new();
                for (workspace, children) in sessions {
                    shown.entry(children).or_default().insert(*workspace);
                }
                let shown: Vec<Shown> = shown
                    .into_iter()
                    .map(|(children, workspaces)| Shown {
                        children: children.iter().copied().collect(),
                        workspaces: workspaces.into_iter().collect(),
                    })
                    .collect();
                [1, 2, 3].map(|needed| is_varied(&shown, needed))
            };
            let (before, after) = (of(&sessions[1..]), of(&sessions));
            prop_assert!(before.iter().zip(after).all(|(before, after)| after || !before));
        }
    }
}
