//! A run as Markdown.

use super::{Outcome, Report, Sort, Verdict, Visible};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The tables.
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    #[expect(clippy::let_underscore_must_use, reason = "a text takes whatever is written to it")]
    let _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    let machine = &report.machine;
    writeln!(
        out,
        "Tier `{}`, Linux {}; {}; commit {}; seed {}; cases BLAKE3 `{}`; {} of {} cases, {} s each at most; a baseline of {} \
         normal sessions.",
        machine.tier,
        machine.kernel,
        machine.host,
        machine.commit,
        machine.seed,
        machine.digest,
        of(report, Sort::Case).count(),
        machine.cases,
        machine.limit_seconds,
        machine.trained_on,
    )?;
    let run = of(report, Sort::Case).count() as u64;
    if run < machine.cases {
        let why = match run < machine.chosen {
            true => format!("the machine ended after {run} of the {} that were to be run", machine.chosen),
            false => "fewer were asked for".to_owned(),
        };
        writeln!(
            out,
            "\nThis is a sample ({why}): each risk index in turn, the cases of each in an order drawn from the seed."
        )?;
    }
    writeln!(out, "\n| sessions without a case | with a denial | with an alert only | neither |")?;
    writeln!(out, "| --- | --- | --- | --- |")?;
    for (sort, words) in
        [(Sort::Clean, "normal work"), (Sort::Harmless, "normal work and a harmless program")]
    {
        let tally = Tally::of(of(report, sort));
        writeln!(
            out,
            "| {words}: {} | {} | {} | {} |",
            tally.all,
            tally.of_verdict(Verdict::Denied),
            tally.of_verdict(Verdict::Alerted),
            tally.of_verdict(Verdict::Nothing)
        )?;
    }
    writeln!(
        out,
        "\n| cases | run | did anything to be seen | refused, and no effect outside the home | refused, and an effect all the \
         same | first by T0, T1, T2 | alerted only | neither | of those, did anything | of those, an effect |"
    )?;
    writeln!(out, "|{}", " --- |".repeat(10))?;
    let mut groups: BTreeMap<(&str, u64, &str), Vec<&Outcome>> = BTreeMap::new();
    for outcome in of(report, Sort::Case) {
        let language = outcome.language.map_or("", super::Language::name);
        let risk = outcome.risk();
        let number = risk.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(0);
        groups.entry((language, number, risk)).or_default().push(outcome);
        groups.entry((language, u64::MAX, "")).or_default().push(outcome);
    }
    for ((language, _, risk), outcomes) in &groups {
        let name = if risk.is_empty() { format!("**all of {language}**") } else { format!("`{risk}`") };
        Tally::of(outcomes.iter().copied()).row(out, &name)?;
    }
    Tally::of(of(report, Sort::Case)).row(out, "**all**")
}

fn of(report: &Report, sort: Sort) -> impl Iterator<Item = &Outcome> {
    report.outcomes.iter().filter(move |outcome| outcome.sort == sort)
}

/// Some sessions, counted.
#[derive(Debug, Default)]
struct Tally {
    all: u64,
    visible: u64,
    verdicts: BTreeMap<Verdict, u64>,
    stages: BTreeMap<String, u64>,
    late: u64,
    missed: u64,
    unnoticed: u64,
}

impl Tally {
    fn of<'o>(outcomes: impl Iterator<Item = &'o Outcome>) -> Tally {
        let mut tally = Tally::default();
        for outcome in outcomes {
            let (verdict, visible) = (outcome.verdict(), outcome.visible());
            tally.all += 1;
            tally.visible += u64::from(visible > Visible::Nothing);
            *tally.verdicts.entry(verdict).or_default() += 1;
            tally.missed += u64::from(verdict == Verdict::Nothing && visible > Visible::Nothing);
            let effect = visible == Visible::Effect;
            tally.late += u64::from(verdict == Verdict::Denied && effect);
            tally.unnoticed += u64::from(verdict == Verdict::Nothing && effect);
            if verdict == Verdict::Denied {
                *tally.stages.entry(outcome.stopped_by.clone().unwrap_or_default()).or_default() += 1;
            }
        }
        tally
    }

    fn of_verdict(&self, verdict: Verdict) -> u64 {
        self.verdicts.get(&verdict).copied().unwrap_or_default()
    }

    fn row(&self, out: &mut String, name: &str) -> std::fmt::Result {
        let stages = ["T0", "T1", "T2"].map(|s| self.stages.get(s).copied().unwrap_or_default().to_string());
        writeln!(
            out,
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            self.all,
            self.visible,
            self.of_verdict(Verdict::Denied) - self.late,
            self.late,
            stages.join(", "),
            self.of_verdict(Verdict::Alerted),
            self.of_verdict(Verdict::Nothing),
            self.missed,
            self.unnoticed,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::tests::outcome;
    use super::super::{Effect, Machine};
    use super::*;

    #[test]
    fn each_session_is_counted_once_in_its_row() {
        let denied = Outcome {
            denied: 2,
            stopped_by: Some("T1".to_owned()),
            tried: 1,
            ..outcome(Sort::Case, "bash-2_1")
        };
        let missed = Outcome {
            effect: Effect { made: 1, ..Effect::default() },
            reached: 1,
            ..outcome(Sort::Case, "bash-10_1")
        };
        let late = Outcome {
            denied: 1,
            stopped_by: Some("T2".to_owned()),
            effect: Effect { ended: 1, ..Effect::default() },
            ..outcome(Sort::Case, "bash-2_3")
        };
        let alerted = Outcome { alerts: 1, reached: 3, ..outcome(Sort::Case, "bash-2_2") };
        let report = Report {
            machine: Machine { cases: 5, chosen: 5, ..Machine::default() },
            outcomes: vec![outcome(Sort::Clean, "app-1"), denied, missed, late, alerted],
            whole: false,
        };
        let text = markdown(&report);
        for row in [
            "| normal work: 1 | 0 | 0 | 1 |",
            "| `bash-2` | 3 | 3 | 1 | 1 | 0, 1, 1 | 1 | 0 | 0 | 0 |\n| `bash-10` | 1 | 1 | 0 | 0 | 0, 0, 0 | 0 | 1 | 1 | 1 |",
            "| **all** | 4 | 4 | 1 | 1 | 0, 1, 1 | 1 | 1 | 1 | 1 |",
            "the machine ended after 4 of the 5",
        ] {
            assert!(text.contains(row), "{row}\n{text}");
        }
    }
}
