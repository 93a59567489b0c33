//! Novelty: how surprising it is to reach for a place for the first time.
//!
//! A session that reaches below a directory either shows a child that no other session had, or does not. The share of
//! those that did is the probability that the next one will (Good 1953, "The population frequencies of species": what
//! was seen once predicts what was never seen), and thin evidence leans on the directory above. A directory whose
//! children were always the same is closed: a dozen sessions cannot prove a probability of 2^-10, so that it costs
//! more than the budget is a rule (support from several sessions, or none), not an estimate.
//!
//! A rule holds of a group of sessions, whatever the others did: what is within the budget stays within it, however many
//! sessions are added. What it costs there may change.
//!
//! Everything here is a pure function of the baseline and the place, so that it can be compiled into the kernel's maps.
#![expect(
    clippy::indexing_slicing,
    reason = "a table's rows name rows of the same table: what is read from a file is checked (`is_sound`), and `fuzz/targets/baseline.rs` looks for more"
)]

use crate::allowed::{ALLOWED_BITS, Allowed};
use crate::openness::{DENIAL_BUDGET_BITS, Evidence, OPEN_SESSIONS, Openness, STATE};
use crate::region::{self, Floor};
use crate::trie::Trie;
use bstr::{BStr, BString, ByteSlice};
use event::state::{KEPT, State};
use event::template::is_template;
use event::{Place, Reach};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Sessions that must have touched a place itself, outside open and public regions, before it is known. Two, so that
/// one session that was led astray makes nothing known.
pub const KNOWN_SESSIONS: usize = 2;

/// What a place that is known costs at most, however many sessions did without it.
const KNOWN_BITS_MAX: f64 = 7.0;

/// What a place costs more that only the agent's other tasks have touched, in bits.
const OTHERS_BITS: f64 = 2.0;

/// A node of the model, as the kernel's maps are compiled from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Region<'n> {
    /// How it was reached for.
    pub reach: Reach,
    /// Components from the general to the particular; never empty.
    pub components: Vec<&'n BStr>,
    /// Sessions that touched it or something below it.
    pub support: usize,
    /// Sessions that touched it itself.
    pub touched: usize,
    /// It itself may be touched: [`Novelty::first_touch_bits`] of it is below the budget.
    pub known: bool,
    /// What is new below it, at any depth, may be touched: a fresh child is below the budget.
    pub open: bool,
    /// What a fresh child costs, bits.
    pub fresh_bits: f64,
    /// A person opened it: no session needs to have touched it.
    pub allowed: bool,
}

/// The hierarchical novelty model over places.
///
/// What is run and who is talked to is a habit of the task. Where files are looked for and kept is one of the agent: what
/// the agent's other tasks taught of files outside the workspace counts as well, at a price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Parts", into = "Parts")]
pub struct Novelty {
    trie: Trie,
    /// Of the agent's other tasks, as [`Novelty::leaning_on`] was told of them: each by itself, since they have sessions in
    /// common.
    others: Vec<Novelty>,
    openness: Vec<Openness>,
    sessions: usize,
    /// Several sessions overwrote files of the workspace: that destroys as much as removing them.
    overwrites: bool,
    /// Where the agent keeps its own state, by what its sessions of all tasks say.
    state: State,
    /// What a person opened besides. It belongs to a user and not to a baseline, and is not stored with it.
    allowed: Vec<Allowed>,
}

/// As it is stored: the rest follows.
#[derive(Serialize, Deserialize)]
struct Parts {
    trie: Trie,
    others: Vec<Trie>,
}

impl From<Trie> for Novelty {
    fn from(trie: Trie) -> Self {
        // A trie that does not fit together came from no encoder of ours; it teaches nothing.
        let trie = if trie.is_sound() { trie } else { Trie::new() };
        let sessions = trie.sessions();
        let state = State::default();
        let (others, openness, allowed) = (Vec::new(), Vec::new(), Vec::new());
        let mut novelty = Self { sessions, others, openness, overwrites: false, state, allowed, trie };
        novelty.settle();
        novelty
    }
}

impl From<Parts> for Novelty {
    fn from(Parts { trie, others }: Parts) -> Self {
        let mut novelty = Self { others: others.into_iter().map(Novelty::from).collect(), ..trie.into() };
        novelty.settle();
        novelty
    }
}

