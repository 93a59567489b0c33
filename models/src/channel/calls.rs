//! Raw system calls in their thread: surprise of each after those before it, running mean, bits per call.

use super::running::{Channel, Running};
use crate::learned::Models;
use crate::mean::Mean;
use crate::reader::{Call, Seen};
use crate::recent::Recent;
use crate::thread::Threads;

/// Half-life of 64 calls: an event has some twenty.
pub(super) const FAST: Channel = Channel::of_order("syscalls", (0.6, 1.0 / 6.0), is_learned, || begin(64.0));
/// The same of a tool call with its commands.
pub(super) const SLOW: Channel =
    Channel::of_order("syscalls-slow", (0.25, 1.0 / 6.0), is_learned, || begin(1024.0));

fn is_learned(models: &Models) -> bool {
    models.syscalls.observations() > 0
}

fn begin(half_life: f64) -> Box<dyn Running> {
    Box::new(Calls { half_life, means: Threads::default(), peak: 0.0, recent: Recent::default() })
}

#[derive(Clone, Debug)]
struct Calls {
    half_life: f64,
    means: Threads<Mean>,
    peak: f64,
    /// Symbols.
    recent: Recent<u32>,
}

impl Running for Calls {
    fn step(&mut self, seen: &Seen<'_>, _: &Models) {
        if let Some(child) = seen.step.child {
            self.means.fork(seen.step.tid, child);
        }
        if seen.step.ended {
            self.means.end(seen.step.tid);
        }
    }

    fn call(&mut self, call: Call) {
        self.recent.see(call.bits, || call.symbol);
        let mean = self.means.get(call.tid).push(call.bits, self.half_life);
        self.peak = self.peak.max(mean);
    }

    fn act(&mut self, _: &Seen<'_>, _: &Models) -> f64 {
        self.recent.act();
        std::mem::take(&mut self.peak)
    }

    fn since(&self) -> f64 {
        self.peak
    }

    fn reasons(&self, models: &Models) -> Vec<String> {
        self.recent.told(|&symbol| {
            let (number, failed) = (symbol >> 1, symbol & 1 == 1);
            let call = format!("system call {number}{}", if failed { ", which failed," } else { "" });
            match models.syscalls.count(symbol) {
                0 => format!("{call} was never seen while training"),
                seen => format!("{call} came in an unusual order: it was seen {seen} times while training"),
            }
        })
    }

    fn copy(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }
}
