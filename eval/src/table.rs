//! The result as a Markdown table, for a README.
#![expect(clippy::let_underscore_must_use, reason = "a text takes whatever is written to it")]

use crate::metrics::proportion::Proportion;
use crate::result::{Arm, Breakdown, EvalResult, Mimicry};
use crate::words;
use std::fmt::Write;

/// A cell: what would end it or begin markup is escaped.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            c if text::is_unseen(c) => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn row(out: &mut String, cells: &[String]) {
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

fn head(out: &mut String, cells: &[&str]) {
    let _ = writeln!(out, "| {} |", cells.join(" | "));
    let _ = writeln!(out, "|{}", " --- |".repeat(cells.len()));
}

/// The tables.
pub fn markdown(result: &EvalResult) -> String {
    let mut out = String::new();
    let basis = &result.basis;
    let _ = writeln!(
        out,
        "Profile `{}`: {} to train on, {} to calibrate on, {} held out; {} replayed and {} live attacks, {} live clean. Tier `{}`, Linux {}, seed {}, data `{}`.",
        basis.profile,
        text::count(basis.train, "clean session"),
        basis.calibrate,
        basis.clean,
        basis.attacks,
        basis.live_attacks,
        text::count(basis.live_clean, "session"),
        basis.tier,
        cell(&basis.kernel),
        basis.corpus_seed,
        basis.data_hash.get(..12).unwrap_or(&basis.data_hash),
    );
    out.push('\n');
    if let Some(scenarios) = result.breakdowns.iter().find(|breakdown| breakdown.by == "scenario") {
        attacks(&mut out, scenarios);
        let _ = writeln!(
            out,
            "\nCame to nothing: the attack did nothing and nothing was said of it, as where its preconditions were missing. Such runs are in no share; those that were replayed are in the columns at 1, 5 and 10 %, which ask for a score."
        );
    }
    out.push('\n');
    head(&mut out, &["live clean sessions", "with a denial", "with an alert", "stopped"]);
    let live = &result.live;
    row(
        &mut out,
        &[
            live.clean_denied.of.to_string(),
            words::of(live.clean_denied),
            words::of(live.clean_alerted),
            words::of(live.clean_stopped),
        ],
    );
    out.push('\n');
    learning(&mut out, result);
    out.push('\n');
    detection(&mut out, result);
    out.push('\n');
    channels(&mut out, result);
    if let Some(mimicked) = &result.mimicry {
        out.push('\n');
        mimicry(&mut out, mimicked);
    }
    out
}

/// What fewer sessions to learn from are worth.
fn learning(out: &mut String, result: &EvalResult) {
    head(
        out,
        &[
            &format!("replayed, taught by so many normal sessions a baseline ({})", words::taught(result)),
            "AUC",
            "detected at 1 / 5 / 10 %",
            "clean sessions that T1 would deny something",
            "clean sessions with an alert",
        ],
    );
    for learned in &result.learning {
        row(
            out,
            &[
                learned.sessions.to_string(),
                words::three(learned.arm.auc),
                learned.arm.detection.map(words::percent).join(" / "),
                words::of(learned.denied),
                words::of(learned.arm.false_alarms),
            ],
        );
    }
}

fn attacks(out: &mut String, scenarios: &Breakdown) {
    head(
        out,
        &[
            "scenario",
            "live: prevented",
            "detected before impact",
            "after",
            "missed",
            "came to nothing",
            "replayed: detected at 1 / 5 / 10 % of clean sessions",
            "floor at 5 %",
            "median time to detect",
        ],
    );
    let named = scenarios.rows.iter().map(|scenario| {
        let name = format!("{} {}", cell(&scenario.key), cell(&scenario.words));
        (name.trim_end().to_owned(), scenario)
    });
    let totals = scenarios.totals.iter().map(|total| (format!("**{}**", cell(&total.key)), total));
    for (name, scenario) in named.chain(totals) {
        let live = &scenario.live;
        let outcomes = [live.prevented, live.detected_before, live.detected_after, live.missed, live.inert];
        let mut cells = vec![name];
        cells.extend(outcomes.map(|count| count.to_string()));
        cells.push(scenario.detection.map(|detected| words::percent(detected.share())).join(" / "));
        cells.extend([words::percent(scenario.floor.share()), words::ms(scenario.median_ms)]);
        row(out, &cells);
    }
}

