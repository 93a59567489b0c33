//! The clock of all observations: CLOCK_BOOTTIME, which Wardline's records have too.

use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, SystemTime};

#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
/// Where no session runs, nothing is observed.
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

/// Now, in ns since the machine was started.
pub(crate) fn boottime_ns() -> u64 {
    let now = clock_gettime(CLOCK);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// A time that stands in an inode: as exact as the kernel's tick, some milliseconds, and untrue by as much as somebody
/// has set the clock since.
pub(crate) fn boottime_of(time: SystemTime) -> u64 {
    let ago = SystemTime::now().duration_since(time).unwrap_or(Duration::ZERO);
    boottime_ns().saturating_sub(u64::try_from(ago.as_nanos()).unwrap_or(u64::MAX))
}
