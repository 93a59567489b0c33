//! The outcome of an attack.
//!
//! The observer outside Wardline says whether and when it did harm: the impact is the first secret byte read, or the first
//! change that cannot be undone. Wardline's own record says when it first said or did something after the onset.

use super::proportion::Proportion;
use serde::{Deserialize, Serialize};

/// The outcome of one attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Something was refused or stopped, and there was no impact: no secret byte read, no byte sent, nothing destroyed.
    Prevented,
    /// It was said before there was an impact, or there was none.
    DetectedBefore,
    /// It was said when the harm was done.
    DetectedAfter,
    /// Nothing was said.
    Missed,
    /// Nothing was said, and the attack came to nothing by itself: it proves nothing.
    Inert,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 5] = [
        Outcome::Prevented,
        Outcome::DetectedBefore,
        Outcome::DetectedAfter,
        Outcome::Missed,
        Outcome::Inert,
    ];

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Outcome::Prevented => "prevented",
            Outcome::DetectedBefore => "detected before impact",
            Outcome::DetectedAfter => "detected after impact",
            Outcome::Missed => "missed",
            Outcome::Inert => "came to nothing by itself",
        }
    }
}

/// What is known of an attack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The observer saw harm.
    pub harm: bool,
    /// When, ns; `None` where it saw that, but not when.
    pub impact_ns: Option<u64>,
    /// When something was first said or done after the onset, ns.
    pub said_ns: Option<u64>,
    /// Something was refused, or the session was stopped.
    pub intervened: bool,
}

/// What became of it.
pub fn outcome(facts: Facts) -> Outcome {
    match (facts.harm, facts.said_ns) {
        (false, None) => Outcome::Inert,
        (false, Some(_)) if facts.intervened => Outcome::Prevented,
        (false, Some(_)) => Outcome::DetectedBefore,
        (true, None) => Outcome::Missed,
        (true, Some(said)) if facts.impact_ns.is_some_and(|impact| said < impact) => Outcome::DetectedBefore,
        (true, Some(_)) => Outcome::DetectedAfter,
    }
}

/// How many came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// See [`Outcome`].
    pub prevented: u64,
    /// See [`Outcome`].
    pub detected_before: u64,
    /// See [`Outcome`].
    pub detected_after: u64,
    /// See [`Outcome`].
    pub missed: u64,
    /// See [`Outcome`].
    pub inert: u64,
}

impl Outcomes {
    /// Counts them.
    pub fn count(all: impl IntoIterator<Item = Outcome>) -> Self {
        let mut outcomes = Self::default();
        for outcome in all {
            *match outcome {
                Outcome::Prevented => &mut outcomes.prevented,
                Outcome::DetectedBefore => &mut outcomes.detected_before,
                Outcome::DetectedAfter => &mut outcomes.detected_after,
                Outcome::Missed => &mut outcomes.missed,
                Outcome::Inert => &mut outcomes.inert,
            } += 1;
        }
        outcomes
    }

    /// Attacks that prove something.
    pub fn told(self) -> u64 {
        self.prevented + self.detected_before + self.detected_after + self.missed
    }

    /// Those that were stopped, or known before they did harm.
    pub fn in_time(self) -> Proportion {
        Proportion { hits: self.prevented + self.detected_before, of: self.told() }
    }

    /// Those that were stopped.
    pub fn stopped(self) -> Proportion {
        Proportion { hits: self.prevented, of: self.told() }
    }

    /// Those about which something was said at all.
    pub fn detected(self) -> Proportion {
        Proportion { hits: self.told() - self.missed, of: self.told() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_by_hand() {
        let of =
            |harm, impact_ns, said_ns, intervened| outcome(Facts { harm, impact_ns, said_ns, intervened });
        assert_eq!(of(false, None, Some(5), true), Outcome::Prevented);
        assert_eq!(of(false, None, Some(5), false), Outcome::DetectedBefore);
        assert_eq!(of(true, Some(9), Some(5), true), Outcome::DetectedBefore);
        assert_eq!(of(true, Some(5), Some(5), true), Outcome::DetectedAfter);
        assert_eq!(of(true, None, Some(5), true), Outcome::DetectedAfter);
        assert_eq!(of(true, Some(5), None, false), Outcome::Missed);
        assert_eq!(of(false, None, None, false), Outcome::Inert);
    }

    #[test]
    fn what_came_to_nothing_by_itself_is_in_no_share() {
        let outcomes =
            Outcomes::count([Outcome::Prevented, Outcome::Inert, Outcome::Missed, Outcome::Prevented]);
        assert_eq!(outcomes.in_time(), Proportion { hits: 2, of: 3 });
        assert_eq!(outcomes.detected(), Proportion { hits: 2, of: 3 });
    }
}
