//! The clocks: of events, and of what the kernel side waits for.

use rustix::time::{ClockId, clock_gettime};

/// A tick of `/proc/PID/stat`, ns: 10 ms on every architecture (USER_HZ = 100).
pub const NS_PER_TICK: u64 = 10_000_000;

/// CLOCK_BOOTTIME, ns.
pub fn boot_ns() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// CLOCK_MONOTONIC, ns.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
