//! `summary.md`: the figures for people. Everything in it is computed from `result.json`'s content.

use super::condition::{Condition, Own};
use super::outcome::{Compared, Measurement, Outcome};
use super::statistics::{Estimate, estimate, median};
use super::workload::Workload;
use std::fmt::Write as _;

/// The text.
pub fn summary(outcome: &Outcome) -> String {
    let mut out = outcome.head.text("What capture costs");
    out.push_str(
        "\nEach ratio is the median of runs against the mean of the bare runs before and after them, with its 95 % interval by \
bootstrap. Times are the workload's own, measured inside the session: what it costs to begin and end a session is said at the \
end. `programs` is the time in kernel programs in one more run, in which the kernel counted it, and `supervisor` the processor \
time of Wardline's supervisor while the session ran and until it was written down, both as shares of the workload's own \
processor time.\n",
    );
    targets(&mut out, outcome);
    for measurement in &outcome.workloads {
        table(&mut out, measurement);
    }
    brackets(&mut out, outcome);
    out
}

fn table(out: &mut String, measurement: &Measurement) {
    let bare: Vec<f64> = measurement.bare.iter().map(|run| run.round_ns()).collect();
    let _ = writeln!(
        out,
        "\n## {}: {}, bare {} ({} runs)\n",
        measurement.workload.name(),
        what(measurement.workload),
        time(median(&bare)),
        bare.len()
    );
    if let Some(commit) = &measurement.commit {
        let _ = writeln!(out, "Measured by itself, at commit {commit}.\n");
    }
    out.push_str("| under | ratio to bare | runs | time | events | lost | programs | supervisor |\n");
    out.push_str("| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for compared in &measurement.compared {
        let name = compared.condition.name();
        let Some(ratio) = compared.ratio else {
            let why = compared.failed.as_deref().unwrap_or("not measured");
            let why = why.lines().next().unwrap_or_default();
            let _ = writeln!(out, "| {name} | {why} | | | | | | |");
            continue;
        };
        let times: Vec<f64> = compared.pairs.iter().map(|pair| pair.run.round_ns()).collect();
        let count = |which: fn(&super::condition::Run) -> Option<u64>| {
            let all: Vec<f64> =
                compared.pairs.iter().filter_map(|pair| which(&pair.run)).map(|n| n as f64).collect();
            if all.is_empty() { String::new() } else { format!("{:.0}", median(&all)) }
        };
        let _ = writeln!(
            out,
            "| {name} | {} | {} | {} | {} | {} | {} | {} |",
            ratio.text(),
            ratio.values,
            time(median(&times)),
            count(|run| run.events),
            count(|run| run.lost),
            programs(compared).map(percent).unwrap_or_default(),
            supervisor(compared).map(percent).unwrap_or_default(),
        );
    }
}

/// Time in kernel programs, as a share of the workload's processor time.
fn programs(compared: &Compared) -> Option<f64> {
    let run = compared.counted.as_ref()?;
    let runs = run.programs?;
    Some(runs.time_ns as f64 / run.measured.cpu_ns.max(1) as f64)
}

/// Processor time of the supervisor from the workload's beginning on, as a share of the workload's: of all runs together,
/// since the supervisor's time is counted in hundredths of a second.
fn supervisor(compared: &Compared) -> Option<f64> {
    let mut sums = (0.0, 0.0);
    for pair in &compared.pairs {
        let [_, during, after] = pair.run.supervisor_ns?;
        sums = (sums.0 + (during + after) as f64, sums.1 + pair.run.measured.cpu_ns as f64);
    }
    (sums.1 > 0.0).then(|| sums.0 / sums.1)
}

/// Whether what was aimed at came out.
enum Met {
    Yes,
    /// Neither ahead nor behind, as far as can be told.
    Even,
    No,
}

impl Met {
    fn of(met: bool) -> Met {
        if met { Met::Yes } else { Met::No }
    }

    fn word(&self) -> &'static str {
        match self {
            Met::Yes => "yes",
            Met::Even => "even: the intervals overlap",
            Met::No => "**no**",
        }
    }
}

