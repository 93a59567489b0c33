//! Target against realised: a threshold of p = 0.01 promises that one clean session in a hundred ever comes so far.

use super::proportion::Proportion;
use serde::{Deserialize, Serialize};
use statistics::bootstrap::Interval;

/// Targets that are looked at.
pub const TARGETS: [f64; 6] = [0.2, 0.1, 0.05, 0.02, 0.01, 0.001];

/// A promise, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibrated {
    /// Share of clean sessions that may reach it.
    pub target: f64,
    /// Those that did.
    pub realised: Proportion,
    /// Interval of their share.
    pub interval: Option<Interval>,
}

/// By the lowest p of each clean session.
pub fn calibrated(lowest: &[f64]) -> Vec<Calibrated> {
    TARGETS
        .iter()
        .map(|&target| {
            let realised = Proportion::count(lowest.iter().map(|&p| p <= target));
            Calibrated { target, realised, interval: realised.interval() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_by_those_at_or_below_it() {
        let rows = calibrated(&[0.5, 0.1, 0.04, 1.0]);
        assert_eq!(rows[1].realised, Proportion { hits: 2, of: 4 });
        assert_eq!(rows[2].realised, Proportion { hits: 1, of: 4 });
        assert_eq!(rows[5].realised, Proportion { hits: 0, of: 4 });
    }
}