impl From<Novelty> for Parts {
    fn from(Novelty { trie, others, .. }: Novelty) -> Self {
        Self { trie, others: others.into_iter().map(|others| others.trie).collect() }
    }
}

impl Default for Novelty {
    fn default() -> Self {
        Trie::new().into()
    }
}

impl Novelty {
    /// Learns from sessions: for each, a number that tells its workspace from others, and the places that it touched
    /// (trusted ones, each once or more).
    pub fn learn<'p, P>(sessions: impl IntoIterator<Item = (u64, P)>) -> Self
    where
        P: IntoIterator<Item = &'p Place>,
    {
        let mut trie = Trie::new();
        for (workspace, places) in sessions {
            trie.learn(workspace, places.into_iter());
        }
        trie.into()
    }

    /// Lets the places of the agent's other tasks count as well. Only those of files outside the workspace are looked at.
    pub fn leaning_on(mut self, others: &Novelty) -> Self {
        let mut others = others.clone();
        others.prune();
        self.others = vec![others];
        self.settle();
        self
    }

    /// The other tasks', where they have a say.
    fn others(&self, reach: Reach, names: &[&BStr]) -> &[Novelty] {
        let root = names.first().is_some_and(|root| *root != "$workspace");
        if root && is_of_the_agent(reach) { &self.others } else { &[] }
    }

    /// What it costs here, or by what the other tasks taught, if that is less.
    fn least(&self, reach: Reach, names: &[&BStr], cost: impl Fn(&Novelty) -> f64) -> f64 {
        let others = self.others(reach, names).iter().map(|others| cost(others) + OTHERS_BITS);
        others.fold(cost(self), f64::min)
    }

    /// Opens what a person allowed, whatever sessions say.
    pub fn allow(&mut self, allowed: impl IntoIterator<Item = Allowed>) {
        self.allowed.extend(allowed);
    }

    /// Whether a person opened it. What is obeyed in the agent's own state is opened by sessions alone.
    fn is_allowed(
        &self,
        reach: Reach,
        names: &[&BStr],
        opens: fn(&Allowed, Reach, &[&BStr]) -> bool,
    ) -> bool {
        let is_opened = self.allowed.iter().any(|allowed| opens(allowed, reach, names));
        is_opened && !self.state.closes(reach, names)
    }

    /// Sessions that taught it.
    pub fn sessions(&self) -> usize {
        self.sessions
    }

    /// The same model as if the sessions with these numbers (in the order of learning) had never been seen.
    pub fn without(&self, sessions: &[u32]) -> Self {
        self.held_out(sessions, &BTreeSet::new())
    }

    /// The same as if, besides, the agent's other tasks had done nothing in these workspaces.
    pub(crate) fn held_out(&self, sessions: &[u32], workspaces: &BTreeSet<u64>) -> Self {
        let rest = self.others.iter().map(|others| {
            let there = others.trie.workspaces.iter().zip(0..);
            let gone: Vec<u32> = there.filter(|(of, _)| workspaces.contains(of)).map(|(_, at)| at).collect();
            if gone.is_empty() { others.clone() } else { others.without(&gone) }
        });
        let mut rest = Self { others: rest.collect(), ..self.trie.without(sessions).into() };
        rest.settle();
        rest
    }

    /// Where the agent keeps its own state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Adds the sessions of `other`, and leans on what either leans on: what was within the budget of either is within
    /// that of both.
    pub fn merge(&mut self, other: &Novelty) {
        self.others.extend(other.others.iter().cloned());
        self.allowed.extend(other.allowed.iter().cloned());
        self.trie.merge(&other.trie);
        self.sessions = self.trie.sessions();
        self.settle();
    }

    /// Forgets names that make no difference.
    pub fn prune(&mut self) {
        let openness = &self.openness;
        self.trie.prune(|at| openness.get(at).is_some_and(|openness| openness.open));
        self.settle();
    }

    /// What a first touch of `place` costs, in bits. At most 3.7 (a dozen sessions) for places that are known, a few
    /// for what is new in an open region, more than [`DENIAL_BUDGET_BITS`] for what is new in a closed one.
    pub fn first_touch_bits(&self, place: &Place) -> f64 {
        let names: Vec<&BStr> = place.components.iter().map(|name| name.as_bstr()).collect();
        let bits = self.least(place.reach, &names, |of| of.own_first_touch_bits(place, &names));
        let is_allowed = self.is_allowed(place.reach, &names, Allowed::opens);
        if is_allowed { bits.min(ALLOWED_BITS) } else { bits }
    }

