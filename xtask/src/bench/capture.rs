//! `cargo xtask bench capture`: what it costs to be watched, by whom.
//!
//! Each measured run stands between two bare ones, and is compared with their mean, so that a machine that slows down
//! or warms up slows both alike. The order of what is compared turns by one each round, and runs backwards in every
//! second one.

use super::condition::{Bench, Condition, Own, Run};
use super::outcome::{Compared, Measurement, Outcome, Pair};
use super::output::Output;
use super::report;
use super::statistics::estimate;
use super::workload::{Profile, Workload};
use crate::host;
use anyhow::{Context as _, Result, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

/// The arguments of `capture`.
#[derive(Args)]
pub struct Capture {
    /// How long
    #[arg(long, value_enum, default_value = "full")]
    profile: Profile,
    /// Only these workloads; can be given several times
    #[arg(long, value_enum, value_name = "WORKLOAD")]
    only: Vec<Workload>,
    /// Pairs with a bare run, instead of the profile's
    #[arg(long, value_name = "N")]
    pairs: Option<usize>,
    /// Leave out other tools
    #[arg(long)]
    without_peers: bool,
    #[command(flatten)]
    output: Output,
}

/// Measures and writes.
pub fn run(arguments: &Capture) -> Result<()> {
    let head = arguments.output.head()?;
    let bench = Bench::new(arguments.profile)?;
    let mut conditions = Condition::all();
    conditions.retain(|condition| condition.is_close() || !arguments.without_peers);
    let chosen: Vec<Workload> = Workload::ALL
        .into_iter()
        .filter(|workload| arguments.only.is_empty() || arguments.only.contains(workload))
        .collect();
    let mut outcome = Outcome { head, profile: arguments.profile, workloads: Vec::new() };
    let directory = arguments.output.directory(&outcome.head.machine, "")?;
    let mut commit = None;
    if let Ok(json) = host::read(&directory.join("result.json")) {
        let before: Outcome =
            serde_json::from_slice(&json).context("result.json is there, and is none of this")?;
        let there = &before.head.machine;
        ensure!(
            (&there.kernel, &there.processor)
                == (&outcome.head.machine.kernel, &outcome.head.machine.processor),
            "{} is of another machine: name another folder with `--out`",
            directory.display()
        );
        if !before.workloads.iter().all(|measurement| chosen.contains(&measurement.workload)) {
            commit = Some(outcome.head.machine.commit.clone())
                .filter(|commit| *commit != before.head.machine.commit);
            outcome = before;
        }
    }
    for workload in chosen {
        let measurement = measure(&bench, workload, &conditions, arguments.pairs)?;
        outcome.workloads.retain(|other| other.workload != workload);
        outcome.workloads.push(Measurement { commit: commit.clone(), ..measurement });
        outcome
            .workloads
            .sort_by_key(|measurement| Workload::ALL.iter().position(|w| *w == measurement.workload));
        // After each one: an interrupted run leaves what it has.
        let mut json = serde_json::to_string(&outcome)?;
        json.push('\n');
        host::write(&directory.join("result.json"), json)?;
        host::write(&directory.join("summary.md"), report::summary(&outcome))?;
    }
    print!("{}", report::summary(&outcome));
    println!("\nwrote {}", directory.display());
    Ok(())
}

fn measure(
    bench: &Bench,
    workload: Workload,
    conditions: &[Condition],
    pairs: Option<usize>,
) -> Result<Measurement> {
    let rounds = workload.rounds(bench.profile);
    let (close, of_peers) = pairs.map_or(workload.pairs(bench.profile), |pairs| (pairs, pairs));
    let mut compared: Vec<Compared> = conditions
        .iter()
        .map(|&condition| Compared { condition, ratio: None, pairs: Vec::new(), counted: None, failed: None })
        .collect();
    let wanted = |condition: Condition| if condition.is_close() { close } else { of_peers };
    let total: usize = conditions.iter().map(|&condition| wanted(condition)).sum();
    let progress = bar(workload.name(), total as u64);
    let bare = || bench.run(Condition::BARE, workload, rounds, false).context("the bare workload failed");
    // Caches fill.
    bare()?;
    let mut bares = vec![bare()?];
    for round in 0..close.max(of_peers) {
        for place in 0..conditions.len() {
            let turned = (place + round) % conditions.len();
            let at = if round % 2 == 0 { turned } else { conditions.len() - 1 - turned };
            let condition = conditions[at];
            if round >= wanted(condition) || compared[at].failed.is_some() {
                continue;
            }
            progress.set_message(condition.name());
            let fewer = if workload.is_loop() { (rounds / condition.fewer(workload)).max(1) } else { rounds };
            match bench.run(condition, workload, fewer, false) {
                Ok(run) => {
                    let before = bares.last().map_or(0.0, Run::round_ns);
                    bares.push(bare()?);
                    let after = bares.last().map_or(0.0, Run::round_ns);
                    let ratio = run.round_ns() / ((before + after) / 2.0);
                    compared[at].pairs.push(Pair { round, ratio, run });
                }
                Err(error) => {
                    progress.println(format!("{} under {}: {error:#}", workload.name(), condition.name()));
                    compared[at].failed = Some(format!("{error:#}"));
                }
            }
            progress.inc(1);
        }
    }
    for compared in &mut compared {
        let ratios: Vec<f64> = compared.pairs.iter().map(|pair| pair.ratio).collect();
        compared.ratio = (!ratios.is_empty()).then(|| estimate(&ratios));
        if matches!(compared.condition, Condition::Own(own) if own != Own::Null) {
            progress.set_message(format!("{}, counted", compared.condition.name()));
            compared.counted = bench.run(compared.condition, workload, rounds, true).ok();
        }
    }
    progress.finish_and_clear();
    Ok(Measurement { workload, commit: None, compared, bare: bares })
}

/// A progress bar; nothing where standard error is no terminal.
pub fn bar(name: &str, total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:<12} {bar:30} {pos}/{len} {elapsed} {msg}");
    let bar = ProgressBar::new(total).with_prefix(name.to_owned());
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
