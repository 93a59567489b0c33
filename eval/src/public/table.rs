//! The results of a set, as a page.
#![expect(clippy::let_underscore_must_use, reason = "a text takes whatever is written to it")]

use super::{Result, Row};
use std::fmt::Write;

/// As Markdown.
pub fn markdown(result: &Result) -> String {
    let mut out = String::new();
    for part in &result.parts {
        let [train, clean, attacks] = part.traces;
        let _ = writeln!(
            out,
            "## {}\n\n{train} traces taught, {clean} are clean, {attacks} attack.\n\n\
             | score | AUC | both halves | first 100 calls | at 1 / 5 / 10 / 15 % |\n| --- | --- | --- | --- | --- |",
            part.name
        );
        for Row { name, auc, halves, first, detected } in &part.scores {
            let share = |of: &Option<f64>| of.map_or_else(|| "–".to_owned(), |of| format!("{of:.3}"));
            let percent =
                |of: &Option<f64>| of.map_or_else(|| "–".to_owned(), |of| format!("{:.1}", 100.0 * of));
            let _ = writeln!(
                out,
                "| {name} | {} | {} | {} | {} |",
                share(auc),
                halves.iter().map(share).collect::<Vec<_>>().join(", "),
                share(first),
                detected.iter().map(percent).collect::<Vec<_>>().join(" / "),
            );
        }
        out.push('\n');
    }
    let _ = writeln!(out, "Seed {}, data `{}`.", result.seed, result.data);
    out
}
