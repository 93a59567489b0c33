//! The curves: ROC, precision and recall, time to detect, target against realised, and detection at budgets of false alarms.
#![expect(clippy::cast_possible_truncation, reason = "a figure is rounded for a reader")]

use super::plot::{self, FLOOR, Ink, Line, SERIES};
use crate::Error;
use crate::metrics::floor::Floor;
use crate::result::{Arm, EvalResult, Quantiles};
use crate::words;
use maud::{Markup, html};

/// Where the second ROC plot ends: an operator lives at its left edge.
const LOW: f64 = 0.2;

/// The section.
pub fn section_of(result: &EvalResult) -> Result<Markup, Error> {
    let shown: Vec<(&Arm, Ink)> = [
        "T0 + T1 + T2: as it ships",
        "T0 + T1: with the compiled baseline",
        words::SCORE_ALONE,
        "one baseline for all, all stages",
    ]
    .iter()
    .zip(SERIES)
    .filter_map(|(name, ink)| Some((result.arms.iter().find(|arm| arm.name == *name)?, ink)))
    .collect();
    let lines = lines(&result.floors, |floor| &floor.roc, &shown, |arm| &arm.roc);
    let whole = plot::roc(&lines, 1.0, "ROC curves")?;
    let low = plot::roc(&lines, LOW, "ROC curves up to one clean session in five")?;
    let legend = html! {
        @for (arm, ink) in &shown { span { i.line.(ink_class(*ink)) {} (arm.name) } }
        span { i.line.floor {} "trivial floors: length, distinct calls, random" }
    };
    Ok(html! {
        div.columns {
            figure { (whole) figcaption.legend { (legend) } }
            figure { (low) figcaption { "The same up to one clean session in five." } }
            (precision_figure(result, &shown)?)
            (delay_figure(result)?)
            (calibrated_figure(result)?)
        }
        h3 { "At a budget of false alarms" }
        (operating(result))
        h3 { "Time to detect" }
        (delay_table(result))
    })
}

/// The floors under the arms, the first of which is on top.
fn lines<'r, P>(
    floors: &'r [Floor],
    of_floor: fn(&Floor) -> &Vec<P>,
    arms: &[(&'r Arm, Ink)],
    of_arm: fn(&Arm) -> &Vec<P>,
) -> Vec<Line<'r, P>> {
    let floors = floors.iter().map(|floor| Line { points: of_floor(floor), ink: FLOOR, floor: true });
    let arms = arms.iter().rev().map(|&(arm, ink)| Line { points: of_arm(arm), ink, floor: false });
    floors.chain(arms).collect()
}

/// Nothing where no arm has such a curve.
fn precision_figure(result: &EvalResult, shown: &[(&Arm, Ink)]) -> Result<Markup, Error> {
    if shown.iter().all(|(arm, _)| arm.precision_recall.is_empty()) {
        return Ok(html! {});
    }
    let lines = lines(&result.floors, |floor| &floor.precision_recall, shown, |arm| &arm.precision_recall);
    let (clean, attacks) = shown.first().map_or((0, 0), |(arm, _)| arm.sessions);
    let chance = attacks as f64 / (clean + attacks).max(1) as f64;
    let plot = plot::precision_recall(&lines, chance, "Precision-recall curves")?;
    Ok(html! { figure { (plot) figcaption.legend {
        @for (arm, ink) in shown { span { i.line.(ink_class(*ink)) {} (arm.name) "; average precision " (words::three(arm.average_precision)) } }
        span.quiet { (format!("precision among these {clean} clean sessions and {attacks} attacks; where attacks are rarer it is lower")) }
    } } })
}

fn ink_class(ink: Ink) -> &'static str {
    let at = SERIES.iter().position(|series| series.rgb() == ink.rgb()).unwrap_or(0);
    ["s1", "s2", "s3", "s4", "s5"][at]
}

fn in_ms(all: &[Quantiles]) -> Option<&Quantiles> {
    all.iter().find(|quantiles| quantiles.unit == "ms")
}

