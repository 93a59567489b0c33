//! `wardline-lab eval compare`: what got better, and what got worse.

use anyhow::Result;
use command::print_line;
use command::table;
use eval::compare::{Change, Comparison, Difference, compare};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `eval compare`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The exit code is 0 whatever got worse: a script reads `--json`.\n\nExamples:\n  wardline-lab eval compare results/before results/after\n  wardline-lab eval compare --json before/result.json after/result.json"
)]
pub struct Args {
    /// A result: its directory, or its `result.json`
    #[arg(value_name = "BEFORE")]
    pub before: PathBuf,
    /// Another one
    #[arg(value_name = "AFTER")]
    pub after: PathBuf,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
    /// Also what stayed the same
    #[arg(long)]
    pub all: bool,
}

/// Compares.
pub fn run(args: &Args) -> Result<ExitCode> {
    let read = |path: &PathBuf| eval::read(&eval::result_file(path));
    let comparison = compare(&read(&args.before)?, &read(&args.after)?);
    if args.json {
        print_line!("{}", serde_json::to_string_pretty(&comparison)?);
    } else {
        print_line!("{}", text(&comparison, args.all));
    }
    Ok(ExitCode::SUCCESS)
}

fn text(comparison: &Comparison, all: bool) -> String {
    let mut lines = Vec::new();
    if !comparison.same_data {
        lines.push(
            "The two rest on different data: what differs may be the sessions' doing, not Wardline's."
                .to_owned(),
        );
    }
    let counted = |change: Change| comparison.differences.iter().filter(|d| d.change == change).count();
    let shown: Vec<&Difference> = comparison
        .differences
        .iter()
        .filter(|d| all || matches!(d.change, Change::Better | Change::Worse))
        .collect();
    if !shown.is_empty() {
        let mut rows = table::table(&["", "before", "after", "figure"]);
        for difference in shown {
            let number =
                |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
            let word = match difference.change {
                Change::Better => "better",
                Change::Worse => "worse",
                Change::Same => "same",
                Change::Alone => "alone",
            };
            rows.add_row([
                word.to_owned(),
                number(difference.before),
                number(difference.after),
                difference.figure.clone(),
            ]);
        }
        lines.push(table::plain(&rows));
    }
    for (runs, what) in [
        (&comparison.lost, "no longer stopped or noticed in time"),
        (&comparison.won, "now stopped or noticed in time"),
    ] {
        if !runs.is_empty() {
            lines.push(format!("{what}: {}", runs.join(", ")));
        }
    }
    lines.push(format!(
        "{} better, {} worse, {} the same",
        counted(Change::Better),
        counted(Change::Worse),
        counted(Change::Same)
    ));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_got_worse_comes_first() {
        let difference = |figure: &str, before, after, change| Difference {
            figure: figure.to_owned(),
            before: Some(before),
            after: Some(after),
            change,
        };
        let comparison = Comparison {
            same_data: true,
            same_configuration: true,
            differences: vec![
                difference("T2 alone: the score: AUC", 0.91, 0.88, Change::Worse),
                difference("live attacks: prevented", 0.5, 0.75, Change::Better),
                difference("live clean sessions with a denial", 0.0, 0.0, Change::Same),
            ],
            lost: vec!["codex/edit/anyhow/0007".to_owned()],
            won: Vec::new(),
        };
        insta::assert_snapshot!(text(&comparison, false));
    }
}
