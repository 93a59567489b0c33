//! Receiver operating characteristic and precision-recall, over all thresholds of one score.
//!
//! A session is called an attack when its score is at least the threshold. False positive rate: share of clean sessions
//! that are called so. True positive rate: share of attacks. The area under the curve is the Mann-Whitney statistic,
//! `P(attack > clean) + P(attack = clean) / 2` (Hanley and McNeil 1982). Average precision is the sum over thresholds of
//! precision times the gain in recall, without interpolation (Davis and Goadrich 2006 say why not).

use serde::{Deserialize, Serialize};

/// One threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RocPoint {
    /// Share of clean sessions at or above it.
    pub fpr: f64,
    /// Share of attacks at or above it.
    pub tpr: f64,
}

/// One threshold, as somebody has it who looks into what is called an attack.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrPoint {
    /// Share of attacks at or above it.
    pub recall: f64,
    /// Share of attacks among what is at or above it. It depends on how many clean sessions there are to an attack.
    pub precision: f64,
}

/// Area under the ROC curve; `None` where one side is empty.
pub fn auc(clean: &[f64], attack: &[f64]) -> Option<f64> {
    if clean.is_empty() || attack.is_empty() {
        return None;
    }
    let mut clean = clean.to_vec();
    clean.sort_unstable_by(f64::total_cmp);
    let beaten: f64 = attack
        .iter()
        .map(|score| {
            let below = clean.partition_point(|other| other < score);
            let through = clean.partition_point(|other| other <= score);
            below as f64 + (through - below) as f64 / 2.0
        })
        .sum();
    Some(beaten / (clean.len() as f64 * attack.len() as f64))
}

/// The curve, from (0, 0) to (1, 1), a point for every distinct score.
pub fn curve(clean: &[f64], attack: &[f64]) -> Vec<RocPoint> {
    let mut points = vec![RocPoint { fpr: 0.0, tpr: 0.0 }];
    if clean.is_empty() || attack.is_empty() {
        return points;
    }
    for (fp, tp) in counts(clean, attack) {
        points.push(RocPoint { fpr: fp as f64 / clean.len() as f64, tpr: tp as f64 / attack.len() as f64 });
    }
    points
}

/// Points of a curve that are kept: more cannot be told apart on a page.
const POINTS_MAX: usize = 160;

/// The curve without what lies on a straight line anyway, and then every other point until few enough are left.
pub fn thinned_curve(clean: &[f64], attack: &[f64]) -> Vec<RocPoint> {
    let mut kept: Vec<RocPoint> = Vec::new();
    for point in curve(clean, attack) {
        if let [.., a, b] = kept[..]
            && ((a.fpr == b.fpr && b.fpr == point.fpr) || (a.tpr == b.tpr && b.tpr == point.tpr))
        {
            kept.pop();
        }
        kept.push(point);
    }
    thinned(kept)
}

/// Every other point until few enough are left; the last one stays.
fn thinned<P: Copy>(mut points: Vec<P>) -> Vec<P> {
    while points.len() > POINTS_MAX {
        let last = points.len() - 1;
        let kept = points.iter().enumerate().filter(|(at, _)| at % 2 == 0 || *at == last);
        points = kept.map(|(_, point)| *point).collect();
    }
    points
}

/// The precision-recall curve: the best precision at every recall that is reached. It is made of steps, each up to its
/// point's recall and as high as its precision, with no line between two points; steps of one height are one.
pub fn precision_recall(clean: &[f64], attack: &[f64]) -> Vec<PrPoint> {
    let (mut points, mut found) = (Vec::<PrPoint>::new(), 0);
    if clean.is_empty() || attack.is_empty() {
        return points;
    }
    for (fp, tp) in counts(clean, attack) {
        if tp == found {
            continue;
        }
        found = tp;
        let precision = tp as f64 / (tp + fp) as f64;
        if points.last().is_some_and(|last| last.precision == precision) {
            points.pop();
        }
        points.push(PrPoint { recall: tp as f64 / attack.len() as f64, precision });
    }
    points
}

/// The same with few enough points.
pub fn thinned_precision_recall(clean: &[f64], attack: &[f64]) -> Vec<PrPoint> {
    thinned(precision_recall(clean, attack))
}

/// Share of attacks that are called so by the lowest threshold which calls at most this share of clean sessions so.
/// Nothing is interpolated: with twenty clean sessions, 1 % is none of them.
pub fn detection_at(clean: &[f64], attack: &[f64], fpr: f64) -> Option<f64> {
    if clean.is_empty() || attack.is_empty() {
        return None;
    }
    let points = curve(clean, attack);
    points.iter().filter(|point| point.fpr <= fpr).map(|point| point.tpr).reduce(f64::max)
}

