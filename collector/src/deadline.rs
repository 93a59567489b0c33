//! The dead man's switch of the kernel side: past the deadline, no enforced session acts. Who reaches for somebody that has just begun
//! to listen stands still as well, until it is known who that is.

use crate::kernel::Kernel;
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

    /// How many times a process was made to stand still, past a deadline or until it is looked who listens.
    pub fn deadline_stops(&self) -> u64 {
        self.maps.deadline.word(abi::DEADLINE_STOPS).map_or(0, |times| times.load(Ordering::SeqCst))
    }

    /// Members that were made to stand still.
    pub fn standing_still(&self) -> Vec<Standing> {
        let entries = self.maps.members.entries().into_iter().filter(|(_, member)| member.stopped != 0);
        entries.map(|(pid, member)| Standing { pid, since: member.stopped, look: member.look }).collect()
    }

    /// How often somebody was made to wait until it is looked who listens.
    pub fn asked_to_look(&self) -> u64 {
        self.maps.deadline.word(abi::DEADLINE_ASKED).map_or(0, |asked| asked.load(Ordering::SeqCst))
    }

    /// A look is done that began when that was `asked`.
    pub fn set_looked(&self, asked: u64) {
        if let Some(looked) = self.maps.deadline.word(abi::DEADLINE_LOOKED) {
            looked.store(asked, Ordering::SeqCst);
        }
    }

    /// Whose wait for a look is over, as [`Standing::waits`] wants it.
    pub fn looked(&self) -> u64 {
        self.maps.deadline.word(abi::DEADLINE_LOOKED).map_or(0, |looked| looked.load(Ordering::SeqCst))
    }
}

/// A member that was made to stand still.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Its process.
    pub pid: u32,
    /// A number of the time when it last was.
    pub since: u32,
    look: u32,
}

impl Standing {
    /// Whether it waits for a look, of those that are done up to a number.
    pub fn waits(&self, looked: u64) -> bool {
        // Numbers wrap around; 0: it never did.
        self.look != 0 && (looked as u32).wrapping_sub(self.look).cast_signed() < 0
    }
}

/// CLOCK_MONOTONIC, ns.
fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_a_look_does_so_until_one_is_done_that_began_later() {
        let standing = |look| Standing { pid: 1, since: 1, look };
        assert!(!standing(0).waits(0) && !standing(3).waits(3) && !standing(3).waits(7));
        assert!(
            standing(3).waits(2) && standing(2).waits(0xffff_fff0) && !standing(0xffff_fff0).waits(1 << 32)
        );
    }
}
