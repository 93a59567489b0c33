//! Everything that must hold before a change goes in: `cargo xtask test`.
//!
//! Steps run one after the other, each under its own header, the machines at the end beside each other and beside the tests
//! on this machine's kernel, and a table says what became of them. What cannot run here says what it needed and counts as skipped; where `CI=true`, skipped is failed.

pub mod context;
mod kernel;
pub mod machine;
mod spelling;
pub mod step;
pub mod tally;
mod targets;

use std::{env, thread, time::Instant};

use clap::Args;

use crate::bypasses::Seen;
use context::Context;
use kernel::Host;
use step::Step;
use tally::{Result, Tally};

/// The arguments of `test`.
#[derive(Args)]
pub struct Test {
    /// Run only these steps; can be given several times
    #[arg(long, value_enum, value_name = "STEP")]
    only: Vec<Step>,
    /// Leave out these steps; can be given several times
    #[arg(long, value_enum, value_name = "STEP")]
    skip: Vec<Step>,
}

/// A step that has run.
struct Row {
    step: Step,
    tally: Tally,
    seconds: f32,
}

impl Row {
    /// Says at once why the step did not pass.
    fn told(step: Step, tally: Tally, seconds: f32) -> Row {
        if let Some(reason) = &tally.reason {
            println!("-------- {}: {}: {reason}", step.name(), tally.result().word());
        }
        Row { step, tally, seconds }
    }
}

/// Runs the steps; returns the exit status to end with.
pub fn run(arguments: &Test) -> anyhow::Result<i32> {
    let begun = Instant::now();
    let chosen = Step::ALL.into_iter().filter(|step| {
        let is_chosen =
            if arguments.only.is_empty() { step.is_usual() } else { arguments.only.contains(step) };
        is_chosen && !arguments.skip.contains(step)
    });
    let (on_a_kernel, here): (Vec<Step>, Vec<Step>) = chosen.partition(|step| step.needs_a_kernel());
    let mut context = Context::new()?;
    let mut rows = Vec::new();
    for step in here {
        header(step);
        let started = Instant::now();
        let tally = step.run(&mut context);
        rows.push(Row::told(step, tally, started.elapsed().as_secs_f32()));
    }
    rows.extend(on_kernels(&context, &on_a_kernel));
    rows.extend(page(&rows));
    let strict = env::var("CI").is_ok_and(|value| value == "true" || value == "1");
    print!("{}", table(&rows, begun.elapsed().as_secs_f32(), strict));
    let worst = rows.iter().map(|row| row.tally.result()).max().unwrap_or(Result::Passed);
    let bad = worst == Result::Failed || (strict && rows.iter().any(|row| row.tally.skipped > 0));
    Ok(i32::from(bad))
}

fn header(step: Step) {
    println!("\n======== {}: {}", step.name(), step.purpose());
}

/// Runs the steps that need a kernel: the machines beside each other, and beside what of the tests on this machine's kernel does
/// not need the processors for itself.
fn on_kernels(context: &Context, steps: &[Step]) -> Vec<Row> {
    let (machines, here): (Vec<Step>, Vec<Step>) = steps.iter().partition(|step| step.series().is_some());
    let host = here.first().map(|step| {
        header(*step);
        let mut host = Host::prepare(context)?;
        host.alone();
        Ok(host)
    });
    machines.iter().for_each(|step| header(*step));
    let series: Vec<_> = machines.iter().filter_map(|step| step.series()).collect();
    let (host, ended) = thread::scope(|scope| {
        let host = scope.spawn(|| match host? {
            Ok(mut host) => {
                host.others();
                Some(host.ended())
            }
            Err(tally) => Some((tally, 0.0)),
        });
        let ended = machine::run(context, &series);
        (host.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), ended)
    });
    let all = here.into_iter().zip(host).chain(machines.into_iter().zip(ended));
    all.map(|(step, (tally, seconds))| Row::told(step, tally, seconds)).collect()
}

/// The page of ways round the guard, where all of the steps ran that write it.
fn page(rows: &[Row]) -> Option<Row> {
    let seen = |step| rows.iter().find(|row| row.step == step && row.tally.result() == Result::Passed);
    let steps = [seen(Step::Host)?, seen(Step::Vm6_12)?, seen(Step::Vm6_1)?];
    let mut all = Seen::default();
    steps.iter().for_each(|row| all.add(&row.tally.bypasses));
    let tally = match all.compare() {
        Ok(None) => Tally::passed(),
        Ok(Some(stale)) => Tally::failed(stale),
        Err(error) => Tally::failed(format!("{error:#}")),
    };
    Some(Row::told(Step::Page, tally, 0.0))
}

/// The closing table, and the line that counts. All of it took `all_seconds`.
fn table(rows: &[Row], all_seconds: f32, strict: bool) -> String {
    let mut text = format!(
        "\n{:<10} {:<8} {:>7} {:>7} {:>8} {:>8}\n",
        "step", "result", "passed", "failed", "skipped", "seconds"
    );
    let mut total = Tally::default();
    for Row { step, tally, seconds } in rows {
        let result = tally.result().word();
        let (passed, failed, skipped) = (tally.passed, tally.failed, tally.skipped);
        text.push_str(&format!(
            "{:<10} {result:<8} {passed:>7} {failed:>7} {skipped:>8} {seconds:>8.1}\n",
            step.name()
        ));
        if let Some(reason) = &tally.reason {
            lines(&mut text, reason);
        }
        tally.notes.iter().for_each(|note| lines(&mut text, note));
        total.add(tally);
    }
    text.push_str(&format!(
        "{:<10} {:<8} {:>7} {:>7} {:>8} {all_seconds:>8.1}\n\n",
        "all", "", total.passed, total.failed, total.skipped
    ));
    if strict && total.skipped > 0 {
        text.push_str("CI is set: what was skipped counts as a failure of this run\n");
    }
    text.push_str(&format!("{} passed, {} failed, {} skipped\n", total.passed, total.failed, total.skipped));
    text
}

/// A text below a row, in the columns beside the step's name.
fn lines(table: &mut String, text: &str) {
    text.lines().for_each(|line| table.push_str(&format!("{:<10} {line}\n", "")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_everything() {
        let rows = [
            Row { step: Step::Format, tally: Tally::passed(), seconds: 1.0 },
            Row { step: Step::Host, tally: Tally::skipped("this needs root\n  | and more"), seconds: 0.5 },
        ];
        let text = table(&rows, 1.5, true);
        assert!(text.contains("           this needs root\n             | and more\n"));
        assert!(text.contains("CI is set"));
        assert_eq!(text.lines().last(), Some("1 passed, 0 failed, 1 skipped"));
    }
}
