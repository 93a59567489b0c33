//! Tokens in their thread: surprise of each after those before it, running mean, bits per event.
//!
//! Sustained surprise at several time scales tells far more than any single event does. A running mean is one from half
//! a half-life on, and rises to it from zero before: a session is not suspect because it has just begun, and a short one
//! is not taken for normal because it ended soon.

use super::running::{Channel, Running};
use crate::learned::Models;
use crate::mean::Mean;
use crate::reader::{Seen, Surprising};
use crate::recent::Recent;
use crate::thread::Threads;

/// A command: half-life of 8 events.
pub(super) const FAST: Channel = Channel::of_order("sequence", (0.8, 1.0 / 6.0), is_learned, || begin(8.0));
/// A tool call with its commands.
pub(super) const SLOW: Channel =
    Channel::of_order("sequence-slow", (0.45, 1.0 / 6.0), is_learned, || begin(64.0));

fn is_learned(models: &Models) -> bool {
    models.tokens.observations() > 0
}

fn begin(half_life: f64) -> Box<dyn Running> {
    Box::new(Sequence { half_life, means: Threads::default(), peak: 0.0, recent: Recent::default() })
}

#[derive(Clone, Debug)]
struct Sequence {
    half_life: f64,
    means: Threads<Mean>,
    peak: f64,
    recent: Recent<Surprising>,
}

impl Running for Sequence {
    fn step(&mut self, seen: &Seen<'_>, _: &Models) {
        let step = seen.step;
        if let Some(surprising) = seen.surprising {
            self.recent.see(surprising.bits, || surprising);
        }
        let mean = self.means.get(step.tid).push(seen.bits, self.half_life);
        self.peak = self.peak.max(mean);
        if let Some(child) = step.child {
            self.means.fork(step.tid, child);
        }
        if step.ended {
            self.means.end(step.tid);
        }
    }

    fn act(&mut self, _: &Seen<'_>, _: &Models) -> f64 {
        self.recent.act();
        std::mem::take(&mut self.peak)
    }

    fn since(&self) -> f64 {
        self.peak
    }

    fn reasons(&self, models: &Models) -> Vec<String> {
        self.recent.told(|surprising| surprising.words(&models.tokens))
    }

    fn copy(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }
}
