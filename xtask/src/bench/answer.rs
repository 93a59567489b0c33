//! `cargo xtask bench answer`: how long it takes from the operation with which a session's score crosses to the entry in the
//! kernel's maps that takes the next ones away; while other sessions are busy.
//!
//! The supervisor measures it itself, from the kernel's time of the operation to the return of the call that writes the map
//! (`t2_latency_ns` of a session's summary). A session has one such answer, so that each value is a session's.

use super::condition::Bench;
use super::output::{Head, Output};
use super::workload::{Profile, Workload};
use crate::host;
use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a session may take until it stands still, or has ended.
const OVER: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// The task whose baseline answers.
const TASK: &str = "answer";
/// What a normal session does: it makes some files, reads them, and removes the last one.
const NORMAL: &str =
    "for n in 1 2 3 4 5 6 7 8; do echo $n >out-$n; read -r line <out-$n; done; ls >/dev/null; rm -f out-8";
/// What no normal session does: one by one, it removes what was there before.
const OTHER: &str = "for file in old/*; do rm -f $file; done";
/// Files that are there to be removed.
const FILES: usize = 400;

/// The arguments of `answer`.
#[derive(Args)]
pub struct Answer {
    /// Sessions that are answered
    #[arg(long, default_value_t = 200)]
    samples: usize,
    /// Sessions that are busy meanwhile
    #[arg(long, default_value_t = 8)]
    sessions: usize,
    /// Times a second that each of them opens and closes a file; 0 is as often as it goes
    #[arg(long, default_value_t = 2_000)]
    rate: u64,
    /// Normal sessions that are recorded before
    #[arg(long, default_value_t = 20)]
    normal: usize,
    #[command(flatten)]
    output: Output,
}

#[derive(Serialize)]
struct Outcome {
    #[serde(flatten)]
    head: Head,
    sessions: usize,
    rate: u64,
    /// From the operation to the entry, ns, in order.
    latencies_ns: Vec<u64>,
    /// Sessions that the score did not answer.
    unanswered: usize,
}

