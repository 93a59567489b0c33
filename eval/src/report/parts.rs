//! The value of each part of Wardline, and the cost of learning.

use super::plot;
use super::section::section;
use super::tables::share;
use crate::Error;
use crate::result::{Arm, EvalResult, Poisoned};
use crate::words;
use maud::{Markup, html};

fn arm_table<'a>(arms: impl IntoIterator<Item = &'a Arm>, result: Option<&EvalResult>) -> Markup {
    html! {
        div.scroll { table.arms {
            thead { tr {
                th { "" } th.number { "AUC" } th.number { "at 1 %" } th.number { "at 5 %" } th.number { "at 10 %" }
                th.number { "attacks alerted on" } th.number { "clean alerted on" }
            } }
            tbody {
                @for arm in arms { tr {
                    td { (arm.name) }
                    td.number { (words::three(arm.auc)) br; small { (words::three_range(arm.auc_interval)) } }
                    @for (detected, interval) in arm.detection.iter().zip(arm.detection_intervals) {
                        td.number { (words::percent(*detected)) br; small { (words::range(interval)) } }
                    }
                    td.number { (share(arm.alerted)) }
                    td.number { (share(arm.false_alarms)) }
                } }
                @if let Some(result) = result { @for floor in &result.floors { tr.floor {
                    td { "floor: " (floor.name) }
                    td.number { (words::three(floor.auc)) }
                    @for detected in floor.detection { td.number { (words::percent(detected)) } }
                    td {} td {}
                } } }
            }
        } }
    }
}

/// What each part is worth.
pub fn ablations(result: &EvalResult) -> Markup {
    let families = [
        ("stages", "Stages"),
        ("scope", "Whose sessions share a baseline"),
        ("channels", "Channels of the score"),
        ("calibration", "Where the scale comes from"),
    ];
    let body = html! {
        @for (family, title) in families {
            h3 { (title) }
            (arm_table(result.arms.iter().filter(|arm| arm.family == family), Some(result)))
        }
    };
    section(
        "parts",
        "What each part is worth",
        "Each row is the same test sessions with something left out or shared. Intervals are bootstrapped over clusters of sessions. The floors know nothing but length, vocabulary and chance.",
        &body,
    )
}

/// What a row of the poisoned is of.
fn poisoned(row: &Poisoned) -> String {
    if row.screened {
        return format!("Screening let {} of them in.", row.trained);
    }
    let asked: Vec<String> = row.asked.iter().map(|share| format!("{:.0} %", share * 100.0)).collect();
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    let asked = if asked.is_empty() { String::new() } else { format!("Asked for {}: ", words::list(&asked)) };
    let baselines =
        if row.groups > 0 { format!(" of {}", text::count(row.groups, "baseline")) } else { String::new() };
    format!(
        "{asked}{} of {} training sessions{baselines}, {}.",
        row.poisoned,
        text::thousands(row.of),
        words::percent(Some(row.poisoned as f64 / row.of.max(1) as f64))
    )
}

