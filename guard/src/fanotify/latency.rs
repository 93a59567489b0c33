//! How long members waited for their answers.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use wire::Latency;

/// Latencies that are kept of a session: the latest ones.
const KEPT: usize = 4_096;

#[derive(Debug, Default)]
struct Of {
    answered: u64,
    refused: u64,
    latest_ns: Vec<u32>,
}

/// Of all sessions, by slot.
#[derive(Debug, Default)]
pub(super) struct Latencies(Mutex<HashMap<u32, Of>>);

impl Latencies {
    /// Notes an answer.
    pub(super) fn note(&self, slot: u32, took: Duration, allowed: bool) {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = sessions.entry(slot).or_default();
        let took = u32::try_from(took.as_nanos()).unwrap_or(u32::MAX);
        let oldest = usize::try_from(of.answered % KEPT as u64).unwrap_or_default();
        match of.latest_ns.get_mut(oldest) {
            Some(oldest) => *oldest = took,
            None => of.latest_ns.push(took),
        }
        of.answered += 1;
        of.refused += u64::from(!allowed);
    }

    /// What is known of a session, which is over: its slot is another's next.
    pub(super) fn take(&self, slot: u32) -> Latency {
        let of = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&slot).unwrap_or_default();
        let mut sorted = of.latest_ns;
        sorted.sort_unstable();
        let at =
            |share: usize| sorted.get(sorted.len().saturating_sub(1) * share / 100).copied().unwrap_or(0);
        Latency { answered: of.answered, refused: of.refused, p50_ns: at(50), p99_ns: at(99) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_its_own_and_the_next_in_its_slot_begins_anew() {
        let latencies = Latencies::default();
        for n in 1..=200 {
            latencies.note(1, Duration::from_nanos(n), n % 2 == 0);
        }
        latencies.note(2, Duration::from_secs(9), false);
        let latency = latencies.take(1);
        assert_eq!(latency, Latency { answered: 200, refused: 100, p50_ns: 100, p99_ns: 198 });
        assert_eq!(latencies.take(1), Latency::default());
        assert_eq!(latencies.take(2).p50_ns, u32::MAX);
    }
}
