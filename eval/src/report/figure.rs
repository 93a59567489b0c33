//! The result as one figure, a file of its own for other documents: what became of the live attacks, a bar a scenario.

use crate::metrics::incident::Outcomes;
use crate::result::{BreakdownRow, EvalResult};
use maud::{Markup, PreEscaped, html};

/// Its width, and what of it the bars have, in pixels.
const WIDTH: u32 = 940;
const BARS: (u32, u32) = (48, 240);
/// From one bar to the next, and a bar's height.
const ROW: u32 = 19;
const BAR: u32 = 13;
/// Of the line that says what the colours are.
const HEAD: u32 = 30;

/// Colours that are told apart on light and dark paper; the words stand beside them.
const STYLE: &str = "text { font: 12px system-ui, sans-serif; fill: #646b75 } .all { font-weight: 600 }
.prevented { fill: #2e7d5b } .before { fill: #86c48a } .after { fill: #d99a2b } .missed { fill: #c0392b } .inert { fill: #b9b6ae }";

/// What can become of an attack, as the page calls it.
fn parts(outcomes: Outcomes) -> [(&'static str, &'static str, u64); 5] {
    [
        ("prevented", "prevented", outcomes.prevented),
        ("before", "noticed before harm", outcomes.detected_before),
        ("after", "noticed after harm", outcomes.detected_after),
        ("missed", "missed", outcomes.missed),
        ("inert", "came to nothing by itself", outcomes.inert),
    ]
}

/// The figure, as SVG. `None` where no attack was live.
pub fn figure(result: &EvalResult) -> Option<String> {
    let scenarios = result.breakdowns.iter().find(|breakdown| breakdown.by == "scenario")?;
    let rows: Vec<(&BreakdownRow, bool)> = scenarios
        .rows
        .iter()
        .map(|row| (row, false))
        .chain(scenarios.totals.last().map(|row| (row, true)))
        .filter(|(row, _)| parts(row.live).iter().any(|part| part.2 > 0))
        .collect();
    if rows.is_empty() {
        return None;
    }
    let height = HEAD + ROW * u32::try_from(rows.len()).ok()?;
    let svg = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label="What became of the live attacks" {
            style { (PreEscaped(STYLE)) }
            (legend())
            @for ((row, is_all), y) in rows.iter().zip((HEAD..).step_by(ROW as usize)) { (bar(row, *is_all, y)) }
        }
    };
    Some(svg.into_string() + "\n")
}

fn legend() -> Markup {
    let names = parts(Outcomes::default()).map(|(class, words, _)| (class, words));
    html! {
        @for ((class, words), x) in names.iter().zip((0..).step_by(165)) {
            rect class=(class) x=(x) y="4" width=(BAR) height=(BAR) {}
            text x=(x + 19) y="15" { (words) }
        }
    }
}

/// One row: its name, its bar, and what it is.
fn bar(row: &BreakdownRow, is_all: bool, y: u32) -> Markup {
    let (left, wide) = (f64::from(BARS.0), f64::from(BARS.1));
    let parts = parts(row.live);
    let all: u64 = parts.iter().map(|part| part.2).sum();
    let width = |count: u64| wide * count as f64 / all as f64;
    let mut x = left;
    let there = parts.iter().filter(|part| part.2 > 0).map(|(class, words, count)| {
        let from = x;
        x += width(*count);
        (class, format!("{from:.1}"), format!("{:.1}", width(*count)), format!("{count} {words}"))
    });
    let text = y + BAR - 2;
    html! {
        g class=[is_all.then_some("all")] {
            @if !is_all { text x="0" y=(text) { (row.key) } }
            @for (class, x, width, said) in there {
                rect class=(class) x=(x) y=(y) width=(width) height=(BAR) { title { (said) } }
            }
            text x=(BARS.0 + BARS.1 + 12) y=(text) { @if is_all { (row.key) } @else { (row.words) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_kept_figure_is_that_of_the_kept_result() {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/2026-11-27-6.18.44-full");
        let figure = figure(&crate::read(&crate::result_file(&kept)).unwrap()).unwrap();
        assert!(figure.matches("<g").count() == 28 && figure.contains("169 prevented"), "{figure}");
        let committed = std::fs::read_to_string(kept.join("figure.svg")).unwrap();
        assert!(figure == committed, "`wardline-lab eval report {}` writes it anew", kept.display());
    }
}