fn delay_figure(result: &EvalResult) -> Result<Markup, Error> {
    let empty = Quantiles::default();
    let (live, replayed) =
        (in_ms(&result.delays.live).unwrap_or(&empty), in_ms(&result.delays.offline).unwrap_or(&empty));
    let lines: [(&[_], Ink); 2] = [(&live.curve, SERIES[1]), (&replayed.curve, SERIES[0])];
    let plot = plot::delays(&lines, "ms", "Share of attacks detected within a time")?;
    Ok(html! { figure { (plot) figcaption.legend {
        span { i.line.s2 {} "live" } span { i.line.s1 {} "replayed" }
        span.quiet { "Kaplan–Meier; misses are censored where their session ended" }
    } } })
}

fn calibrated_figure(result: &EvalResult) -> Result<Markup, Error> {
    let least = 0.5 / (result.basis.clean.max(1) as f64);
    let lines: Vec<(Vec<(f64, f64)>, Ink)> = result
        .calibrated
        .iter()
        .zip(SERIES)
        .map(|(by, ink)| {
            let rows = by.rows.iter().filter_map(|row| Some((row.target, row.realised.share()?)));
            (rows.collect(), ink)
        })
        .collect();
    let plot = plot::calibrated(&lines, least, "Promised against realised rate of clean sessions")?;
    Ok(html! { figure { (plot) figcaption.legend {
        @for (by, ink) in result.calibrated.iter().zip(SERIES) { span { i.line.(ink_class(ink)) {} (by.calibration) } }
        span.quiet { "above the grey line: more clean sessions than promised" }
    } } })
}

fn operating(result: &EvalResult) -> Markup {
    html! { div.scroll { table {
        thead { tr {
            th.number { "allowed per agent-hour" } th.number { "attacks detected" } th.number { "false alarms" }
            th.number { "hours" } th.number { "realised" } th.number { "at most (95 %)" } th.number { "threshold on p" }
        } }
        tbody { @for row in &result.operating { tr {
            td.number { (row.budget) }
            td.number { (words::percent(row.detected.share())) small { " " (words::of(row.detected)) } }
            td.number { (row.false_alarms) } td.number { (format!("{:.2}", row.hours)) }
            td.number { (format!("{:.2}", row.rate)) } td.number { (format!("{:.2}", row.at_most)) }
            td.number { (words::p(row.threshold)) }
        } } }
    } }
    @if let Some(row) = result.operating.first() { @if row.budget < row.resolution {
        p.quiet { (format!("One false alarm in these {:.2} hours is already {:.1} an hour: smaller budgets are met by none at all, and what they promise is the last column but one.", row.hours, row.resolution)) }
    } } }
}

fn delay_table(result: &EvalResult) -> Markup {
    let number = |value: Option<f64>, unit: &str| match (value, unit) {
        (value, "ms") => words::ms(value),
        (Some(value), _) => text::thousands(value.round() as u64),
        (None, _) => "–".to_owned(),
    };
    html! { div.scroll { table {
        thead { tr { th { "" } th { "unit" } th.number { "half detected within" } th.number { "nine in ten within" } } }
        tbody {
            @for (name, all) in [("live", &result.delays.live), ("replayed", &result.delays.offline)] { @for row in all { tr {
                td { (name) } td { (row.unit) } td.number { (number(row.half, &row.unit)) } td.number { (number(row.nine_tenths, &row.unit)) }
            } } }
            @for (stage, row) in &result.delays.by_stage { tr {
                td { "replayed, first by " (stage) } td { (row.unit) } td.number { (number(row.half, &row.unit)) } td.number { (number(row.nine_tenths, &row.unit)) }
            } }
        }
    } } }
}

/// With its heading.
pub fn section(result: &EvalResult) -> Result<Markup, Error> {
    Ok(super::section::section(
        "curves",
        "Curves",
        "A session is called an attack when its lowest p, from the onset on, is at or below a threshold; the curves run through all thresholds. Nothing was tuned on these sessions.",
        &section_of(result)?,
    ))
}