    fn own_first_touch_bits(&self, place: &Place, names: &[&BStr]) -> f64 {
        let (at, depth) = self.trie.deepest(place.reach, names);
        let is_state = self.state.opens(place.reach, names);
        let floor = if is_state { STATE } else { self.evidence().floor(place.reach, names) };
        let mut bits = self.below(place.reach, at, names, depth + 1..names.len());
        if depth == names.len() && at >= Reach::ALL.len() {
            let node = &self.trie.nodes[at];
            let above = self.evidence().above(&self.openness, place.reach, node, names);
            let one = above.open
                || floor != Floor::None
                || is_drawn(place.reach, names)
                || place.reach == Reach::Exec && self.state.holds(names);
            let needed = if one { 1 } else { KNOWN_SESSIONS };
            if node.touched.len() >= needed {
                let share = (node.touched.len() as f64 + 0.5) / (self.sessions as f64 + 1.0);
                bits = bits.min((-share.log2()).min(KNOWN_BITS_MAX));
            } else if above.open || !self.openness[at].open {
                bits = above.bits.min(bits);
            }
        }
        match floor {
            Floor::Open { bits: floor } => bits.min(floor),
            Floor::Learned | Floor::None => bits,
        }
    }

    /// What something new below this directory (or address prefix) costs, at any depth, in bits.
    pub fn fresh_bits(&self, reach: Reach, components: &[&BStr]) -> f64 {
        let bits = self.least(reach, components, |of| of.own_fresh_bits(reach, components));
        let is_allowed = self.is_allowed(reach, components, Allowed::opens_below);
        if is_allowed { bits.min(ALLOWED_BITS) } else { bits }
    }

    fn own_fresh_bits(&self, reach: Reach, components: &[&BStr]) -> f64 {
        let (at, depth) = self.trie.deepest(reach, components);
        let below = self.below(reach, at, components, depth + 1..components.len() + 1);
        match self.evidence().floor_below(reach, components) {
            Floor::Open { bits } => below.min(bits),
            Floor::Learned | Floor::None => below,
        }
    }

    /// What something new costs behind a node, in directories that no session touched: as many of the components as are on
    /// the way there.
    fn below(&self, reach: Reach, at: usize, names: &[&BStr], unseen: Range<usize>) -> f64 {
        // What is obeyed is closed at any depth of the agent's own state, and so where no session was.
        let seen = &names[..unseen.start - 1];
        let is_obeyed = self.state.closes(reach, names) && !self.state.closes(reach, seen);
        let is_hidden = |depth: usize| names[0] != "$workspace" && region::is_boundary(&names[..depth]);
        let is_closed = is_obeyed || unseen.into_iter().any(is_hidden);
        if is_closed { Openness::closed(0).bits } else { self.openness[at].bits }
    }

    /// Whether anything new below this directory, at any depth, is within the budget.
    pub fn is_open(&self, reach: Reach, components: &[&BStr]) -> bool {
        self.fresh_bits(reach, components) < DENIAL_BUDGET_BITS
    }

    /// How many sessions surely reached so for a place or for something below it, and how many of its components any of
    /// them came to.
    pub fn support(&self, place: &Place) -> (usize, usize) {
        let names: Vec<&BStr> = place.components.iter().map(|name| name.as_bstr()).collect();
        let (at, depth) = self.trie.deepest(place.reach, &names);
        let node = Some(&self.trie.nodes[at]).filter(|_| depth == names.len());
        (node.map_or(0, |node| node.sessions().len()), depth)
    }