/// Learning, poison, drift, loss, growth and cost.
pub fn more(result: &EvalResult) -> Result<Markup, Error> {
    let learning = plot::learning(&result.learning)?;
    let body = html! {
        div.columns {
            figure { (learning) figcaption { "Detection by the number of normal sessions that taught each baseline: " (words::taught(result)) } }
            div.scroll { table {
                thead { tr {
                    th.number { "sessions that taught" } th.number { "AUC" } th.number { "at 1 %" } th.number { "at 5 %" }
                    th.number { "clean denied" } th.number { "clean alerted" } th.number { "proves p" }
                } }
                tbody { @for row in &result.learning { tr {
                    td.number { (row.sessions) } td.number { (words::three(row.arm.auc)) }
                    td.number { (words::percent(row.arm.detection[0])) } td.number { (words::percent(row.arm.detection[1])) }
                    td.number { (share(row.denied)) } td.number { (share(row.arm.false_alarms)) }
                    td.number { (words::p(row.smallest_provable)) }
                } } }
            } }
        }
        h3 { "Poisoned: attacks among the sessions that taught" }
        p.lead { "Attacks took the place of some training sessions, and other attacks of the same scenarios are looked for. Only baselines that could be poisoned are in here, with the clean sessions of their agents and tasks: compare a row with the one of the same baselines that were not poisoned. Screened is what `train` does: sessions that met a jewel, raised an alert or were not seen whole are left out." }
        @if result.poisoning.is_empty() { p.quiet { "No baseline could be poisoned: no agent has two recorded attacks of one scenario." } }
        (arm_table(result.poisoning.iter().map(|row| &row.arm), None))
        p.quiet { @for row in result.poisoning.iter().filter(|row| row.poisoned > 0) { (poisoned(row)) " " } }
        h3 { "Something is new" }
        div.scroll { table {
            thead { tr { th { "clean sessions of" } th.number { "sessions" } th.number { "alerted on" } th.number { "denied something" }
                @for row in result.drift.first().map(|row| row.calibrated.as_slice()).unwrap_or_default() { th.number { "p ≤ " (row.target) } } } }
            tbody { @for row in &result.drift { tr {
                td { (row.what) } td.number { (row.sessions) } td.number { (share(row.alerted)) } td.number { (share(row.denied)) }
                @for target in &row.calibrated { td.number { (words::percent(target.realised.share())) } }
            } } }
        } }
        h3 { "Records are lost" }
        p.lead { "What is left of T2 alone: T0 and T1 are asked before an operation, and no record that is lost changes what they answer." }
        (arm_table(result.loss.iter().map(|row| &row.arm), None))
        h3 { "Do sessions differ?" }
        div.scroll { table {
            thead { tr { th { "" } th.number { "places after one session" } th.number { "after all" } th.number { "Heaps' exponent" } th.number { "new in a held-out session, median" } } }
            tbody { @for row in &result.growth { tr {
                td { (row.agent) "/" (row.task) }
                td.number { (row.growth.distinct.first().copied().unwrap_or(0)) }
                td.number { (row.growth.distinct.last().copied().unwrap_or(0)) " (" (row.growth.distinct.len()) ")" }
                td.number { (row.growth.beta.map_or_else(|| "–".to_owned(), |beta| format!("{beta:.2}"))) }
                td.number { (row.growth.median_fresh.map_or_else(|| "–".to_owned(), |median| median.to_string())) }
            } } }
        } }
        h3 { "Baselines, and what they cost" }
        p.lead {
            (format!("{:.0} ns for each event scored with its system calls, {:.0} ns for each record; {:.1} s to train all of them.",
                result.timing.cost.ns_per_event, result.timing.cost.ns_per_record, result.timing.cost.training_s))
            @if let Some(lag) = &result.live.lag {
                (format!(" Live, an operation had been scored {} after it began in half of the cases, and after {} in 99 of 100 (the median of {} sessions; the slowest one: {}).",
                    words::ms(Some(lag.p50_ms)), words::ms(Some(lag.p99_ms)), lag.sessions, words::ms(Some(lag.worst_p99_ms))))
            }
        }
        div.scroll { table {
            thead { tr { th { "" } th.number { "sessions" } th.number { "calibrated on" } th.number { "events" } th.number { "MB" } th.number { "proves p" } th { "left out" } } }
            tbody { @for row in &result.baselines { tr {
                td { (row.agent) "/" (row.task) @if let Some(missing) = &row.missing { " " span.quiet { (missing) } } }
                td.number { (row.sessions) } td.number { (row.calibrated_on) } td.number { (text::thousands(row.events)) }
                td.number { (format!("{:.2}", row.bytes as f64 / 1e6)) } td.number { (words::p(row.smallest_provable)) }
                td { @for (run, why) in &row.left_out { div { code { (run) } ": " (why) } } }
            } } }
        } }
    };
    Ok(section("learning", "Learning, poison, drift, loss, cost", "", &body))
}
