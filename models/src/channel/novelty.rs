//! Places: what first touches cost above the everyday, running sum, bits.

use super::running::{Channel, Running};
use crate::learned::Models;
use crate::reader::Seen;
use crate::recent::Recent;
use crate::words::words;
use event::{Place, Reach};
use rustc_hash::FxHashMap;

pub(super) const CHANNEL: Channel = Channel::of_deeds("novelty", 4.0, || Box::new(Novelty::default()));

/// Half-life of the sum, in actions.
const HALF_LIFE: f64 = 64.0;

/// What a first touch costs every day: nothing is added up to here, in bits.
const EVERYDAY_BITS: f64 = 4.0;

#[derive(Clone, Debug, Default)]
struct Novelty {
    /// First touches that cost something, by the nearest known node.
    fresh_below: FxHashMap<usize, u32>,
    sum: f64,
    /// What came since the last action.
    pending: f64,
    recent: Recent<Place>,
}

impl Running for Novelty {
    /// Adds the cost of first touches. The k-th one below the same node counts for a k-th: what leads to one place leads to
    /// its neighbours.
    fn step(&mut self, seen: &Seen<'_>, models: &Models) {
        for (touch, bits) in seen.step.touches().zip(seen.touches) {
            let Some(bits) = bits.filter(|bits| *bits > EVERYDAY_BITS) else { continue };
            let times = self.fresh_below.entry(models.novelty.nearest(touch.place)).or_insert(0);
            *times += 1;
            self.pending += (bits - EVERYDAY_BITS) / f64::from(*times);
            self.recent.see(bits, || touch.place.clone());
        }
    }

    fn act(&mut self, _: &Seen<'_>, _: &Models) -> f64 {
        self.recent.act();
        self.sum *= (-1.0 / HALF_LIFE).exp2();
        self.sum += std::mem::take(&mut self.pending);
        self.sum
    }

    fn reasons(&self, _: &Models) -> Vec<String> {
        self.recent.told(|place| format!("{} `{}` for the first time", verb(place.reach), words(place)))
    }

    fn copy(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }
}

fn verb(reach: Reach) -> &'static str {
    match reach {
        Reach::Read => "reads",
        Reach::Write => "writes",
        Reach::Create => "makes",
        Reach::Remove => "removes",
        Reach::Exec => "runs",
        Reach::Connect | Reach::Unix => "connects to",
        Reach::Name => "asks for the name",
        Reach::Listen => "listens on",
    }
}
