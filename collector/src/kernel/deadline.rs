//! The dead man's switch of the kernel side: past the deadline, no enforced session acts.

use super::Kernel;
use std::sync::atomic::Ordering;
use std::time::Duration;

impl Kernel {
    /// Pushes the deadline on, to `by` from now. Returns for how long it had passed.
    pub fn push_deadline(&self, by: Duration) -> Duration {
        let Some(word) = self.maps.deadline.word(abi::DEADLINE_NS) else { return Duration::ZERO };
        let now = monotonic_ns();
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let before = word.swap(now.saturating_add(by), Ordering::SeqCst);
        if before == 0 { Duration::ZERO } else { Duration::from_nanos(now.saturating_sub(before)) }
    }

    /// How many times a process was made to stand still past a deadline.
    pub fn deadline_stops(&self) -> u64 {
        self.maps.deadline.word(abi::DEADLINE_STOPS).map_or(0, |times| times.load(Ordering::SeqCst))
    }

    /// Members that were made to stand still, each with a number of the time when it last was.
    pub fn standing_still(&self) -> Vec<(u32, u32)> {
        let entries = self.maps.members.entries().into_iter();
        entries.filter(|(_, member)| member.stopped != 0).map(|(pid, member)| (pid, member.stopped)).collect()
    }
}

/// CLOCK_MONOTONIC, ns.
fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
