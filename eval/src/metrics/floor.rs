//! Trivial floors: what a score that knows nothing would reach. Whatever does not beat them was not learned.
//!
//! On ADFA-LD the number of distinct calls alone reaches an AUC above .8, so no table goes without them. Each floor is
//! read in the direction that flatters it, for the whole session, attack or not.

use super::roc;
use serde::{Deserialize, Serialize};

/// What a session is, to somebody who does not look into it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trivia {
    /// Events.
    pub length: f64,
    /// Distinct tokens.
    pub distinct: f64,
    /// A number drawn at random.
    pub random: f64,
}

/// One floor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    /// `length`, `distinct calls`, `random`
    pub name: String,
    /// Area under the ROC curve, at least one half.
    pub auc: Option<f64>,
    /// Detection at 1, 5 and 10 % of clean sessions.
    pub detection: [Option<f64>; 3],
    /// The curve.
    pub roc: Vec<roc::RocPoint>,
    /// The precision-recall curve.
    #[serde(default)]
    pub precision_recall: Vec<roc::PrPoint>,
}

/// The three.
pub fn floors(clean: &[Trivia], attack: &[Trivia]) -> Vec<Floor> {
    type Read = fn(&Trivia) -> f64;
    let names: [(&str, Read); 3] =
        [("length", |t| t.length), ("distinct calls", |t| t.distinct), ("random", |t| t.random)];
    names
        .into_iter()
        .map(|(name, of)| {
            let scores = |sign: f64| {
                let read = |all: &[Trivia]| all.iter().map(|t| sign * of(t)).collect::<Vec<f64>>();
                (read(clean), read(attack))
            };
            let more = scores(1.0);
            let flattered = match roc::auc(&more.0, &more.1) {
                Some(auc) if auc < 0.5 && name != "random" => scores(-1.0),
                _ => more,
            };
            Floor {
                name: name.to_owned(),
                auc: roc::auc(&flattered.0, &flattered.1),
                detection: [0.01, 0.05, 0.1].map(|fpr| roc::detection_at(&flattered.0, &flattered.1, fpr)),
                roc: roc::thinned_curve(&flattered.0, &flattered.1),
                precision_recall: roc::thinned_precision_recall(&flattered.0, &flattered.1),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_is_read_in_its_better_direction() {
        let of = |length, distinct| Trivia { length, distinct, random: 0.0 };
        let floors = floors(&[of(9.0, 1.0), of(8.0, 3.0)], &[of(1.0, 2.0), of(2.0, 4.0)]);
        assert_eq!(floors[0].auc, Some(1.0));
        assert_eq!(floors[1].auc, Some(0.75));
        assert_eq!(floors[2].auc, Some(0.5));
    }
}
