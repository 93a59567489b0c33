//! From a score to what is done about it.

use crate::score::Score;
use serde::{Deserialize, Serialize};

/// What is done, from the mildest to the hardest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing.
    Allow,
    /// It is said.
    Alert,
    /// A person is asked.
    Ask,
    /// The deny-list is widened: what was not seen while training is refused.
    Restrict,
    /// As little as can be is left open.
    Contain,
    /// The session is frozen; it can be continued.
    Freeze,
    /// The session is killed. It cannot be undone.
    Kill,
}

impl Verdict {
    /// Its name, as users see it.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Allow => "allow",
            Verdict::Alert => "alert",
            Verdict::Ask => "ask",
            Verdict::Restrict => "restrict",
            Verdict::Contain => "contain",
            Verdict::Freeze => "freeze",
            Verdict::Kill => "kill",
        }
    }
}

/// Budgets of false alarms, each as a p: the share of clean sessions that may come this far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// From here it is said.
    pub alert: f64,
    /// From here something is done. A tenth of it contains, a hundredth freezes, a thousandth kills, if it is proved.
    pub act: f64,
}

impl Default for Thresholds {
    /// An agent's session is some half an hour of work: one false alert in fifty hours, one false restriction in five
    /// hundred.
    fn default() -> Self {
        Self { alert: 1e-2, act: 1e-3 }
    }
}

/// Below this confidence no score acts by itself: a person decides.
const CONFIDENCE_MIN: f64 = 0.9;

impl Thresholds {
    /// The verdict on a score. An extrapolated score never kills, and where it may not be acted upon a person decides; a
    /// stretch with losses is never normal.
    pub fn verdict(&self, score: &Score) -> Verdict {
        let by_p = match score.acting.p {
            p if p <= self.act / 1000.0 && !score.acting.extrapolated => Verdict::Kill,
            p if p <= self.act / 100.0 => Verdict::Freeze,
            p if p <= self.act / 10.0 => Verdict::Contain,
            p if p <= self.act => Verdict::Restrict,
            _ if score.p <= self.act => Verdict::Ask,
            _ if score.p <= self.alert => Verdict::Alert,
            _ if score.lossy => Verdict::Alert,
            _ => Verdict::Allow,
        };
        if by_p >= Verdict::Restrict && score.confidence < CONFIDENCE_MIN { Verdict::Ask } else { by_p }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::P;

    fn score(p: f64, extrapolated: bool) -> Score {
        let acting = P { p, extrapolated };
        Score {
            p,
            extrapolated,
            acting,
            channels: Vec::new(),
            reasons: Vec::new(),
            confidence: 1.0,
            lossy: false,
        }
    }

    #[test]
    fn an_extrapolation_never_kills() {
        let thresholds = Thresholds::default();
        assert_eq!(thresholds.verdict(&score(1e-7, true)), Verdict::Freeze);
        assert_eq!(thresholds.verdict(&score(1e-7, false)), Verdict::Kill);
        assert_eq!(thresholds.verdict(&score(1e-3, true)), Verdict::Restrict);
        assert_eq!(thresholds.verdict(&score(0.5, false)), Verdict::Allow);
    }

    #[test]
    fn past_what_is_proved_a_person_decides_on_an_unusual_order() {
        let thresholds = Thresholds::default();
        let order = |p| Score { acting: P { p: 0.2, extrapolated: false }, ..score(p, true) };
        assert_eq!(thresholds.verdict(&order(9e-6)), Verdict::Ask);
        assert_eq!(thresholds.verdict(&order(5e-3)), Verdict::Alert);
        assert_eq!(thresholds.verdict(&order(0.5)), Verdict::Allow);
    }

    #[test]
    fn what_was_not_seen_whole_is_neither_normal_nor_acted_upon() {
        let thresholds = Thresholds::default();
        let lossy = |p| Score { lossy: true, confidence: 0.5, ..score(p, true) };
        assert_eq!(thresholds.verdict(&lossy(1.0)), Verdict::Alert);
        assert_eq!(thresholds.verdict(&lossy(1e-7)), Verdict::Ask);
    }
}
