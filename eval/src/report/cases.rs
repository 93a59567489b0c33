//! Case by case: what was missed, what was late, what was a false alarm, and why.

use super::timeline;
use crate::Error;
use crate::result::{Case, CaseKind, EvalResult};
use crate::words;
use maud::{Markup, html};

/// Every case, by kind.
pub fn section_of(kind: CaseKind, cases: &[&Case]) -> Result<Markup, Error> {
    let mut drawn = Vec::new();
    for case in cases {
        drawn.push((case, timeline::draw(&case.timeline)?));
    }
    let title = match kind {
        CaseKind::Missed => "Missed attacks",
        CaseKind::Late => "Attacks that were noticed too late",
        CaseKind::FalseAlarm => "False alarms",
    };
    Ok(html! {
        h3 { (title) " " span.count { (cases.len()) } }
        @if cases.is_empty() { p.quiet { "None." } }
        @for (at, (case, plot)) in drawn.iter().enumerate() {
            details.case.(class(kind)) open[at < 3] {
                summary {
                    span.tag { (case.source.words()) }
                    b { @match &case.attack {
                        Some((scenario, variant)) => { (scenario) " " span.quiet { (variant) } }
                        None => { "clean work" }
                    } }
                    span.where { (case.agent) "/" (case.task) " in " (case.repository) }
                    span.headline { (ticks(&case.headline)) }
                }
                figure.timeline { (plot) }
                div.explained {
                    dl {
                        @for (stage, said) in &case.explained { dt { (stage) } dd { (ticks(said)) } }
                        @if let Some(stage) = &case.stage {
                            dt { "first" } dd { (stage) @if let Some(means) = &case.means { " (" (means) ")" } }
                        }
                    }
                    @if !case.observed.is_empty() { div { h4 { "Observed from outside" } ul { @for seen in &case.observed { li { (ticks(seen)) } } } } }
                    @if !case.reasons.is_empty() { div { h4 { "In Wardline's words" } ul { @for reason in &case.reasons { li { (ticks(reason)) } } } } }
                }
                p.quiet { "run " code { (case.run) } ", session " (case.session) ", " (words::ms(Some(case.timeline.length_ms))) }
            }
        }
    })
}

/// A text in which what stands in back-ticks is code.
fn ticks(text: &str) -> Markup {
    html! { @for (at, part) in text.split('`').enumerate() { @if at % 2 == 1 { code { (part) } } @else { (part) } } }
}

fn class(kind: CaseKind) -> &'static str {
    match kind {
        CaseKind::Missed => "missed",
        CaseKind::Late => "late",
        CaseKind::FalseAlarm => "false",
    }
}

/// The section.
pub fn section(result: &EvalResult) -> Result<Markup, Error> {
    let of = |kind| {
        let cases: Vec<&Case> = result.cases.iter().filter(|case| case.kind == kind).collect();
        section_of(kind, &cases)
    };
    let body = html! {
        p.legend {
            span { i.line {} "running p-value of the score, high is unusual" }
            span { i.onset {} "attack begins" } span { i.impact {} "first harm" }
            span { i.t0 {} "T0" } span { i.t1 {} "T1" } span { i.t2 {} "T2" }
        }
        (of(CaseKind::Missed)?)
        (of(CaseKind::Late)?)
        (of(CaseKind::FalseAlarm)?)
    };
    Ok(super::section::section(
        "cases",
        "Case by case",
        "Every attack that was missed or noticed too late, and every false alarm, with what each stage knew and what it lacked.",
        &body,
    ))
}