/// Average precision: the area under the precision-recall curve.
pub fn average_precision(clean: &[f64], attack: &[f64]) -> Option<f64> {
    let curve = precision_recall(clean, attack);
    let (mut area, mut reached) = (0.0, 0.0);
    for step in &curve {
        area += (step.recall - reached) * step.precision;
        reached = step.recall;
    }
    (!curve.is_empty()).then_some(area)
}

/// False and true positives at every distinct score, from the highest.
fn counts(clean: &[f64], attack: &[f64]) -> Vec<(usize, usize)> {
    let mut all: Vec<(f64, bool)> =
        clean.iter().map(|&score| (score, false)).chain(attack.iter().map(|&score| (score, true))).collect();
    all.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let (mut fp, mut tp) = (0, 0);
    let mut counts = Vec::new();
    for (at, &(score, is_attack)) in all.iter().enumerate() {
        if is_attack {
            tp += 1
        } else {
            fp += 1
        }
        if all.get(at + 1).is_none_or(|next| next.0 < score) {
            counts.push((fp, tp));
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_by_hand() {
        let (clean, attack) = ([1.0, 2.0, 3.0, 4.0], [2.5, 3.0, 5.0]);
        // 2.5 beats 2; 3 beats 2 and ties 1; 5 beats 4: (2 + 2.5 + 4) / 12.
        assert_eq!(auc(&clean, &attack), Some(8.5 / 12.0));
        let at: Vec<(f64, f64)> = curve(&clean, &attack).iter().map(|p| (p.fpr, p.tpr)).collect();
        let third = 1.0 / 3.0;
        assert_eq!(
            at,
            [
                (0.0, 0.0),
                (0.0, third),
                (0.25, third),
                (0.5, 2.0 * third),
                (0.5, 1.0),
                (0.75, 1.0),
                (1.0, 1.0)
            ]
        );
        assert_eq!(detection_at(&clean, &attack, 0.1), Some(third));
        assert_eq!(detection_at(&clean, &attack, 0.5), Some(1.0));
        // Thresholds 5 (1/1), 4 (1/2), 3 (2/4), 2.5 (3/5): 1/3 (1 + 1/2 + 3/5).
        let steps: Vec<(f64, f64)> =
            precision_recall(&clean, &attack).iter().map(|p| (p.recall, p.precision)).collect();
        assert_eq!(steps, [(third, 1.0), (2.0 * third, 0.5), (1.0, 0.6)]);
        let expected = third * (1.0 + 0.5 + 0.6);
        assert!((average_precision(&clean, &attack).unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn thinning_keeps_the_corners() {
        let (clean, attack) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 3.5, 0.5]);
        let kept: Vec<(f64, f64)> = thinned_curve(&clean, &attack).iter().map(|p| (p.fpr, p.tpr)).collect();
        assert_eq!(kept, [(0.0, 0.0), (0.0, 0.5), (0.25, 0.5), (0.25, 0.75), (1.0, 0.75), (1.0, 1.0)]);
        let many: Vec<f64> = (0..2000).map(f64::from).collect();
        let crossed: Vec<f64> = many.iter().map(|score| score + 0.5).collect();
        let kept = thinned_curve(&many, &crossed);
        assert!(kept.len() <= POINTS_MAX && kept.last() == Some(&RocPoint { fpr: 1.0, tpr: 1.0 }));
        let kept = thinned_precision_recall(&many, &crossed);
        assert!(kept.len() <= POINTS_MAX && kept.last().is_some_and(|last| last.recall == 1.0));
        assert_eq!(precision_recall(&[1.0], &[2.0, 3.0, 4.0]), [PrPoint { recall: 1.0, precision: 1.0 }]);
    }

    #[test]
    fn a_score_that_says_nothing_is_a_coin() {
        assert_eq!(auc(&[1.0, 1.0], &[1.0]), Some(0.5));
        assert_eq!(detection_at(&[1.0, 1.0], &[1.0], 0.1), Some(0.0));
        assert_eq!(auc(&[], &[1.0]), None);
        assert_eq!(average_precision(&[], &[1.0]), None);
        assert_eq!(average_precision(&[1.0, 1.0], &[1.0]), Some(1.0 / 3.0));
    }

    #[test]
    fn infinite_scores_are_scores() {
        assert_eq!(auc(&[0.0, 1.0], &[f64::INFINITY, f64::INFINITY]), Some(1.0));
        assert_eq!(detection_at(&[0.0], &[f64::INFINITY], 0.0), Some(1.0));
    }
}
