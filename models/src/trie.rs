//! Which sessions touched which places: a trie for each reach, with exact session sets, so that it can be merged, and
//! read as if some sessions had never been seen.
#![expect(clippy::cast_possible_truncation, reason = "nodes and sessions are bounded in number")]
#![expect(
    clippy::indexing_slicing,
    reason = "a table's rows name rows of the same table: what is read from a file is checked (`is_sound`), and `fuzz/targets/baseline.rs` looks for more"
)]

use crate::variety::Shown;
use bstr::{BStr, BString, ByteSlice};
use event::{Place, Reach};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

/// Places that one model keeps. Past it a place is not learned, and so stays novel unless its region is open.
const NODES_MAX: usize = 1 << 19;

/// Components of a place that are told apart; deeper ones count as the place at this depth.
const DEPTH_MAX: usize = 64;

/// A place, or a part of the way to one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Node {
    /// Its own component.
    #[serde(rename = "n")]
    pub name: BString,
    /// Index of the node above; a reach's root is its own.
    #[serde(rename = "p")]
    pub parent: u32,
    /// Indices of the nodes below, by name.
    #[serde(rename = "c")]
    pub children: Vec<u32>,
    /// Sessions that touched it itself, ascending.
    #[serde(rename = "t")]
    pub touched: Vec<u32>,
    /// Sessions that touched something below it, ascending.
    #[serde(rename = "b")]
    pub through: Vec<u32>,
    /// Sessions of which a child that no other session had was pruned, ascending.
    #[serde(rename = "f")]
    pub fresh: Vec<u32>,
}

impl Node {
    /// Sessions that touched it or something below it.
    pub fn sessions(&self) -> Vec<u32> {
        union(&self.touched, &self.through)
    }

    pub fn is_empty(&self) -> bool {
        self.touched.is_empty() && self.through.is_empty()
    }

    /// Whether a session touched it and nothing below it, under a name that is no program's (theirs begin with a dot, or are
    /// directories): a file that the session or its user named.
    pub fn is_named_for_itself(&self, session: u32) -> bool {
        !self.name.starts_with(b".")
            && self.touched.binary_search(&session).is_ok()
            && self.through.binary_search(&session).is_err()
    }

    /// The only session that came here, if it was only one.
    fn only(&self) -> Option<u32> {
        match (self.touched.as_slice(), self.through.as_slice()) {
            ([one], []) | ([], [one]) => Some(*one),
            ([one], [same]) if one == same => Some(*one),
            _ => None,
        }
    }
}

/// The union of two ascending lists.
pub(crate) fn union(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut all: Vec<u32> = a.iter().chain(b).copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn insert(list: &mut Vec<u32>, session: u32) {
    if let Err(at) = list.binary_search(&session) {
        list.insert(at, session);
    }
}

/// The trie. The first nodes are the roots of the reaches, in the order of [`Reach::ALL`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trie {
    pub nodes: Vec<Node>,
    /// For each session, which workspace it worked in (any number that tells workspaces apart).
    pub workspaces: Vec<u64>,
}

impl Trie {
    pub fn new() -> Self {
        let root = |at| Node { parent: at, ..Node::default() };
        Self { nodes: (0..Reach::ALL.len() as u32).map(root).collect(), workspaces: Vec::new() }
    }

    pub fn root(reach: Reach) -> usize {
        Reach::ALL.iter().position(|&r| r == reach).unwrap_or(0)
    }

