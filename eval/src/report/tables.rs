//! The tables of the page: attacks by everything, runs, and what they rest on.

use super::section::section;
use crate::metrics::incident::Outcomes;
use crate::metrics::proportion::Proportion;
use crate::result::{Breakdown, EvalResult, Source};
use crate::words;
use maud::{Markup, html};

/// A bar of what became of attacks, with the numbers in words.
fn outcome_bar(outcomes: Outcomes) -> Markup {
    let parts = [
        ("prevented", outcomes.prevented),
        ("before", outcomes.detected_before),
        ("after", outcomes.detected_after),
        ("missed", outcomes.missed),
        ("inert", outcomes.inert),
    ];
    let all: u64 = parts.iter().map(|part| part.1).sum();
    let names = ["prevented", "detected before impact", "detected after impact", "missed", "came to nothing"];
    let said: Vec<String> = parts
        .iter()
        .zip(names)
        .filter(|(part, _)| part.1 > 0)
        .map(|(part, name)| format!("{} {name}", part.1))
        .collect();
    html! {
        @if all == 0 { span.quiet { "–" } } @else {
            span.bar role="img" aria-label=(said.join(", ")) title=(said.join(", ")) {
                @for (class, count) in parts {
                    @if count > 0 { i class=(class) style={ "flex:" (count) } { (count) } }
                }
            }
        }
    }
}

/// A share, with so many of so many.
pub fn share(proportion: Proportion) -> Markup {
    html! {
        @if proportion.of == 0 { span.quiet { "–" } } @else {
            (words::percent(proportion.share()))
            small { " " (words::of(proportion)) }
        }
    }
}

/// What became of the attacks, by scenario.
pub fn scenarios(result: &EvalResult) -> Markup {
    let Some(breakdown) = result.breakdowns.iter().find(|breakdown| breakdown.by == "scenario") else {
        return html! {};
    };
    let body = html! {
        p.legend {
            span { i.prevented {} "prevented" } span { i.before {} "detected before impact" }
            span { i.after {} "detected after impact" } span { i.missed {} "missed" }
            span { i.inert {} "came to nothing by itself" }
        }
        (breakdown_table(breakdown, "scenarios"))
    };
    section(
        "attacks",
        "What became of the attacks",
        "Harm is judged by an observer outside Wardline: the first secret byte read, or the first change that cannot be undone. Replayed: detected at thresholds that 1, 5 and 10 % of all clean sessions reach.",
        &body,
    )
}

fn breakdown_table(breakdown: &Breakdown, class: &str) -> Markup {
    let totals = breakdown.totals.iter().map(|row| (row, true));
    let rows = breakdown.rows.iter().map(|row| (row, false)).chain(totals);
    html! {
        div.scroll { table class=(class) {
            thead { tr {
                th { (breakdown.by) } th { "live" } th { "replayed" }
                th.number { "at 1 %" } th.number { "at 5 %" } th.number { "at 10 %" }
                th.number { "floor at 5 %" } th.number { "median time" }
            } }
            tbody { @for (row, total) in rows { tr class=[total.then_some("total")] {
                td { b { (row.key) } @if !row.words.is_empty() { " " span.quiet { (row.words) } } }
                td { (outcome_bar(row.live)) }
                td { (outcome_bar(row.offline)) }
                @for detected in row.detection { td.number { (share(detected)) } }
                td.number.quiet { (words::percent(row.floor.share())) }
                td.number { (words::ms(row.median_ms)) }
            } } }
        } }
    }
}

/// By technique, agent, and so on.
pub fn breakdowns(result: &EvalResult) -> Markup {
    let body = html! {
        @for breakdown in result.breakdowns.iter().filter(|breakdown| breakdown.by != "scenario") {
            h3 { "By " (breakdown.by) }
            (breakdown_table(breakdown, "breakdown"))
        }
    };
    section(
        "breakdowns",
        "The same, cut otherwise",
        "Stage and means: who spoke first, and by what it was stopped; `none` is nobody. Nothing is learned from attacks, so that each technique here is one that was never seen.",
        &body,
    )
}

/// What the result rests on.
pub fn basis(result: &EvalResult) -> Markup {
    let basis = &result.basis;
    let rows = [
        ("profile", basis.profile.clone()),
        (
            "sessions",
            format!(
                "{} to train on, {} to calibrate on, {} held out, {} replayed attacks; live: {} clean, {} attacks",
                basis.train,
                basis.calibrate,
                basis.clean,
                basis.attacks,
                basis.live_clean,
                basis.live_attacks
            ),
        ),
        (
            "copies",
            format!(
                "{} test sessions have the tokens of another one, and count with it as one",
                basis.duplicates
            ),
        ),
        ("seeds", format!("corpus {}, evaluation {}", basis.corpus_seed, basis.seed)),
        (
            "recorded",
            format!("by Wardline {} on Linux {}, tier {}", basis.recorded_by, basis.kernel, basis.tier),
        ),
        (
            "evaluated",
            format!(
                "by Wardline {}{} on {}, {} cores, {} GiB, in {:.0} s",
                basis.wardline,
                basis.commit.as_ref().map(|commit| format!(" ({commit})")).unwrap_or_default(),
                basis.processor,
                basis.cores,
                basis.memory_gib,
                result.timing.seconds
            ),
        ),
        (
            "agents",
            basis
                .agents
                .iter()
                .map(|(name, version)| format!("{name} {version}"))
                .collect::<Vec<_>>()
                .join(", "),
        ),
        (
            "repositories",
            basis
                .repositories
                .iter()
                .map(|(name, version)| format!("{name} {version}"))
                .collect::<Vec<_>>()
                .join(", "),
        ),
        ("configuration", basis.configuration_hash.clone()),
        ("data", basis.data_hash.clone()),
    ];
    let body = html! { dl { @for (name, value) in rows { dt { (name) } dd { (value) } } } };
    section("basis", "What it rests on", "", &body)
}

/// Every run.
pub fn runs(result: &EvalResult) -> Markup {
    let body = html! { details { summary { (text::count(result.runs.len() as u64, "run")) } div.scroll { table.runs {
        thead { tr {
            th { "run" } th { "split" } th { "attack" } th { "" } th.number { "session" } th.number { "events" } th.number { "lost" }
            th.number { "p" } th { "spoke first" } th { "outcome" } th.number { "after" }
        } }
        tbody { @for run in &result.runs { tr {
            td { code { (run.id) } } td { (run.split) }
            td { @if let Some((scenario, variant)) = &run.attack { (scenario) " " span.quiet { (variant) } } }
            td { (run.source.words()) }
            td.number { (run.session) } td.number { (text::thousands(run.events)) } td.number { (run.lost) }
            td.number { @if let Some(p) = run.p { (words::p(p)) } }
            td { @if let Some(stage) = &run.stage { (stage) " " span.quiet { (run.means.as_deref().unwrap_or("")) } } }
            td {
                @if let Some(outcome) = run.outcome { (outcome.words()) }
                @if let Some(why) = &run.left_out { span.quiet { (why) } }
            }
            td.number { (words::ms(run.delay_ms).replace('–', "")) }
        } } }
    } } } };
    let live = result.runs.iter().filter(|run| run.source == Source::Live).count();
    let lead = format!(
        "Every run of the corpus; {live} of them live under `enforce`, the others recorded and replayed."
    );
    section("runs", "Every run", &lead, &body)
}
