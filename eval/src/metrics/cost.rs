//! Cost: nanoseconds for each scored event, megabytes for each baseline.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Costs. Times differ from run to run; everything else does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// ns for each event scored, raw system calls of the session included: total time over all events.
    pub ns_per_event: f64,
    /// ns for each record of either kind.
    pub ns_per_record: f64,
    /// Seconds to train all baselines.
    pub training_s: f64,
}

/// From the time that scoring took.
pub fn cost(scoring: Duration, events: u64, syscalls: u64, training: Duration) -> Cost {
    let ns = scoring.as_nanos() as f64;
    let per = |count: u64| if count > 0 { ns / count as f64 } else { 0.0 };
    Cost {
        ns_per_event: per(events),
        ns_per_record: per(events + syscalls),
        training_s: training.as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_pays_for_its_calls() {
        let cost = cost(Duration::from_micros(10), 10, 90, Duration::from_secs(2));
        assert_eq!((cost.ns_per_event, cost.ns_per_record, cost.training_s), (1000.0, 100.0, 2.0));
    }
}