/// Measures and writes.
pub fn run(arguments: &Answer) -> Result<()> {
    let head = arguments.output.head()?;
    let bench = Bench::new(Profile::Quick)?;
    for _ in 0..arguments.normal {
        host::output(bench.session_command("record", TASK).args(["--", "/bin/bash", "-c", NORMAL]))?;
    }
    let mut train = bench.supervisor.wardline(&bench.world);
    let user = bench.world.user.to_string();
    host::output(train.args(["train", "--agent", "bench", "--task", TASK, "--user", &user]))?;
    let busy: Vec<Busy> = (0..arguments.sessions)
        .map(|number| Busy::start(&bench, number, arguments.rate))
        .collect::<Result<_>>()?;
    let progress = super::capture::bar("answers", arguments.samples as u64);
    let (mut latencies_ns, mut unanswered) = (Vec::new(), 0);
    for _ in 0..arguments.samples {
        match answered(&bench)? {
            Some(latency) => latencies_ns.push(latency),
            None => unanswered += 1,
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    drop(busy);
    latencies_ns.sort_unstable();
    ensure!(!latencies_ns.is_empty(), "none of {unanswered} sessions was answered");
    let outcome =
        Outcome { head, sessions: arguments.sessions, rate: arguments.rate, latencies_ns, unanswered };
    let directory = arguments.output.directory(&outcome.head.machine, "-answer")?;
    host::write(&directory.join("answer.json"), serde_json::to_string(&outcome)? + "\n")?;
    host::write(&directory.join("answer.md"), text(&outcome))?;
    print!("{}", text(&outcome));
    println!("\nwrote {}", directory.display());
    Ok(())
}

/// Has a session do what no normal one does; how long the answer took, ns.
fn answered(bench: &Bench) -> Result<Option<u64>> {
    let summary = bench.world.path().join("answer.json");
    prepare(bench)?;
    let mut command = bench.session_command("enforce", TASK);
    command.arg("--force-baseline").arg("--summary-file").arg(&summary).args([
        "--",
        "/bin/bash",
        "-c",
        OTHER,
    ]);
    let mut client = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let until = Instant::now() + OVER;
    while client.try_wait()?.is_none() {
        if let Some(number) = frozen(bench)? {
            // It may end meanwhile.
            let mut stop = bench.supervisor.wardline(&bench.world);
            let _ = stop.args(["stop-session", &number]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
        if Instant::now() > until {
            client.kill()?;
            bail!("a session neither ended nor stood still within {} s", OVER.as_secs());
        }
        std::thread::sleep(POLL);
    }
    let report: serde_json::Value = serde_json::from_slice(&host::read(&summary)?)?;
    Ok(report["t2_latency_ns"].as_u64())
}

/// Puts files into the workspace, as their user's.
fn prepare(bench: &Bench) -> Result<()> {
    let world = &bench.world;
    let old = world.work().join("old");
    std::fs::create_dir_all(&old)?;
    std::os::unix::fs::chown(&old, Some(world.user), Some(world.user))?;
    for n in 0..FILES {
        let file = old.join(n.to_string());
        host::write(&file, "old\n")?;
        std::os::unix::fs::chown(&file, Some(world.user), Some(world.user))?;
    }
    Ok(())
}

/// The session that stands still.
fn frozen(bench: &Bench) -> Result<Option<String>> {
    let mut list = bench.supervisor.wardline(&bench.world);
    let listed = host::output(list.args(["sessions", "--json", "--user", &bench.world.user.to_string()]))?;
    let listed: Vec<serde_json::Value> = serde_json::from_str(&listed)?;
    let frozen = listed.iter().find(|session| session["state"] == "frozen");
    frozen
        .map(|session| Ok(session["session"].as_i64().context("a session has no number")?.to_string()))
        .transpose()
}

/// A session that opens and closes a file as long as this lives.
struct Busy(Child);

impl Busy {
    fn start(bench: &Bench, number: usize, rate: u64) -> Result<Self> {
        let world = &bench.world;
        let report = world.home().join(format!("busy-{number}.json"));
        host::write(&report, "")?;
        std::os::unix::fs::chown(&report, Some(world.user), Some(world.user))?;
        let mut command: Command = bench.session_command("record", "busy");
        command.arg("--").arg(world.runner());
        command.args(["bench", "inside", Workload::OpenClose.name()]);
        command.arg("--file").arg(world.file()).arg("--report").arg(&report);
        command.args(["--flood", "86400", &rate.to_string()]);
        Ok(Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

/// The value below which that share of them lies: the next one above, of an ordered list that is not empty.
fn quantile(ordered: &[u64], share: f64) -> u64 {
    ordered[((ordered.len() as f64 * share).ceil() as usize).clamp(1, ordered.len()) - 1]
}

fn text(outcome: &Outcome) -> String {
    let ms = |ns: u64| ns as f64 / 1e6;
    let at = |share| ms(quantile(&outcome.latencies_ns, share));
    format!(
        "{}\nWhile {} sessions open and close a file {} times a second each \
         (0: as often as it goes).\n\n| answers | p50 | p99 | maximum | not answered |\n| --- | --- | --- | --- | --- |\n\
         | {} | {:.2} ms | {:.2} ms | {:.2} ms | {} |\n",
        outcome.head.text("From the operation that the score answers to the map"),
        outcome.sessions,
        outcome.rate,
        outcome.latencies_ns.len(),
        at(0.5),
        at(0.99),
        at(1.0),
        outcome.unanswered,
    )
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values: Vec<u64> = (1..=200).collect();
        assert_eq!([0.5, 0.99, 1.0].map(|share| quantile(&values, share)), [100, 198, 200]);
        assert_eq!(quantile(&[7], 0.99), 7);
    }
}
