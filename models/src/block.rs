//! The channels' values in a session, by block.
#![expect(
    clippy::cast_possible_truncation,
    reason = "what a channel says is kept as precisely as it is known"
)]
#![expect(clippy::indexing_slicing, reason = "each array has a place for each channel")]

use crate::channel::COUNT;
use serde::{Deserialize, Serialize};

/// Actions in a block: a few tool calls of an agent, and few enough that a short session still gives one.
pub const BLOCK_ACTIONS: usize = 32;

/// What the channels say in the block that a session is in, and in the one before it: what is said on two sides of a
/// border is said together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    before: [f64; COUNT],
    now: [f64; COUNT],
    actions: usize,
}

impl Block {
    /// Takes in the channels' values after an action. What they had said, where a block had come to its end.
    pub fn push(&mut self, values: &[f64; COUNT]) -> Option<Block> {
        let ended = (self.actions == BLOCK_ACTIONS).then(|| {
            let next = Block { before: self.now, ..Block::default() };
            std::mem::replace(self, next)
        });
        self.raise(values);
        self.actions += 1;
        ended
    }

    /// Takes in values that no action has come to yet.
    pub fn raise(&mut self, values: &[f64; COUNT]) {
        for (highest, value) in self.now.iter_mut().zip(values) {
            *highest = highest.max(*value);
        }
    }

    /// The highest value of each channel.
    pub fn highest(&self) -> [f64; COUNT] {
        std::array::from_fn(|at| self.now[at].max(self.before[at]))
    }
}

/// What the channels said in a session that was held out, by block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Held {
    #[serde(rename = "w")]
    workspace: u64,
    #[serde(rename = "b")]
    blocks: Vec<[f32; COUNT]>,
    #[serde(rename = "a")]
    actions: u64,
}

impl Held {
    /// Of a session in the workspace with this number.
    pub fn of(workspace: u64) -> Self {
        Self { workspace, ..Self::default() }
    }

    /// Adds a block, if anything was said in it.
    pub fn push(&mut self, block: &Block) {
        if block.actions > 0 || block.now.iter().any(|value| *value > 0.0) {
            self.blocks.push(block.highest().map(|value| value as f32));
            self.actions += block.actions as u64;
        }
    }

    /// The workspace that it was in.
    pub fn workspace(&self) -> u64 {
        self.workspace
    }

    /// Its actions.
    pub fn actions(&self) -> u64 {
        self.actions
    }

    /// What was said, by block.
    pub fn values(&self) -> impl Iterator<Item = [f64; COUNT]> + '_ {
        self.blocks.iter().map(|block| block.map(f64::from))
    }

    /// The highest value of each channel.
    pub(crate) fn highest(&self) -> [f64; COUNT] {
        self.values()
            .fold([0.0; COUNT], |highest, block| std::array::from_fn(|at| highest[at].max(block[at])))
    }

    /// Nothing was said in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.blocks.iter().flatten().all(|value| value.is_finite() && *value >= 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_on_two_sides_of_a_border_is_said_together_and_a_remainder_is_not_lost() {
        let (mut block, mut held) = (Block::default(), Held::of(1));
        for action in 0..=2 * BLOCK_ACTIONS {
            let mut values = [0.0; COUNT];
            values[action % 2] = action as f64;
            if let Some(ended) = block.push(&values) {
                held.push(&ended);
            }
        }
        held.push(&block);
        let said: Vec<[f64; 2]> = held.values().map(|values| [values[0], values[1]]).collect();
        assert_eq!(said, [[30.0, 31.0], [62.0, 63.0], [64.0, 63.0]]);
        assert_eq!((held.actions(), held.highest()[0]), (65, 64.0));
        let mut silent = Held::of(1);
        silent.push(&Block::default());
        assert!(silent.is_empty());
    }
}
