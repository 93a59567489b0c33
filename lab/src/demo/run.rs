//! The demo from beginning to end.

use super::args::DemoArgs;
use super::judge;
use super::report::{Clean, Outcome, Recorded, Report};
use crate::live::{Client, Interrupts, Job, Run};
use anyhow::{Result, ensure};
use command::Exit;
use datasets::{Attack, Family, Observation, Plot, Services, Tools, World, network, plot};
use event::Stage;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Instant;

/// Reasons that are kept of one run.
const REASONS: usize = 4;

/// Makes the world, and everything in it. The world is gone afterwards, however this ends, unless it is to be kept.
pub fn run(args: &DemoArgs, interrupts: &Interrupts) -> Result<Report> {
    let began = Instant::now();
    let plot = Plot { seed: args.seed, profile: args.profile.profile(), tools: Tools::find()? };
    // Before any thread: only what is started from here on lives in the namespace.
    network::isolate().map_err(|error| {
        Exit::CannotProtect.error(format!(
            "{:#}: this root has not all of root's rights. Run the demo outside of the container, or give the container \
             the capabilities SYS_ADMIN, NET_ADMIN and BPF",
            anyhow::Error::new(error)
        ))
    })?;
    let world = World::create(args.seed)?;
    let services = Services::start(&world)?;
    let played = play(&plot, &world, &services, interrupts);
    let kept = args.keep.then(|| world.keep().display().to_string());
    match (played, kept) {
        (Ok(mut report), kept) => {
            report.seed = args.seed;
            report.profile = args.profile.name().to_owned();
            report.seconds = began.elapsed().as_secs_f64();
            report.broken = judge::broken(&report, plot.profile.sessions);
            report.kept = kept;
            Ok(report)
        }
        (Err(error), Some(kept)) => Err(error.context(format!("the world was left in {kept}"))),
        (Err(error), None) => Err(error),
    }
}

/// Records, trains, and enforces.
fn play(plot: &Plot, world: &World, services: &Services, interrupts: &Interrupts) -> Result<Report> {
    let client = Client::new(world, world.state(), interrupts)?;
    let home = world.home().to_string_lossy().into_owned();
    let sessions = plot::recorded(plot);
    let progress = Progress::new(sessions.len() + 1 + Family::ALL.len() + Attack::ALL.len());
    let mut report = Report::default();
    for session in &sessions {
        progress.step(&format!("recording {}", session.name));
        let run = client.record(&Job::of(session, &world.place(session)?))?;
        ensure!(run.status.success(), "the recorded session {} failed: {}", session.name, tail(&run.printed));
        count(&mut report.recorded, &run);
    }
    progress.step("training");
    report.baselines = client.train(&[], &[])?;
    for family in Family::ALL {
        progress.step(&format!("a clean {} run", family.task()));
        let session = plot::fresh(plot, family, 0);
        let run = client.enforce(&Job::of(&session, &world.place(&session)?))?;
        report.tier = run.summary.tier.to_string();
        report.clean.push(clean(family, &run, &home));
    }
    for attack in Attack::ALL {
        progress.step(&format!("the attack {}", attack.name()));
        report.attacks.push(attacked(attack, plot, world, services, &client)?);
    }
    Ok(report)
}

fn count(recorded: &mut Recorded, run: &Run) {
    recorded.sessions += 1;
    recorded.events += run.summary.events;
    recorded.lost += run.summary.lost;
}

fn clean(family: Family, run: &Run, home: &str) -> Clean {
    Clean {
        task: family.task().to_owned(),
        denied: run.summary.denied + run.summary.stopped,
        alerts: run.summary.alerts,
        verdict: run.summary.verdict.clone(),
        completed: run.status.success() && !run.frozen,
        reasons: reasons(run, None, home),
    }
}

fn attacked(
    attack: Attack,
    plot: &Plot,
    world: &World,
    services: &Services,
    client: &Client<'_>,
) -> Result<Outcome> {
    // What came before is not this attack's doing.
    drop(services.arrived());
    world.seal()?;
    let session = plot::attack(plot, attack);
    let placed = world.place(&session)?;
    let run = client.enforce(&Job::of(&session, &placed))?;
    let seen = Observation::of(world, attack, &session, &placed.workspace, &run.printed, services);
    let stage = run.summary.stopped_by;
    Ok(Outcome {
        name: attack.name().to_owned(),
        task: attack.family().task().to_owned(),
        means: run.summary.means.map(|means| means.name().to_owned()),
        denied: run.summary.denied,
        operations_before_denial: stage.is_some().then_some(run.summary.operations_before_denial),
        secret_bytes: seen.secret_bytes,
        secret_bytes_read: seen.secret_bytes_read,
        bytes_exfiltrated: seen.bytes_exfiltrated,
        files: seen.files,
        files_removed: seen.files - seen.files_left,
        answered_after_ms: run.summary.t2_latency_ns.map(|ns| ns as f64 / 1e6),
        frozen: run.frozen,
        verdict: run.summary.verdict.clone(),
        reasons: reasons(&run, stage, &world.home().to_string_lossy()),
        stopped_by: stage.map(|stage| stage.name().to_owned()),
    })
}

/// Why, in words: each reason once with the first operation that it refused, the stopping stage's first. The home is `~`.
fn reasons(run: &Run, stage: Option<Stage>, home: &str) -> Vec<String> {
    let mut denials: Vec<_> = run.summary.denials.iter().collect();
    denials.sort_by_key(|denial| Some(denial.stage) != stage);
    let refused = denials
        .into_iter()
        .map(|denial| (denial.reason.as_str(), format!("{} {}: ", denial.op, denial.object)));
    let others = run.summary.reasons.iter().map(|reason| (reason.as_str(), String::new()));
    let mut known: Vec<&str> = Vec::new();
    let mut reasons = Vec::new();
    for (reason, what) in refused.chain(others) {
        if reasons.len() < REASONS && !known.contains(&reason) {
            known.push(reason);
            reasons.push(format!("{what}{reason}").replace(home, "~"));
        }
    }
    reasons
}

/// The end of what an agent printed.
fn tail(printed: &[u8]) -> String {
    let text = String::from_utf8_lossy(printed);
    let lines: Vec<&str> = text.trim_end().lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// The progress bar, on standard error; hidden where nobody looks.
struct Progress(ProgressBar);

impl Progress {
    fn new(steps: usize) -> Progress {
        let bar = ProgressBar::new(steps as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos:>2}/{len} {msg}") {
            bar.set_style(style);
        }
        Progress(bar)
    }

    fn step(&self, what: &str) {
        self.0.set_message(what.to_owned());
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