    /// Learns the places that one session touched.
    pub fn learn<'p>(&mut self, workspace: u64, places: impl Iterator<Item = &'p Place>) {
        let session = self.workspaces.len() as u32;
        self.workspaces.push(workspace);
        for place in places {
            let mut at = Self::root(place.reach);
            insert(&mut self.nodes[at].through, session);
            let depth = place.components.len().min(DEPTH_MAX);
            for (level, name) in place.components.iter().take(depth).enumerate() {
                let Some(child) = self.grow(at, name.as_bstr()) else { break };
                at = child;
                let node = &mut self.nodes[at];
                insert(if level + 1 == depth { &mut node.touched } else { &mut node.through }, session);
            }
        }
    }

    fn position(&self, at: usize, name: &BStr) -> Result<usize, usize> {
        let node = &self.nodes[at];
        node.children
            .binary_search_by(|&child| self.nodes.get(child as usize).map_or(&b""[..], |n| &n.name).cmp(name))
    }

    /// The child of this name that any session touched.
    pub fn child(&self, at: usize, name: &BStr) -> Option<usize> {
        let child = self.nodes[at].children[self.position(at, name).ok()?] as usize;
        self.nodes.get(child).filter(|node| !node.is_empty()).map(|_| child)
    }

    /// How a node was reached for.
    pub fn reach(&self, mut at: usize) -> Reach {
        while at >= Reach::ALL.len() {
            at = self.nodes[at].parent as usize;
        }
        Reach::ALL[at]
    }

    /// The deepest node on the way to a place, and how many components lead to it.
    pub fn deepest(&self, reach: Reach, components: &[&BStr]) -> (usize, usize) {
        let mut at = Self::root(reach);
        for (depth, name) in components.iter().enumerate() {
            match self.child(at, name) {
                Some(child) => at = child,
                None => return (at, depth),
            }
        }
        (at, components.len())
    }

    fn grow(&mut self, at: usize, name: &BStr) -> Option<usize> {
        match self.position(at, name) {
            Ok(found) => Some(self.nodes[at].children[found] as usize),
            Err(_) if self.nodes.len() >= NODES_MAX => None,
            Err(place) => {
                let child = self.nodes.len();
                self.nodes.push(Node { name: name.into(), parent: at as u32, ..Node::default() });
                self.nodes[at].children.insert(place, child as u32);
                Some(child)
            }
        }
    }

    /// Adds the sessions of `other` as further sessions.
    pub fn merge(&mut self, other: &Trie) {
        let offset = self.workspaces.len() as u32;
        self.workspaces.extend(&other.workspaces);
        let mut pairs: Vec<(usize, usize)> = (0..Reach::ALL.len()).map(|root| (root, root)).collect();
        while let Some((mine, theirs)) = pairs.pop() {
            let source = &other.nodes[theirs];
            let target = &mut self.nodes[mine];
            target.touched.extend(source.touched.iter().map(|session| session + offset));
            target.through.extend(source.through.iter().map(|session| session + offset));
            target.fresh.extend(source.fresh.iter().map(|session| session + offset));
            for &child in &source.children {
                if let Some(grown) = self.grow(mine, other.nodes[child as usize].name.as_bstr()) {
                    pairs.push((grown, child as usize));
                }
            }
        }
    }

    /// The same trie as if `sessions` had never been seen. Their numbers stay unused.
    pub fn without(&self, sessions: &[u32]) -> Trie {
        let mut rest = self.clone();
        for node in &mut rest.nodes {
            for list in [&mut node.touched, &mut node.through, &mut node.fresh] {
                list.retain(|session| !sessions.contains(session));
            }
        }
        rest
    }

    /// How many sessions were seen.
    pub fn sessions(&self) -> usize {
        let roots = self.nodes.iter().take(Reach::ALL.len());
        roots.fold(Vec::new(), |all, root| union(&all, &root.through)).len()
    }

    /// The sessions that showed, below this node, a child that no other session had.
    pub fn openers(&self, at: usize) -> Vec<u32> {
        let mut openers: Vec<u32> = self.children(at).filter_map(Node::only).collect();
        openers.extend(&self.nodes[at].fresh);
        openers.sort_unstable();
        openers.dedup();
        openers
    }

    /// Which of the children below this node the sessions showed, where `counts` says that a child counts for a session:
    /// what differs.
    pub fn shown(&self, at: usize, counts: impl Fn(&Node, u32) -> bool) -> Vec<Shown> {
        let mut by_session: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let mut known: HashSet<Vec<u32>> = HashSet::new();
        for (number, child) in (0..).zip(self.children(at)) {
            let mut by = child.sessions();
            by.retain(|&session| counts(child, session));
            // Of children that the same sessions showed, one is enough.
            if known.insert(by.clone()) {
                by.into_iter().for_each(|session| by_session.entry(session).or_default().push(number));
            }
        }
        let mut shown: BTreeMap<Vec<u32>, Vec<u64>> = BTreeMap::new();
        for (session, children) in by_session {
            shown.entry(children).or_default().extend(self.workspaces.get(session as usize));
        }
        let shown = shown.into_iter().map(|(children, mut workspaces)| {
            workspaces.sort_unstable();
            workspaces.dedup();
            Shown { children, workspaces }
        });
        shown.collect()
    }

    /// The nodes below, by name.
    pub fn children(&self, at: usize) -> impl Iterator<Item = &Node> {
        self.nodes[at].children.iter().filter_map(|&child| self.nodes.get(child as usize))
    }

    /// The nodes below at any depth, with their numbers.
    pub fn below(&self, at: usize) -> impl Iterator<Item = (usize, &Node)> {
        let mut ahead = self.nodes[at].children.clone();
        std::iter::from_fn(move || {
            let at = ahead.pop()? as usize;
            let node = self.nodes.get(at)?;
            ahead.extend(&node.children);
            Some((at, node))
        })
    }

    /// The components from the root of the reach to this node.
    pub fn components(&self, mut at: usize) -> Vec<&BStr> {
        let mut names = Vec::new();
        while at >= Reach::ALL.len() {
            names.push(self.nodes[at].name.as_bstr());
            at = self.nodes[at].parent as usize;
        }
        names.reverse();
        names
    }

    /// Forgets the names of leaves that one session alone touched below nodes that `is_open`: any name is as good
    /// there. Who touched them stays known.
    pub fn prune(&mut self, is_open: impl Fn(usize) -> bool) {
        let mut keep = vec![true; self.nodes.len()];
        for (at, kept) in keep.iter_mut().enumerate().skip(Reach::ALL.len()) {
            let node = &self.nodes[at];
            let parent = node.parent as usize;
            if node.children.is_empty() && parent >= Reach::ALL.len() && is_open(parent) {
                if let Some(session) = node.only() {
                    *kept = false;
                    insert(&mut self.nodes[parent].fresh, session);
                }
            } else if node.is_empty() && node.children.is_empty() {
                *kept = false;
            }
        }
        let mut number = vec![0u32; self.nodes.len()];
        let mut next = 0;
        for (at, kept) in keep.iter().enumerate() {
            number[at] = next;
            next += u32::from(*kept);
        }
        let mut at = 0;
        self.nodes.retain(|_| {
            at += 1;
            keep[at - 1]
        });
        for node in &mut self.nodes {
            node.parent = number[node.parent as usize];
            node.children.retain(|&child| keep[child as usize]);
            node.children.iter_mut().for_each(|child| *child = number[*child as usize]);
        }
    }

    /// Whether the parts fit together, for tries that come from a file.
    pub fn is_sound(&self) -> bool {
        let roots = Reach::ALL.len();
        let ascending = |list: &[u32]| {
            list.windows(2).all(|pair| pair[0] < pair[1])
                && list.last().is_none_or(|&last| (last as usize) < self.workspaces.len())
        };
        (roots..=NODES_MAX).contains(&self.nodes.len())
            && self.nodes.iter().enumerate().all(|(at, node)| {
                let parent = node.parent as usize;
                (if at < roots { parent == at } else { parent < at })
                    && [&node.touched, &node.through, &node.fresh].iter().all(|list| ascending(list))
                    && node.children.iter().all(|&c| {
                        (c as usize) > at
                            && self.nodes.get(c as usize).is_some_and(|n| n.parent as usize == at)
                    })
                    && node
                        .children
                        .windows(2)
                        .all(|pair| self.nodes[pair[0] as usize].name < self.nodes[pair[1] as usize].name)
            })
    }
}
