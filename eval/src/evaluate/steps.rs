//! How far the analyses are that run beside each other.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Hears what is being done, with how much of how much.
pub type Told<'t> = &'t (dyn Fn(&str, usize, usize) + Sync);

/// Counts steps that are done on any thread, and tells it.
pub struct Steps<'t> {
    told: Told<'t>,
    what: &'static str,
    done: AtomicUsize,
    of: usize,
}

impl<'t> Steps<'t> {
    /// None of them is done.
    pub fn begin(told: Told<'t>, what: &'static str, of: usize) -> Steps<'t> {
        told(what, 0, of);
        Steps { told, what, done: AtomicUsize::new(0), of }
    }

    /// One more is done.
    pub fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        (self.told)(self.what, done, self.of);
    }
}
