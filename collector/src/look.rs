//! How far it has been looked who listens: the kernel side asks when somebody outside begins to.

use crate::kernel::Kernel;
use std::sync::atomic::Ordering;
use std::time::Duration;
use sys::clock::monotonic_ns;

/// From when the kernel side says that somebody begins to listen until the kernel's tables show it. It takes microseconds, where nobody
/// else gets the processor meanwhile.
pub const LISTENS_AFTER: Duration = Duration::from_millis(5);

impl Kernel {
    /// How often somebody outside has begun to listen.
    pub fn asked_to_look(&self) -> u64 {
        self.maps.look.word(abi::LOOK_ASKED).map_or(0, |asked| asked.load(Ordering::Acquire))
    }

    /// A look is done, and what it found is written down. It began some time ago: who began to listen by [`LISTENS_AFTER`] before
    /// that is known.
    pub fn set_looked(&self, ago: Duration) {
        if let Some(known) = self.maps.look.word(abi::LOOK_KNOWN) {
            let ago = u64::try_from((ago + LISTENS_AFTER).as_nanos()).unwrap_or(u64::MAX);
            known.store(monotonic_ns().saturating_sub(ago).max(1), Ordering::Release);
        }
    }
}