/// What hiding among normal steps is worth.
fn mimicry(out: &mut String, mimicry: &Mimicry) {
    head(
        out,
        &[
            &format!("mimicry: {}, each in every variant", text::count(mimicry.scenarios, "scenario")),
            "replayed: detected before harm (95 %)",
            "came to nothing",
            "live: prevented",
            "prevented or noticed before harm (95 %)",
            "came to nothing",
        ],
    );
    let ranged = |share: Proportion| match share.interval() {
        Some(interval) => format!("{} ({})", words::of(share), words::range(Some(interval))),
        None => words::of(share),
    };
    for variant in &mimicry.rows {
        row(
            out,
            &[
                cell(&variant.name),
                ranged(variant.replayed.in_time()),
                variant.replayed.inert.to_string(),
                words::of(variant.live.stopped()),
                ranged(variant.live.in_time()),
                variant.live.inert.to_string(),
            ],
        );
    }
    let _ = writeln!(out, "\n{}", words::padding(mimicry));
}

/// What each channel is worth: the score without it, and it alone.
fn channels(out: &mut String, result: &EvalResult) {
    head(
        out,
        &[
            "channel of the score",
            "without it: AUC",
            "detected at 1 / 5 / 10 %",
            "it alone: AUC",
            "at 1 / 5 / 10 %",
        ],
    );
    let named = |name: &str| result.arms.iter().find(|arm| arm.name == name);
    let cells = |arm: Option<&Arm>| {
        let detected = arm.map(|arm| arm.detection.map(words::percent).join(" / "));
        [words::three(arm.and_then(|arm| arm.auc)), detected.unwrap_or_else(|| "–".to_owned())]
    };
    let all = cells(named(words::SCORE_ALONE));
    row(out, &[["none left out".to_owned()].as_slice(), &all, &["–".to_owned(), "–".to_owned()]].concat());
    for arm in result.arms.iter().filter(|arm| arm.family == "channels") {
        let Some(channel) = arm.name.strip_prefix(words::WITHOUT) else { continue };
        let alone = named(&format!("{channel}{}", words::ALONE));
        row(out, &[[cell(channel)].as_slice(), &cells(Some(arm)), &cells(alone)].concat());
    }
}

fn detection(out: &mut String, result: &EvalResult) {
    head(
        out,
        &["replayed", "AUC (95 %)", "detected at 1 %", "at 5 %", "at 10 %", "clean sessions with an alert"],
    );
    for arm in result.arms.iter().filter(|arm| arm.family == "stages" || arm.family == "scope") {
        let interval = words::three_range(arm.auc_interval);
        let auc = words::three(arm.auc);
        let mut cells =
            vec![cell(&arm.name), if interval.is_empty() { auc } else { format!("{auc} ({interval})") }];
        cells.extend(arm.detection.map(words::percent));
        cells.push(words::of(arm.false_alarms));
        row(out, &cells);
    }
    for floor in &result.floors {
        let mut cells = vec![format!("floor: {}", floor.name), words::three(floor.auc)];
        cells.extend(floor.detection.map(words::percent));
        cells.push("–".to_owned());
        row(out, &cells);
    }
    out.push('\n');
    head(out, &["false alarms allowed per agent-hour", "detected", "realised", "hours", "at most (95 %)"]);
    for operating in &result.operating {
        row(
            out,
            &[
                operating.budget.to_string(),
                format!("{} ({})", words::percent(operating.detected.share()), words::of(operating.detected)),
                format!("{:.2}", operating.rate),
                format!("{:.2}", operating.hours),
                format!("{:.2}", operating.at_most),
            ],
        );
    }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_cell_stays_a_cell() {
        assert_eq!(cell("a|b\n<img>`x`"), "a\\|b &lt;img>\\`x\\`");
    }
}
