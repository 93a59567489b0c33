//! Time to detect: from the onset of an attack to the alarm that found it, with misses censored where their session ended.
//!
//! Misses must not be left out: a detector that finds the easy half fast would look fast. The share that is still
//! unfound after `t` is the product-limit estimate `S(t) = product over t_i <= t of (1 - d_i / n_i)` (Kaplan and Meier
//! 1958); quantiles are those of `1 - S`.

use serde::{Deserialize, Serialize};

/// What one attack took to be found, or for how long it was not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delay {
    /// From the onset, in whatever unit.
    pub after: f64,
    /// Found then; otherwise the session ended then.
    pub found: bool,
}

/// A step of the curve: the share that is found within a delay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The delay.
    pub after: f64,
    /// `1 - S(after)`
    pub found: f64,
}

/// The share found, at every delay at which one was found.
pub fn curve(delays: &[Delay]) -> Vec<Step> {
    let mut delays = delays.to_vec();
    // What was found at a delay was at risk of it, and so was what ended there.
    delays.sort_unstable_by(|a, b| a.after.total_cmp(&b.after).then(b.found.cmp(&a.found)));
    let (mut left, mut surviving) = (delays.len() as f64, 1.0);
    let mut steps: Vec<Step> = Vec::new();
    for delay in delays {
        if delay.found {
            surviving *= 1.0 - 1.0 / left;
            match steps.last_mut() {
                Some(step) if step.after == delay.after => step.found = 1.0 - surviving,
                _ => steps.push(Step { after: delay.after, found: 1.0 - surviving }),
            }
        }
        left -= 1.0;
    }
    steps
}

/// The delay within which this share is found; `None` where it never is.
pub fn quantile(delays: &[Delay], share: f64) -> Option<f64> {
    curve(delays).iter().find(|step| step.found >= share - 1e-12).map(|step| step.after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(after: f64) -> Delay {
        Delay { after, found: true }
    }

    fn missed(after: f64) -> Delay {
        Delay { after, found: false }
    }

    #[test]
    fn a_case_by_hand() {
        let delays = [found(2.0), missed(3.0), found(4.0), found(4.0), missed(9.0)];
        // 4/5, then two of three: 4/5 x 2/3 x 1/2.
        let curve = curve(&delays);
        assert_eq!(curve.len(), 2);
        assert!((curve[0].found - 0.2).abs() < 1e-12);
        assert!((curve[1].found - (1.0 - 0.8 / 3.0)).abs() < 1e-12);
        assert_eq!(quantile(&delays, 0.5), Some(4.0));
        assert_eq!(quantile(&delays, 0.9), None);
    }

    #[test]
    fn without_misses_it_is_the_plain_median_and_without_finds_nothing() {
        assert_eq!(quantile(&[found(3.0), found(1.0), found(2.0)], 0.5), Some(2.0));
        assert_eq!(quantile(&[missed(3.0)], 0.5), None);
        assert_eq!(curve(&[]), []);
    }
}
