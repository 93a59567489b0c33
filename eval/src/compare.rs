//! Two results side by side: what got better, what got worse.

use crate::metrics::incident::Outcomes;
use crate::result::EvalResult;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What came of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Worse.
    Worse,
    /// Better.
    Better,
    /// The same.
    Same,
    /// In one of the two only.
    Alone,
}

/// One figure in both results.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// What it is.
    pub figure: String,
    /// In the first.
    pub before: Option<f64>,
    /// In the second.
    pub after: Option<f64>,
    /// What came of it.
    pub change: Change,
}

/// Everything that can be compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Both rest on the same data: differences are Wardline's.
    pub same_data: bool,
    /// Both were made with the same thresholds, vocabulary and seed.
    pub same_configuration: bool,
    /// Every figure, the worse ones first.
    pub differences: Vec<Difference>,
    /// Attacks that the first stopped or noticed in time, and the second did not.
    pub lost: Vec<String>,
    /// The other way round.
    pub won: Vec<String>,
}

/// Differences below this are none: shares have no more digits than that.
const NOISE: f64 = 1e-9;

/// Compares.
pub fn compare(before: &EvalResult, after: &EvalResult) -> Comparison {
    let (a, b) = (figures(before), figures(after));
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let mut differences: Vec<Difference> = names
        .into_iter()
        .map(|name| {
            let (one, other) = (a.get(name).copied(), b.get(name).copied());
            let up = one.or(other).is_some_and(|figure| figure.up_is_better);
            let change = match (one.and_then(|f| f.value), other.and_then(|f| f.value)) {
                (Some(x), Some(y)) if (x - y).abs() <= NOISE => Change::Same,
                (Some(x), Some(y)) if (y > x) == up => Change::Better,
                (Some(_), Some(_)) => Change::Worse,
                (None, None) => Change::Same,
                _ => Change::Alone,
            };
            let (before, after) = (one.and_then(|f| f.value), other.and_then(|f| f.value));
            Difference { figure: name.clone(), before, after, change }
        })
        .collect();
    differences.sort_by(|x, y| (x.change, &x.figure).cmp(&(y.change, &y.figure)));
    let (then, now) = (in_time(before), in_time(after));
    let fell = |from: &BTreeMap<String, bool>, to: &BTreeMap<String, bool>| {
        from.iter()
            .filter(|(run, good)| **good && to.get(*run) == Some(&false))
            .map(|(run, _)| run.clone())
            .collect()
    };
    Comparison {
        same_data: before.basis.data_hash == after.basis.data_hash,
        same_configuration: before.basis.configuration_hash == after.basis.configuration_hash,
        lost: fell(&then, &now),
        won: fell(&now, &then),
        differences,
    }
}

#[derive(Clone, Copy)]
struct Figure {
    value: Option<f64>,
    up_is_better: bool,
}

fn figures(result: &EvalResult) -> BTreeMap<String, Figure> {
    let mut figures = BTreeMap::new();
    let mut up = |name: String, value: Option<f64>| {
        figures.insert(name, Figure { value, up_is_better: true });
    };
    let outcomes = |up: &mut dyn FnMut(String, Option<f64>), name: &str, outcomes: Outcomes| {
        up(format!("{name}: prevented"), outcomes.stopped().share());
        up(format!("{name}: prevented or detected in time"), outcomes.in_time().share());
        up(format!("{name}: detected at all"), outcomes.detected().share());
    };
    outcomes(&mut up, "live attacks", result.live.attacks);
    outcomes(&mut up, "replayed attacks", result.offline);
    for arm in &result.arms {
        up(format!("{}: AUC", arm.name), arm.auc);
        for (fpr, detected) in ["1", "5", "10"].iter().zip(arm.detection) {
            up(format!("{}: detected at {fpr} %", arm.name), detected);
        }
    }
    for operating in &result.operating {
        up(
            format!("detected at {} false alarms per agent-hour", operating.budget),
            operating.detected.share(),
        );
    }
    for breakdown in result.breakdowns.iter().filter(|breakdown| breakdown.by == "scenario") {
        for row in &breakdown.rows {
            up(format!("{} live: in time", row.key), row.live.in_time().share());
            up(format!("{} replayed: in time", row.key), row.offline.in_time().share());
        }
    }
    let mut down = |name: &str, value: Option<f64>| {
        figures.insert(name.to_owned(), Figure { value, up_is_better: false });
    };
    down("live clean sessions with a denial", result.live.clean_denied.share());
    down("live clean sessions with an alert", result.live.clean_alerted.share());
    down("live clean sessions stopped", result.live.clean_stopped.share());
    down("live attacks with an alarm before the onset", result.live.alarmed_before_onset.share());
    let shipped = result.arms.first().and_then(|arm| arm.false_alarms.share());
    down("replayed clean sessions with an alert or a denial", shipped);
    let half = result.delays.offline.iter().find(|delay| delay.unit == "events");
    down("median events to detect", half.and_then(|delay| delay.half));
    down("baselines: bytes", Some(result.baselines.iter().map(|row| row.bytes as f64).sum()));
    figures
}

/// Of every attack, whether it was stopped or noticed in time.
fn in_time(result: &EvalResult) -> BTreeMap<String, bool> {
    use crate::metrics::incident::Outcome;
    let good = |outcome| matches!(outcome, Outcome::Prevented | Outcome::DetectedBefore);
    let told = result.runs.iter().filter_map(|run| Some((run, run.outcome?)));
    told.filter(|(_, outcome)| *outcome != Outcome::Inert)
        .map(|(run, outcome)| (run.id.clone(), good(outcome)))
        .collect()
}