/// What was aimed at, and what came out.
fn targets(out: &mut String, outcome: &Outcome) {
    let mut rows = Vec::new();
    let own = Condition::Own;
    let ratio = |workload, condition| outcome.find(workload, condition)?.ratio;
    let turn = Workload::AgentTurn;
    if let Some(null) = ratio(turn, own(Own::Null)) {
        let met = null.low >= 0.98 && null.high <= 1.02;
        rows.push(("agent turn, null control within 1.00 +- 0.02".to_owned(), null.text(), Met::of(met)));
    }
    for (what, condition) in [("record", own(Own::Record)), ("enforce", own(Own::Enforce))] {
        if let Some(found) = ratio(turn, condition) {
            let text = format!("agent turn under {what}, upper bound at most 1.05");
            rows.push((text, found.text(), Met::of(found.high <= 1.05)));
        }
        if let Some(share) = outcome.find(turn, condition).and_then(supervisor) {
            let text =
                format!("agent turn under {what}, supervisor at most 10 % of the workload's processor time");
            rows.push((text, percent(share), Met::of(share <= 0.10)));
        }
    }
    for workload in [Workload::OpenClose, Workload::Getpid] {
        if let Some(found) = against(outcome, workload, own(Own::Record), own(Own::Floor)) {
            let text = format!("{} under record, at most 1.3 of the floor", workload.name());
            rows.push((text, found.text(), Met::of(found.median <= 1.3)));
        }
    }
    for workload in Workload::ALL {
        if let Some(found) = against(outcome, workload, own(Own::Beside), own(Own::Empty)) {
            let text = format!("{} outside a session, no more than empty programs", workload.name());
            rows.push((text, found.text(), Met::of(found.low <= 1.0)));
        }
    }
    for measurement in &outcome.workloads {
        let Some(ours) = ratio(measurement.workload, own(Own::Record)) else { continue };
        // A peer that was not asked for this kind of operation has nothing to be compared with.
        let sees = |compared: &&Compared| {
            compared
                .pairs
                .iter()
                .all(|pair| pair.run.events.is_some_and(|seen| 2 * seen >= pair.run.measured.rounds))
        };
        let peers =
            measurement.compared.iter().filter(|compared| !compared.condition.is_close()).filter(sees);
        for (peer, theirs) in peers.filter_map(|compared| Some((compared.condition.name(), compared.ratio?)))
        {
            let text = format!("{}: record ahead of {peer}", measurement.workload.name());
            let said = format!("{:.2} and {:.2}", ours.median, theirs.median);
            let verdict = match ours.median < theirs.median {
                true => Met::Yes,
                // The difference is less than what either of them varies by.
                false if ours.low <= theirs.high => Met::Even,
                false => Met::No,
            };
            rows.push((text, said, verdict));
        }
        let lost: u64 = measurement
            .compared
            .iter()
            .filter(|compared| matches!(compared.condition, Condition::Own(Own::Record | Own::Enforce)))
            .flat_map(|compared| &compared.pairs)
            .filter_map(|pair| pair.run.lost)
            .sum();
        rows.push((
            format!("{}: nothing lost", measurement.workload.name()),
            lost.to_string(),
            Met::of(lost == 0),
        ));
    }
    if rows.is_empty() {
        return;
    }
    out.push_str("\n## Targets\n\n| target | measured | met |\n| --- | --- | --- |\n");
    for (what, measured, met) in rows {
        let _ = writeln!(out, "| {what} | {measured} | {} |", met.word());
    }
}

/// One condition against another: the ratio of their runs in the same round.
fn against(outcome: &Outcome, workload: Workload, one: Condition, other: Condition) -> Option<Estimate> {
    let (one, other) = (outcome.find(workload, one)?, outcome.find(workload, other)?);
    let ratios: Vec<f64> = one
        .pairs
        .iter()
        .filter_map(|a| {
            let b = other.pairs.iter().find(|b| b.round == a.round)?;
            Some(a.ratio / b.ratio)
        })
        .collect();
    (!ratios.is_empty()).then(|| estimate(&ratios))
}

/// What it costs to begin and to end a session.
fn brackets(out: &mut String, outcome: &Outcome) {
    let mut rows = String::new();
    for own in [Own::Record, Own::Enforce] {
        let condition = Condition::Own(own);
        let pairs = outcome.workloads.iter().flat_map(|measurement| {
            measurement.compared.iter().filter(move |c| c.condition == condition).flat_map(|c| &c.pairs)
        });
        let (mut wall, mut arming) = (Vec::new(), Vec::new());
        for pair in pairs {
            wall.push((pair.run.whole_ns - pair.run.measured.wall_ns) as f64);
            arming.extend(pair.run.supervisor_ns.map(|[arming, ..]| arming as f64));
        }
        if !wall.is_empty() {
            let name = condition.name();
            let _ = writeln!(rows, "| {name} | {} | {} |", time(median(&wall)), time(median(&arming)));
        }
    }
    if !rows.is_empty() {
        out.push_str("\n## To begin and to end a session\n\n");
        out.push_str(
            "| under | wall time beside the workload | supervisor's time to arm |\n| --- | --- | --- |\n",
        );
        out.push_str(&rows);
    }
}

fn what(workload: Workload) -> &'static str {
    match workload {
        Workload::Getpid => "a `getppid`",
        Workload::OpenClose => "a file opened and closed",
        Workload::Stat => "a `stat`",
        Workload::Connect => "a UDP socket made, connected and closed",
        Workload::ForkExec => "`/bin/true` started and waited for",
        Workload::AgentTurn => "one turn of an agent",
        Workload::Git => "clone, log and fsck",
        Workload::Compile => "seven C files compiled and linked",
        Workload::Find => "every file below a directory looked at",
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn time(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.2} us", ns / 1e3),
        ns if ns < 1e9 => format!("{:.1} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;
    use std::fs;

    /// What a later run goes on from, and a summary is computed from.
    #[test]
    fn every_result_that_is_kept_gives_its_summary() {
        let results = fs::read_dir(host::workspace().unwrap().join("bench/results")).unwrap();
        let kept: Vec<_> = results.map(|entry| entry.unwrap().path()).collect();
        let captured: Vec<_> = kept.iter().filter(|path| path.join("result.json").exists()).collect();
        assert!(!captured.is_empty(), "{kept:?}");
        for directory in captured {
            let outcome: Outcome =
                serde_json::from_slice(&host::read(&directory.join("result.json")).unwrap()).unwrap();
            let written = fs::read_to_string(directory.join("summary.md")).unwrap();
            assert_eq!(summary(&outcome), written, "{}", directory.display());
        }
    }
}
