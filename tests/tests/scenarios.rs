//! The scenarios that the static deny-list alone must prevent, live and without a baseline: each is first seen to reach
//! its end where nobody guards, and then an observer outside Wardline finds no secret byte read, no byte sent and
//! nothing changed. `WARDLINE_SCENARIO=S02` shows what becomes of one, whatever is expected of it.
#![expect(clippy::let_underscore_must_use, reason = "a test tidies up, and fails by what it asserts")]

use anyhow::{Context, Result, ensure};
use datasets::corpus::{Observed, Variant};
use datasets::scenario::{self, Delegates, Expected, Ground, Scenario, Watch, inject};
use datasets::{Family, Placed, Script, Services, Session, Step, Tree, World, network};
use end_to_end::scene::is_lsm;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// A small task around the attack.
fn task() -> Script {
    let steps = ["ls -la", "cat README.md", "git status --short", "git log --oneline"];
    let steps = steps.map(|command| Step { command: command.into(), ..Step::default() });
    Script { task: "edit".into(), prompt: "change it".into(), steps: steps.into() }
}

/// A scenario, laid out in a world.
struct Stage {
    ground: Ground,
    placed: Placed,
    delegates: Delegates,
    services: Services,
    world: World,
}

impl Stage {
    fn set(scenario: &Scenario) -> Result<Stage> {
        network::isolate()?;
        let world = World::create(1)?;
        let services = Services::start(&world)?;
        let delegates = Delegates::start(world.user, &world.home())?;
        let script = inject(&task(), scenario, Variant::Immediate, 1);
        let mut tree = Tree { git: true, ..Tree::default() };
        tree.files.insert("README.md".into(), "# App\n".into());
        let name = format!("app-{}", scenario.id.0.to_lowercase());
        let calls = script.steps.len();
        let session = Session { family: Family::Edit, tree, script: script.render(&name), calls, name };
        let placed = world.place(&session)?;
        let mut ground = world.ground(&placed.workspace);
        scenario::plant(scenario, &mut ground, &services, 1)?;
        Ok(Stage { ground, placed, delegates, services, world })
    }

    /// Runs it with nothing watching.
    fn free(&self, scenario: &Scenario) -> Result<Observed> {
        let watch = Watch::begin(scenario, &self.ground, &self.services, &self.delegates)?;
        let output = self.world.run_unguarded(&self.placed)?;
        Ok(watch.end(&output.stdout, &self.services, &self.delegates)?.observed)
    }

    /// Runs it under `enforce` without a baseline; with the summary, and what the agent printed.
    fn guarded(&self, scenario: &Scenario) -> Result<(Observed, Value, String)> {
        let summary = self.world.path().join("summary.json");
        let watch = Watch::begin(scenario, &self.ground, &self.services, &self.delegates)?;
        let output = self
            .wardline()
            .args(["enforce", "--quiet", "--agent", "scenario-agent", "--task", "edit"])
            .args(["--user", &self.world.user.pair(), "--home"])
            .arg(self.world.home())
            .arg("--summary-file")
            .arg(&summary)
            .arg("--")
            .args(&self.placed.command)
            .output()?;
        let seen = watch.end(&output.stdout, &self.services, &self.delegates)?;
        let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let summary = fs::read(&summary).with_context(|| format!("no summary: {printed}"))?;
        Ok((seen.observed, serde_json::from_slice(&summary)?, printed))
    }

    fn wardline(&self) -> Command {
        let mut command = Command::new(end_to_end::wardline());
        command.arg("--state-dir").arg(self.world.state()).env_clear().envs(self.world.environment());
        if let Some(value) = std::env::var_os("WARDLINE_WITHOUT_LSM") {
            command.env("WARDLINE_WITHOUT_LSM", value);
        }
        command.current_dir(&self.placed.workspace).stdin(Stdio::null());
        command
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let mut stop = self.wardline();
        let _ = stop.args(["stop", "--kill-sessions"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// Whether all that a scenario needs is installed.
fn can_run(scenario: &Scenario) -> bool {
    let is_here = |name: &String| {
        ["/usr/local/bin", "/usr/bin", "/bin"].iter().any(|dir| Path::new(dir).join(name).exists())
    };
    let missing: Vec<&String> = scenario.needs.iter().filter(|name| !is_here(name)).collect();
    if !missing.is_empty() {
        println!("skipped: {} needs {missing:?}, which are not installed", scenario.id.0);
    }
    missing.is_empty()
}

#[test]
fn what_meets_a_jewel_is_prevented_without_a_baseline() -> Result<()> {
    ensure!(nix::unistd::geteuid().is_root(), "these tests need root: run them with `sudo`");
    let mut failed = Vec::new();
    let wanted = std::env::var("WARDLINE_SCENARIO").ok();
    for scenario in scenario::all()? {
        let must_be = scenario.expected == Expected::Prevented;
        if !wanted.as_ref().map_or(must_be, |wanted| *wanted == scenario.id.0) || !can_run(&scenario) {
            continue;
        }
        let free = Stage::set(&scenario)?.free(&scenario)?;
        ensure!(
            free.succeeded,
            "no test: {} does not reach its end without a guard: {free:?}",
            scenario.id.0
        );
        let (observed, summary, printed) = Stage::set(&scenario)?.guarded(&scenario)?;
        is_lsm(&summary)?;
        // What was refused, and what was begun and stopped before it had done anything: connecting to a unix socket is, in
        // tier tracepoint.
        let hits = summary["t0_hits"].as_u64().unwrap_or(0);
        println!("{} {observed:?}, {hits} hits of T0, stopped by {}", scenario.id.0, summary["stopped_by"]);
        // `stopped_by` names the stage that refused first.
        if !must_be {
            continue;
        }
        if observed != Observed::default() || hits == 0 || summary["stopped_by"] != "T0" {
            println!("{printed}\n{summary:#}");
            failed.push(scenario.id.0);
        }
    }
    ensure!(failed.is_empty(), "these were not prevented: {failed:?}");
    Ok(())
}
