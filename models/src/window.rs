//! Windows of a session: what its last actions were, as a vector.
#![expect(clippy::cast_possible_truncation, reason = "there are fewer cells than the number has room for")]
#![expect(clippy::indexing_slicing, reason = "there is a feature for each cell")]

use event::{Class, Op, Step};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Actions in a window. A coding agent's tool call is some five to twenty actions, so that a window holds a few.
pub const WINDOW_ACTIONS: usize = 64;

/// Actions from one window to the next while training: three quarters overlap.
pub const WINDOW_STRIDE: usize = 16;

/// Kinds of operation that a window tells apart.
const KINDS: usize = 10;
/// Kinds of place that a window tells apart.
const AREAS: usize = 9;
/// Features: kinds x areas, the three outcomes but success, and first touches.
pub const FEATURES: usize = KINDS * AREAS + 4;

/// One window: log(1 + count) of each feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Features(pub Vec<f32>);

/// What one action adds to a window.
#[derive(Clone, Copy, Debug)]
struct Act {
    cell: u8,
    outcome: u8,
    first: bool,
}

/// The last [`WINDOW_ACTIONS`] actions of one session.
#[derive(Clone, Debug)]
pub struct Window {
    acts: VecDeque<Act>,
    counts: [u32; FEATURES],
    features: Features,
}

impl Default for Window {
    fn default() -> Self {
        let acts = VecDeque::with_capacity(WINDOW_ACTIONS);
        Self { acts, counts: [0; FEATURES], features: Features(vec![0.0; FEATURES]) }
    }
}

impl Window {
    /// Takes in an action; `first`: it touched a place that the session had not touched.
    pub fn push(&mut self, step: &Step, first: bool) {
        let cell = kind(step) * AREAS + area(step.token.class());
        let act = Act { cell: cell as u8, outcome: (step.token.0 & 3) as u8, first };
        if self.acts.len() == WINDOW_ACTIONS
            && let Some(old) = self.acts.pop_front()
        {
            self.count(old, u32::wrapping_sub);
        }
        self.acts.push_back(act);
        self.count(act, u32::wrapping_add);
    }

    fn count(&mut self, act: Act, change: fn(u32, u32) -> u32) {
        let mut feature = |at: usize| {
            self.counts[at] = change(self.counts[at], 1);
            self.features.0[at] = (self.counts[at] as f32).ln_1p();
        };
        feature(usize::from(act.cell));
        if act.outcome > 0 {
            feature(KINDS * AREAS + usize::from(act.outcome) - 1);
        }
        if act.first {
            feature(KINDS * AREAS + 3);
        }
    }

    /// The window as a vector; `None` until it is full.
    pub fn features(&self) -> Option<&Features> {
        (self.acts.len() == WINDOW_ACTIONS).then_some(&self.features)
    }
}

/// What a feature counts, in words.
pub(crate) fn feature_words(at: usize) -> String {
    const KIND_WORDS: [&str; KINDS] = [
        "what it opens to read",
        "what it opens to write",
        "what it makes",
        "what it removes",
        "what it renames",
        "what it changes otherwise",
        "what it runs",
        "what it connects or sends to",
        "where it listens",
        "what else it does",
    ];
    const AREA_WORDS: [&str; AREAS] = [
        "in the workspace",
        "in the agent's own state",
        "in settings, caches and tools of the home",
        "elsewhere in the home and in other projects",
        "among temporary files",
        "in the system",
        "on other machines",
        "on this machine's sockets",
        "at no place",
    ];
    const REST_WORDS: [&str; 4] = [
        "what was absent",
        "what was refused",
        "what failed otherwise",
        "what it touches for the first time",
    ];
    match (KIND_WORDS.get(at / AREAS), at.checked_sub(KINDS * AREAS)) {
        (Some(kind), _) => format!("{kind} {}", AREA_WORDS[at % AREAS]),
        (None, rest) => rest.and_then(|rest| REST_WORDS.get(rest)).copied().unwrap_or_default().to_owned(),
    }
}

fn kind(step: &Step) -> usize {
    let writes = step.token.0 & (2 << 2) != 0;
    match step.token.op() {
        Some(Op::Open) if writes => 1,
        Some(Op::Open) => 0,
        Some(Op::Create | Op::Mkdir | Op::Link | Op::Symlink) => 2,
        Some(Op::Unlink | Op::Rmdir) => 3,
        Some(Op::Rename) => 4,
        Some(Op::Truncate | Op::Chmod | Op::Chown | Op::Setxattr) => 5,
        Some(Op::Exec) => 6,
        Some(Op::Connect | Op::Send) => 7,
        Some(Op::Bind | Op::Listen) => 8,
        _ => 9,
    }
}

fn area(class: Class) -> usize {
    match class {
        Class::Workspace | Class::Git => 0,
        Class::AgentState => 1,
        Class::HomeConfig | Class::HomeCache | Class::Toolchain => 2,
        Class::Home | Class::HomeSecret | Class::OtherProject | Class::OtherHome | Class::Elsewhere => 3,
        Class::Tmp => 4,
        Class::System | Class::SystemConfig | Class::SystemState | Class::Kernel | Class::Device => 5,
        Class::Host | Class::PrivateNet | Class::LinkLocal => 6,
        Class::Loopback | Class::Unix => 7,
        Class::None | Class::Inside | Class::Outside => 8,
    }
}
