//! The channels of a session as they run. The same code runs while calibrating and while scoring.
#![expect(clippy::indexing_slicing, reason = "each array has a place for each channel")]

use crate::block::Block;
use crate::channel::{CHANNELS, COUNT, Running};
use crate::group::Group;
use crate::learned::Models;
use crate::reader::{Call, Reader};
use event::Step;
use std::sync::Arc;

/// What a step brought about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effect {
    /// It was an action.
    pub action: bool,
    /// It counted for something that is rarely done.
    pub counted: bool,
    /// The block that the action before it was the last of.
    pub ended: Option<Block>,
}

/// The channels of one session.
#[derive(Clone, Debug)]
pub struct Channels {
    models: Arc<Models>,
    reader: Reader,
    running: [Box<dyn Running>; COUNT],
    values: [f64; COUNT],
    block: Block,
}

impl Channels {
    /// For one session, under these models.
    pub fn new(models: Arc<Models>) -> Self {
        Self {
            models,
            reader: Reader::default(),
            running: std::array::from_fn(|at| (CHANNELS[at].begin)()),
            values: [0.0; COUNT],
            block: Block::default(),
        }
    }

    /// The same under other models from now on.
    pub fn go_on_under(&mut self, models: Arc<Models>) {
        self.models = models;
        self.running.iter_mut().for_each(|channel| channel.relearned());
    }

    /// What they say in the block that the session is in.
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// The same with what came after the last action.
    pub fn standing(&self) -> Block {
        let mut block = self.block.clone();
        block.raise(&std::array::from_fn(|at| self.values[at].max(self.running[at].since())));
        block
    }

    /// Takes in a step. Values change with actions only.
    pub fn push(&mut self, step: &Step) -> Effect {
        let models = &*self.models;
        let seen = self.reader.step(step, models);
        for channel in &mut self.running {
            channel.step(&seen, models);
        }
        if !step.action {
            return Effect::default();
        }
        for (value, channel) in self.values.iter_mut().zip(&mut self.running) {
            *value = channel.act(&seen, models);
        }
        Effect { action: true, counted: seen.group.is_some(), ended: self.block.push(&self.values) }
    }

    /// Takes in a raw system call of a session that runs.
    pub fn push_syscall(&mut self, tid: u32, number: u32, ret: i64) {
        let call = self.reader.syscall(tid, number, ret, &self.models);
        self.call(call);
    }

    /// Takes in a raw system call of a trace as it was written down.
    pub fn push_call(&mut self, tid: u32, symbol: u32) {
        let call = self.reader.call(tid, symbol, &self.models);
        self.call(call);
    }

    fn call(&mut self, call: Option<Call>) {
        if let Some(call) = call {
            self.running.iter_mut().for_each(|channel| channel.call(call));
        }
    }

    /// Records are missing here.
    pub fn interrupt(&mut self) {
        self.reader.interrupt();
        self.running.iter_mut().for_each(|channel| channel.interrupt());
    }

    /// What the channel with this number counts, and speaks of.
    pub(crate) fn counted(&self, at: usize) -> Option<Group> {
        self.running.get(at)?.counted(&self.models)
    }

    /// What its value comes from, in words.
    pub(crate) fn reasons(&self, at: usize) -> Vec<String> {
        self.running.get(at).map_or_else(Vec::new, |channel| channel.reasons(&self.models))
    }
}
