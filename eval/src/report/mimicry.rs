//! The gain of an attacker who hides among normal steps.

use super::section::section;
use super::tables::share;
use crate::metrics::proportion::Proportion;
use crate::result::EvalResult;
use crate::words;
use maud::{Markup, html};

/// A share with its interval.
fn ranged(proportion: Proportion) -> Markup {
    html! { td.number { (share(proportion)) br; small { (words::range(proportion.interval())) } } }
}

/// The section; nothing where nothing is to be compared.
pub fn mimicry(result: &EvalResult) -> Markup {
    let Some(mimicry) = &result.mimicry else { return html! {} };
    let body = html! {
        div.scroll { table.mimicry {
            thead { tr {
                th { "variant" } th.number { "replayed: detected before harm" } th.number { "came to nothing" }
                th.number { "live: prevented" } th.number { "prevented or noticed before harm" } th.number { "came to nothing" }
            } }
            tbody { @for row in &mimicry.rows { tr {
                td { (row.name) } (ranged(row.replayed.in_time())) td.number { (row.replayed.inert) }
                (ranged(row.live.stopped())) (ranged(row.live.in_time())) td.number { (row.live.inert) }
            } } }
        } }
        p { (words::padding(mimicry)) }
    };
    let lead = format!(
        "The same {}: their steps at once, together in the middle, one in about twenty of the task's, or together with steps of the task between them; S26 looks like normal work at every step. All of it was written beforehand: no attacker asks a baseline for its score and adapts.",
        text::count(mimicry.scenarios, "scenario")
    );
    section("mimicry", "Mimicry", &lead, &body)
}
