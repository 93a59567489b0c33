//! What sessions taught is learned by itself, where that is configured, while no session runs: one training at a time, each of one
//! agent of one user, in a process of its own.

use crate::starter::{Order, Starter};
use event::AgentName;
use guard::child::Child;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time without a session before a training begins: it takes a processor.
pub(super) const QUIET: Duration = Duration::from_secs(1);

/// Whose agents are to be trained, and the training that runs.
#[derive(Debug, Default)]
pub(super) struct Learning(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeSet<(u32, AgentName)>,
    running: Option<Child>,
}

impl Learning {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session of a user's agent has ended. Whether it teaches anything is the training's to say.
    pub(super) fn note(&self, uid: u32, agent: &AgentName) {
        if !agent.is_unsaid() {
            self.queue().waiting.insert((uid, agent.clone()));
        }
    }

    /// Takes in the end of a training. Whether there is anything left to learn.
    pub(super) fn look_after(&self) -> bool {
        let mut queue = self.queue();
        let ended = queue.running.as_mut().map(Child::try_wait);
        match ended {
            Some(Ok(None)) => return true,
            Some(Ok(Some(status))) if !status.success() => {
                tracing::error!(%status, "a training failed: `wardline train --update` says why");
            }
            Some(Err(error)) => tracing::error!(%error, "a training was lost"),
            Some(Ok(Some(_))) | None => {}
        }
        queue.running = None;
        !queue.waiting.is_empty()
    }

    /// Begins the next training, where none runs.
    pub(super) fn go_on(&self, starter: &Starter) {
        let mut queue = self.queue();
        if queue.running.is_some() {
            return;
        }
        let Some((uid, agent)) = queue.waiting.pop_first() else { return };
        tracing::info!(uid, agent = agent.as_str(), "what was recorded is learned");
        match starter.child(&Order::Train { uid, agent }, &[]) {
            Ok(child) => queue.running = Some(child),
            Err(error) => tracing::error!(uid, %error, "no training could be started"),
        }
    }
}
