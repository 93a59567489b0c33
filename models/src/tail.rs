//! Past the highest value that any clean session had: a stated extrapolation.
//!
//! Peaks over threshold (Pickands 1975; Balkema and de Haan 1974): what exceeds a high threshold is about generalised
//! Pareto. Each session is one cluster of dependent blocks, so that its maximum is its only peak. With a dozen peaks a
//! shape cannot be told from zero: the tail is taken as exponential (shape 0, heavier than that of any bounded or
//! Gaussian score), and its scale not as estimated but as the upper end of its 90 % interval, `2 k mean / chi2(2k)`.
//! A tail begins at the highest value seen plus a margin, with the probability that one more session exceeds all
//! others, 1 / (sessions + 1). Its shape is assumed all the same, so that what it says of p counts for ten times as much.
//!
//! For channels whose value is a modelled -log2 p, the model is the tail, slowed by as much as held-out sessions show
//! it to be too sure.

use crate::reading::Reading;
use serde::{Deserialize, Serialize};

/// Sessions below which nothing is extrapolated.
const SESSIONS_MIN: usize = 3;

/// What a value must exceed the highest clean one by, as a share of the scale.
const MARGIN: f64 = 0.5;

/// What an exponential tail may be wrong by far out: with a shape of a quarter instead of zero, a value that it gives
/// one session in ten thousand has one in a thousand.
const DOUBT: f64 = 10.0;

/// Bits that a modelled surprise may exceed log2(sessions + 1) by, before the model is held to be too sure.
const SLACK_BITS: f64 = 2.0;

/// Extrapolated p-values end here: nothing that a dozen sessions taught is rarer than one in a million.
const P_MIN: f64 = 1e-6;

/// The tail of one channel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Tail {
    /// Nothing is said.
    None,
    /// Falls by e for every `scale` past `from`, where it is `p`.
    Exponential {
        /// The highest value of a clean session.
        from: f64,
        /// Upper end of the scale's interval, in the value's unit.
        scale: f64,
        /// 1 / (sessions + 1).
        p: f64,
    },
    /// Halves with every bit of value, times `slope`.
    Modelled {
        /// The highest value of a clean session, bits.
        from: f64,
        /// At most 1.
        slope: f64,
        /// 1 / (sessions + 1).
        p: f64,
    },
}

impl Tail {
    /// From the maxima of held-out sessions.
    pub fn fit(maxima: &[f64], reading: Reading) -> Self {
        if maxima.len() < SESSIONS_MIN {
            return Tail::None;
        }
        let mut maxima = maxima.to_vec();
        maxima.sort_unstable_by(f64::total_cmp);
        let sessions = maxima.len() as f64;
        let (from, p) = (maxima[maxima.len() - 1], 1.0 / (sessions + 1.0));
        if reading.modelled {
            let sure = (sessions + 1.0).log2() + SLACK_BITS;
            return Tail::Modelled { from, slope: (sure / from.max(1e-9)).min(1.0), p };
        }
        let threshold = maxima[maxima.len() / 2];
        let excesses: Vec<f64> = maxima[maxima.len() / 2..].iter().map(|value| value - threshold).collect();
        let peaks = excesses.len() as f64 - 1.0;
        let upper =
            if peaks >= 1.0 { 2.0 * excesses.iter().sum::<f64>() / chi2_tenth(2.0 * peaks) } else { 0.0 };
        Tail::Exponential { from, scale: upper.max(reading.unit), p }
    }

    /// The tail that says less, at every value, than either.
    pub(crate) fn wider(self, other: Tail) -> Tail {
        match (self, other) {
            (Tail::Exponential { from: a, scale: b, p: c }, Tail::Exponential { from, scale, p }) => {
                Tail::Exponential { from: from.max(a), scale: scale.max(b), p: p.max(c) }
            }
            (Tail::Modelled { from: a, slope: b, p: c }, Tail::Modelled { from, slope, p }) => {
                Tail::Modelled { from: from.max(a), slope: slope.min(b), p: p.max(c) }
            }
            _ => Tail::None,
        }
    }

    pub(crate) fn is_sound(&self) -> bool {
        match *self {
            Tail::None => true,
            Tail::Exponential { from, scale: rate, p } | Tail::Modelled { from, slope: rate, p } => {
                from.is_finite() && rate.is_finite() && rate > 0.0 && (P_MIN..=1.0).contains(&p)
            }
        }
    }

    /// The extrapolated p of a value; `None` where nothing is said.
    pub fn p(&self, value: f64) -> Option<f64> {
        match *self {
            Tail::None => None,
            Tail::Exponential { from, scale, p } => {
                let past = (value - from) / scale - MARGIN;
                (past > 0.0).then(|| (p * (-past).exp() * DOUBT).clamp(P_MIN, 1.0))
            }
            Tail::Modelled { from, slope, p } => {
                (value > from + 1.0).then(|| (-value * slope).exp2().clamp(P_MIN, p))
            }
        }
    }
}

/// The lower tenth of a chi-squared distribution, by the cube-root approximation of Wilson and Hilferty 1931: within
/// 2 % from four degrees of freedom.
fn chi2_tenth(degrees: f64) -> f64 {
    const Z: f64 = -1.2816;
    let part = 2.0 / (9.0 * degrees);
    degrees * (1.0 - part + Z * part.sqrt()).powi(3).max(0.01)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_is_that_of_the_tables() {
        for (degrees, expected) in [(2.0, 0.211), (4.0, 1.064), (10.0, 4.865), (12.0, 6.304), (30.0, 20.599)]
        {
            assert!(
                (chi2_tenth(degrees) / expected - 1.0).abs() < 0.08,
                "{degrees}: {}",
                chi2_tenth(degrees)
            );
        }
    }

    #[test]
    fn two_sessions_are_not_extrapolated_from() {
        let reading = Reading { cumulative: false, modelled: false, unit: 0.1, tail: true };
        assert_eq!(Tail::fit(&[1.0, 2.0], reading), Tail::None);
    }

    #[test]
    fn a_model_that_was_too_sure_is_slowed() {
        let reading = Reading { cumulative: true, modelled: true, unit: 1.0, tail: true };
        let sober = Tail::fit(&[1.0, 0.0, 3.0, 2.0], reading);
        let rash = Tail::fit(&[1.0, 0.0, 30.0, 2.0], reading);
        assert_eq!(sober.p(14.0), Some((-14.0f64).exp2()));
        assert_eq!(rash.p(14.0), None);
        assert!(rash.p(40.0) > sober.p(15.0));
    }

    #[test]
    fn a_tail_that_begins_below_the_least_p_is_not_sound() {
        for (p, sound) in
            [(P_MIN, true), (0.5, true), (P_MIN / 2.0, false), (0.0, false), (1.5, false), (f64::NAN, false)]
        {
            assert_eq!(Tail::Modelled { from: 1.0, slope: 1.0, p }.is_sound(), sound, "{p}");
            assert_eq!(Tail::Exponential { from: 1.0, scale: 1.0, p }.is_sound(), sound, "{p}");
        }
        assert_eq!(Tail::Modelled { from: 1.0, slope: 1.0, p: P_MIN }.p(1e9), Some(P_MIN));
    }
}
