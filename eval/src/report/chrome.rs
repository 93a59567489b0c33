//! The head of the page: what it is, what it says, and what it does not.

use crate::result::EvalResult;
use crate::words;
use maud::{Markup, html};

/// The bar at the top.
pub fn header(result: &EvalResult) -> Markup {
    let basis = &result.basis;
    html! {
        header {
            div.brand {
                span.mark aria-hidden="true" {}
                strong { "Wardline" }
                span { "evaluation" }
            }
            nav {
                @for (id, name) in [
                    ("attacks", "Attacks"), ("curves", "Curves"), ("cases", "Cases"), ("parts", "Parts"),
                    ("learning", "Learning"), ("basis", "Basis"), ("runs", "Runs"),
                ] { a href={ "#" (id) } { (name) } }
            }
            p.facts {
                span { "profile " b { (basis.profile) } }
                span { "tier " b { (basis.tier) } }
                span { "Linux " b { (basis.kernel) } }
                @for (agent, version) in &basis.agents { span { (agent) " " b { (version) } } }
                @if let Some(commit) = &basis.commit { span { "commit " b { (commit) } } }
            }
        }
    }
}

/// The headline and its figures.
pub fn verdict(result: &EvalResult) -> Markup {
    let live = &result.live;
    html! {
        section.verdict {
            h1 { (words::headline(result)) }
            div.cards {
                (card("prevented", &words::percent(live.attacks.stopped().share()), &format!("{} live attacks, no secret byte read, no byte sent", words::of(live.attacks.stopped())), grade(live.attacks.stopped().share(), true)))
                (card("stopped or noticed before harm", &words::percent(live.attacks.in_time().share()), &format!("{} live attacks; 95 %: {}", words::of(live.attacks.in_time()), words::range(live.attacks.in_time().interval())), grade(live.attacks.in_time().share(), true)))
                (card("clean sessions denied something", &words::percent(live.clean_denied.share()), &format!("{} live clean sessions; 95 %: {}", words::of(live.clean_denied), words::range(live.clean_denied.interval())), grade(live.clean_denied.share(), false)))
                (card("clean sessions with an alert", &words::percent(live.clean_alerted.share()), &format!("{} live clean sessions", words::of(live.clean_alerted)), grade(live.clean_alerted.share(), false)))
                @if let Some(arm) = result.arms.first() {
                    (card("area under ROC", &words::three(arm.auc), &format!("replayed, {} attacks against {} clean; {}", arm.sessions.1, arm.sessions.0, words::three_range(arm.auc_interval)), grade(arm.auc, true)))
                    (card("detected at 1 % of clean sessions", &words::percent(arm.detection[0]), &format!("replayed, all stages; the best trivial floor finds {}", words::percent(result.floors.iter().filter_map(|f| f.detection[0]).reduce(f64::max))), grade(arm.detection[0], true)))
                }
            }
        }
    }
}

fn card(title: &str, value: &str, note: &str, grade: &str) -> Markup {
    html! { div class={ "card " (grade) } { b { (value) } span { (title) } small { (note) } } }
}

/// How a figure is coloured: a hint, beside the figure itself.
fn grade(share: Option<f64>, up: bool) -> &'static str {
    match share {
        None => "none",
        Some(share) if up && share >= 0.95 || !up && share <= 0.01 => "good",
        Some(share) if up && share >= 0.6 || !up && share <= 0.1 => "fair",
        Some(_) => "poor",
    }
}

/// What could not be measured.
pub fn gaps(result: &EvalResult) -> Markup {
    html! {
        @if !result.gaps.is_empty() {
            details.gaps open[result.gaps.len() < 6] {
                summary { "What this page does not say (" (result.gaps.len()) ")" }
                ul { @for gap in &result.gaps { li { (gap) } } }
            }
        }
    }
}
