//! How far it has been looked who listens: the kernel side asks when somebody outside begins to.

use crate::kernel::Kernel;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// From when the kernel side says that somebody begins to listen until the kernel's tables show it. It takes microseconds, where nobody
/// else gets the processor meanwhile; a busy machine has taken it away for longer than five milliseconds.
pub const LISTENS_AFTER: Duration = Duration::from_millis(50);

impl Kernel {
    /// How often somebody outside has begun to listen.
    pub fn asked_to_look(&self) -> u64 {
        self.maps.look.word(abi::LOOK_ASKED).map_or(0, |asked| asked.load(Ordering::Acquire))
    }

    /// A look is done, and what it found is written down. It began at that time of CLOCK_MONOTONIC, ns: who began to listen by
    /// [`LISTENS_AFTER`] before is known.
    pub fn set_looked(&self, began: u64) {
        if let Some(known) = self.maps.look.word(abi::LOOK_KNOWN) {
            let before = u64::try_from(LISTENS_AFTER.as_nanos()).unwrap_or(u64::MAX);
            known.store(began.saturating_sub(before).max(1), Ordering::Release);
        }
    }
}