    /// Every node, parents before children, then regions about which something holds though no session went there, and what a
    /// person opened.
    /// Names that alone are new in open regions may be left out.
    pub fn regions(&self) -> impl Iterator<Item = Region<'_>> {
        let learned = self.nodes().map(|at| self.region(self.trie.reach(at), self.trie.components(at)));
        // What both know is told twice, by what each of them saw.
        let others = self.others.iter().flat_map(move |others| {
            others.nodes().filter_map(move |at| {
                let (reach, components) = (others.trie.reach(at), others.trie.components(at));
                if self.others(reach, &components).is_empty() {
                    return None;
                }
                let region = others.region(reach, components);
                let open = region.open && region.fresh_bits + OTHERS_BITS < DENIAL_BUDGET_BITS;
                Some(Region { fresh_bits: region.fresh_bits + OTHERS_BITS, open, ..region })
            })
        });
        let given = region::given().into_iter();
        let unseen = given.filter(|(reach, names)| self.trie.deepest(*reach, names).1 < names.len());
        let given = unseen.map(|(reach, names)| self.region(reach, names));
        let allowed = self.allowed.iter().map(|Allowed { place, .. }| {
            let names = place.components.iter().map(|name| name.as_bstr()).collect();
            Region { allowed: true, ..self.region(place.reach, names) }
        });
        learned.chain(others).chain(given).chain(allowed)
    }

    /// The nodes that somebody touched, by number; parents before children.
    fn nodes(&self) -> impl Iterator<Item = usize> + '_ {
        (Reach::ALL.len()..self.trie.nodes.len()).filter(|&at| !self.trie.nodes[at].is_empty())
    }

    fn region<'n>(&'n self, reach: Reach, components: Vec<&'n BStr>) -> Region<'n> {
        let place = Place { reach, components: components.iter().map(|&name| name.to_owned()).collect() };
        let (at, depth) = self.trie.deepest(reach, &components);
        let node = Some(&self.trie.nodes[at]).filter(|_| depth == components.len());
        let fresh_bits = self.fresh_bits(reach, &components);
        Region {
            reach,
            support: node.map_or(0, |node| node.sessions().len()),
            touched: node.map_or(0, |node| node.touched.len()),
            known: self.first_touch_bits(&place) < DENIAL_BUDGET_BITS,
            open: fresh_bits < DENIAL_BUDGET_BITS,
            fresh_bits,
            allowed: false,
            components,
        }
    }

    /// The deepest known node on the way to a place, by number.
    pub(crate) fn nearest(&self, place: &Place) -> usize {
        let names: Vec<&BStr> = place.components.iter().map(|name| name.as_bstr()).collect();
        self.trie.deepest(place.reach, &names).0
    }

    /// Works out what follows from the sessions.
    fn settle(&mut self) {
        self.state = self.kept();
        let workspace = self.trie.child(Trie::root(Reach::Write), "$workspace".into());
        self.overwrites = workspace.is_some_and(|at| self.trie.nodes[at].sessions().len() >= OPEN_SESSIONS);
        self.openness = self.evidence().of_all();
    }

    fn evidence(&self) -> Evidence<'_> {
        let Self { trie, sessions, state, overwrites, .. } = self;
        Evidence { trie, sessions: *sessions, state, overwrites: *overwrites }
    }

    /// Where several sessions say that the agent keeps its own state, whatever their task.
    fn kept(&self) -> State {
        let mut sessions: BTreeMap<Vec<BString>, usize> = BTreeMap::new();
        for trie in std::iter::once(&self.trie).chain(self.others.iter().map(|others| &others.trie)) {
            let Some(root) = trie.child(Trie::root(Reach::Create), KEPT.into()) else { continue };
            let nodes = trie.below(root).filter(|(_, node)| !node.touched.is_empty());
            for (at, node) in nodes {
                let directory = trie.components(at)[1..].iter().map(|&name| name.to_owned()).collect();
                *sessions.entry(directory).or_default() += node.touched.len();
            }
        }
        sessions.into_iter().filter(|(_, sessions)| *sessions >= KNOWN_SESSIONS).map(|(at, _)| at).collect()
    }
}

/// A new name that a session drew in a program's own directory: another one like it is no more than the program's routine,
/// and whatever has such a name already is left alone.
fn is_drawn(reach: Reach, names: &[&BStr]) -> bool {
    let [above @ .., name] = names else { return false };
    reach == Reach::Create && is_template(name) && names[0] == "$home" && !region::is_hub(above)
}

/// Reaches that are habits of the agent rather than of the task.
pub(crate) fn is_of_the_agent(reach: Reach) -> bool {
    matches!(reach, Reach::Read | Reach::Write | Reach::Create | Reach::Remove)
}
