//! Openness: the cost of a new child of each node, by what sessions showed there and by what holds before anything was
//! learned.
#![expect(
    clippy::indexing_slicing,
    reason = "a table's rows name rows of the same table: what is read from a file is checked (`is_sound`), and `fuzz/targets/baseline.rs` looks for more"
)]

use crate::region::{self, Floor};
use crate::trie::{Node, Trie, union};
use crate::variety::is_varied;
use bstr::BStr;
use event::Reach;
use event::state::{KEPT, State};
use event::template::is_variable;

/// Budget of a first touch, in bits: what costs more is denied before it was ever seen. 2^-10 is one wrong denial in a
/// thousand sessions that come by.
pub const DENIAL_BUDGET_BITS: f64 = 10.0;

/// Sessions that must each have shown a child of their own, which the others had not, before a region is open. Three, so
/// that one session that was led astray, and a second one like it, open nothing. Where they share workspaces, twice as many.
pub const OPEN_SESSIONS: usize = 3;

/// The same for the regions that hold everything else: the home, the root, the whole of a network.
pub const ROOT_OPEN_SESSIONS: usize = 6;

/// What a fresh child costs at most where the region is open, in bits: far enough below the budget to be allowed, far
/// enough above an everyday new file to be noticed.
const OPEN_BITS_MAX: f64 = 6.0;

/// What a program of the system costs at most: near the budget, and below it.
const LEARNED_BITS_MAX: f64 = 9.0;

/// What something new costs in the agent's own state, in bits.
const STATE_BITS: f64 = 3.0;

/// Sessions' worth of belief that a directory has in what the directory above it showed.
const LEAN: f64 = 2.0;

/// What holds in the agent's own state.
pub(crate) const STATE: Floor = Floor::Open { bits: STATE_BITS };

/// What a fresh child of a node costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Openness {
    /// Bits.
    pub bits: f64,
    /// Within the budget.
    pub open: bool,
}

impl Openness {
    /// What a fresh child of a closed node costs: past the budget by two bits, and more the more sessions came by.
    pub fn closed(support: usize) -> Openness {
        Openness { bits: DENIAL_BUDGET_BITS + 2.0 + (1.0 + support as f64).log2(), open: false }
    }
}

/// What sessions say, and what else decides whether a region is open.
pub(crate) struct Evidence<'n> {
    /// Which of them touched what.
    pub trie: &'n Trie,
    /// How many there were.
    pub sessions: usize,
    /// Where the agent keeps its own state.
    pub state: &'n State,
    /// Several of them overwrote files of the workspace.
    pub overwrites: bool,
}

impl Evidence<'_> {
    /// The openness of every node, by number; parents come before their children.
    pub fn of_all(&self) -> Vec<Openness> {
        let mut known = Vec::with_capacity(self.trie.nodes.len());
        for at in 0..self.trie.nodes.len() {
            known.push(self.of(at, &known));
        }
        known
    }

    /// What holds for a place whatever was learned of it.
    pub fn floor(&self, reach: Reach, names: &[&BStr]) -> Floor {
        self.floor_by(reach, names, region::floor)
    }

    /// `given` is what holds before anything was learned at all.
    fn floor_by(&self, reach: Reach, names: &[&BStr], given: fn(Reach, &[&BStr]) -> Floor) -> Floor {
        if reach == Reach::Remove && self.overwrites && region::is_plain_workspace(names) {
            return Floor::Open { bits: OPEN_BITS_MAX };
        }
        given(reach, names)
    }

    /// The same of whatever is new below it.
    pub fn floor_below(&self, reach: Reach, names: &[&BStr]) -> Floor {
        if self.state.opens_below(reach, names) {
            STATE
        } else {
            self.floor_by(reach, names, region::floor_below)
        }
    }

    /// What the directory says of a node in it, where that is known of every directory: nothing, of what is obeyed in the
    /// agent's own state.
    pub fn above(&self, known: &[Openness], reach: Reach, node: &Node, names: &[&BStr]) -> Openness {
        if self.state.closes(reach, names) {
            Openness::closed(self.sessions)
        } else {
            known[node.parent as usize]
        }
    }

    fn of(&self, at: usize, known: &[Openness]) -> Openness {
        if at < Reach::ALL.len() {
            return Openness::closed(self.sessions);
        }
        let node = &self.trie.nodes[at];
        let names = self.trie.components(at);
        let reach = self.trie.reach(at);
        let support = node.sessions();
        if names[0] == KEPT {
            return Openness::closed(support.len());
        }
        let openers = self.trie.openers(at).len() as f64;
        let above = Some(self.above(known, reach, node, &names))
            .filter(|above| above.open && !region::is_boundary(&names));
        let lean = above.map_or(0.0, |above| LEAN * (-above.bits).exp2());
        let p = (openers + lean) / (support.len() as f64 + LEAN);
        let mut openness = if above.is_some() || self.opened(at, reach, &names, &support) {
            Openness { bits: (-p.log2()).clamp(0.0, OPEN_BITS_MAX), open: true }
        } else {
            Openness::closed(support.len())
        };
        match self.floor_below(reach, &names) {
            Floor::Open { bits } => openness = Openness { bits: openness.bits.min(bits), open: true },
            Floor::Learned if !openness.open => {
                let bits = -((openers + 0.5) / (support.len() as f64 + 1.0)).log2();
                openness = Openness { bits: bits.min(LEARNED_BITS_MAX), open: true };
            }
            Floor::Learned | Floor::None => {}
        }
        openness
    }

    /// Whether a node is open by its own evidence.
    fn opened(&self, at: usize, reach: Reach, names: &[&BStr], support: &[u32]) -> bool {
        // Names are forgotten only where the region was open.
        if !self.trie.nodes[at].fresh.is_empty() {
            return true;
        }
        if support.len() < OPEN_SESSIONS {
            return false;
        }
        if region::is_named_by_the_repository(reach, names) {
            return true;
        }
        // No name there is the workspace's: sessions of one are as good as those of several.
        if region::is_of_packages(names) && matches!(reach, Reach::Create | Reach::Read) {
            return true;
        }
        // What lies in a hub of programs is named after them: other programs are no names of the session's own, and a
        // template is one program's.
        let is_hub = region::is_hub(names);
        if !is_hub && !region::is_network(names) && self.numbered(at).len() >= OPEN_SESSIONS {
            return true;
        }
        let needed = if region::is_general(names) { ROOT_OPEN_SESSIONS } else { OPEN_SESSIONS };
        let counts = |child: &Node, session| !is_hub || child.is_named_for_itself(session);
        is_varied(&self.trie.shown(at, counts), needed)
    }

    /// Sessions that touched children whose names are templates, numbers, dates or hashes: such a directory names its
    /// children anew each time, even if every session so far ran on the same day.
    fn numbered(&self, at: usize) -> Vec<u32> {
        let children = self.trie.children(at);
        children
            .filter(|child| is_variable(&child.name))
            .fold(Vec::new(), |all, child| union(&all, &child.sessions()))
    }
}
