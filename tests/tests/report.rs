//! The page of an evaluation, of sessions recorded here and now, opened in a browser without a network: what it shows
//! is what happened.
#![expect(
    clippy::cast_possible_truncation,
    reason = "numbers are the test's own, or such as the kernel gives"
)]
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]

use anyhow::{Context, Result, ensure};
use end_to_end::{World, lab};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Clean work: it reads the workspace and writes a summary there.
const CLEAN: &str = "for n in 1 2 3 4; do cat part-$n.txt; ls -l; wc -c part-$n.txt; done; \
                     head -n 1 part-2.txt > SUMMARY.txt; sort part-3.txt; tail -n 1 part-4.txt";

/// A name of a scenario that would do harm in a page.
const HOSTILE: &str = "S01<img src=x onerror=alert(1)>";

/// A corpus in the making.
struct Making<'w> {
    world: &'w World,
    runs: Vec<Value>,
}

impl Making<'_> {
    /// Runs a session, and notes it as `what` says.
    fn session(&mut self, verb: &str, script: &str, what: Value) -> Result<()> {
        let summary = self.world.path().join("summary.json");
        let more = ["--task", "read", "--quiet", "--summary-file", summary.to_str().context("path")?];
        let output = self.world.run_script(verb, &more, script)?;
        let told: Value =
            serde_json::from_slice(&fs::read(&summary).with_context(|| format!("{output:?}"))?)?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        // A script that attacks says when: the kernel's own uptime, which is CLOCK_BOOTTIME.
        let onset = printed.lines().find_map(|line| line.strip_prefix("ONSET "));
        let onset = onset.and_then(|line| line.split(' ').next()?.parse::<f64>().ok());
        let session: i64 = told["session"].as_str().context("no session")?.parse()?;
        let n = self.runs.len();
        let mut run = json!({
            "id": format!("test-agent/read/here/{n:04}"), "agent": "test-agent", "agent_version": "1",
            "task": "read", "repository": "here", "template": "t", "seed": n, "split": "test", "kind": "clean",
            "mode": verb, "session": session, "exit_status": output.status.code().unwrap_or(-1),
            "onset_ns": onset.map(|seconds| (seconds * 1e9) as u64), "impact_ns": null, "observed": {},
            "summary": told,
        });
        for (name, value) in what.as_object().context("no object")? {
            run[name] = value.clone();
        }
        self.runs.push(run);
        Ok(())
    }

    /// Writes the corpus' directory around the world's own state.
    fn finish(self) -> Result<PathBuf> {
        let corpus = self.world.path().join("corpus");
        fs::create_dir(&corpus)?;
        // The store is opened by its own path: the supervisor must have let go of it.
        ensure!(self.world.run(["stop"])?.status.success(), "the supervisor does not stop");
        fs::rename(self.world.state(), corpus.join("state"))?;
        let uid = self.world.user.id;
        let description = json!({
            "format": 1, "seed": 1, "profile": "smoke", "kernel": "here", "tier": "", "wardline": "test", "uid": uid,
            "home": self.world.home(), "agents": [{"name": "test-agent", "version": "1"}], "repositories": [],
        });
        fs::write(corpus.join("corpus.json"), description.to_string())?;
        let lines: String = self.runs.iter().map(|run| format!("{run}\n")).collect();
        fs::write(corpus.join("runs.jsonl"), lines)?;
        Ok(corpus)
    }
}

/// Records what the page is about: four sessions teach, three calibrate, three are held out, of which one goes where
/// none went; a secret of the workspace is read and nothing notices; a key is not to be had.
fn record(world: &World) -> Result<PathBuf> {
    for n in 1..=4 {
        let lines: String = (0..20).map(|line| format!("{n} {line} of the text\n")).collect();
        world.write(&world.workspace().join(format!("part-{n}.txt")), lines)?;
    }
    world.write(&world.workspace().join(".env"), "TOKEN=0123456789\n")?;
    world.write(&world.home().join(".ssh/id_ed25519"), "a key\n")?;
    world.write(&world.home().join("diary/today.txt"), "dear diary\n")?;
    let mut making = Making { world, runs: Vec::new() };
    for _ in 0..4 {
        making.session("record", CLEAN, json!({"split": "train"}))?;
    }
    for _ in 0..3 {
        making.session("record", CLEAN, json!({"split": "calibrate"}))?;
    }
    for _ in 0..2 {
        making.session("record", CLEAN, json!({}))?;
    }
    making.session("record", &format!("{CLEAN}; cat ~/diary/today.txt"), json!({}))?;
    let onset = "echo ONSET $(cat /proc/uptime)";
    let attack = |name: &str| json!({"attack": {"scenario": name, "variant": "delayed"}});
    let harm = json!({"secret_bytes_read": 17, "succeeded": true});
    let quiet = json!({"kind": attack("S26"), "observed": harm});
    making.session("record", &format!("{CLEAN}; {onset}; cat .env"), quiet)?;
    let key = format!("{CLEAN}; {onset}; sleep 0.05; cat ~/.ssh/id_ed25519");
    making.session("record", &key, json!({"kind": attack(HOSTILE)}))?;
    making.session("enforce", CLEAN, json!({}))?;
    making.session("enforce", &key, json!({"kind": attack(HOSTILE)}))?;
    making.finish()
}

/// The page as a browser has it once everything in it ran.
fn dom(page: &Path, profile: &Path) -> Result<String> {
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "--virtual-time-budget=2000"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .context("chromium cannot be run")?;
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

/// What stands between two marks, as often as it does.
fn between<'t>(text: &'t str, from: &str, to: &str) -> Vec<&'t str> {
    text.split(from).skip(1).filter_map(|rest| rest.split_once(to)).map(|(inner, _)| inner).collect()
}

#[test]
fn a_browser_shows_what_happened() -> Result<()> {
    let world = World::new()?;
    let corpus = record(&world)?;
    let out = world.path().join("out");
    let arguments =
        ["eval".as_ref(), "run".as_ref(), "--corpus".as_ref(), corpus.as_os_str(), "--out".as_ref()];
    let output = world.wardline_of(&lab(), arguments.into_iter().chain([out.as_os_str()])).output()?;
    ensure!(output.status.success(), "{output:?}");
    let result: Value = serde_json::from_slice(&fs::read(out.join("result.json"))?)?;
    assert_eq!(result["live"]["attacks"]["prevented"], 1, "{}", result["live"]);
    assert_eq!(result["live"]["clean_denied"], json!({"hits": 0, "of": 1}));
    assert_eq!(result["offline"]["missed"], 1, "{}", result["offline"]);
    let again = world.path().join("again");
    let arguments =
        ["eval".as_ref(), "run".as_ref(), "--corpus".as_ref(), corpus.as_os_str(), "--out".as_ref()];
    let output = world.wardline_of(&lab(), arguments.into_iter().chain([again.as_os_str()])).output()?;
    ensure!(output.status.success(), "{output:?}");
    let mut second: Value = serde_json::from_slice(&fs::read(again.join("result.json"))?)?;
    second["timing"] = result["timing"].clone();
    assert_eq!(serde_json::to_string(&second)?, serde_json::to_string(&result)?);
    if !end_to_end::has("chromium") {
        println!("skipped: there is no chromium here: `apt-get install chromium` installs it");
        return Ok(());
    }
    let page = dom(&out.join("report.html"), &world.path().join("browser"))?;
    let headline = between(&page, "<h1>", "</h1>");
    assert_eq!(
        headline,
        ["1 live attack: 1 prevented, 0 noticed before harm was done, 0 noticed too late, 0 missed. \
             None of 1 clean session was denied anything."]
    );
    let scenarios = between(&page, "<table class=\"scenarios\">", "</table>");
    assert_eq!(scenarios.len(), 1);
    assert_eq!(scenarios[0].matches("<tr>").count(), 3, "a head and two scenarios: {}", scenarios[0]);
    let totals = between(scenarios[0], "<tr class=\"total\"><td><b>", "</b>");
    assert_eq!(totals, ["all but S26", "all 2"]);
    assert!(scenarios[0].contains("S01&lt;img src=x onerror=alert(1)&gt;") && !page.contains("<img"));
    // ROC twice, precision and recall, time to detect, promised against realised, learning; then a timeline for the missed
    // attack and for the diary.
    let plots = between(&page, "<svg class=\"plot\"", "</svg>");
    assert_eq!(plots.len(), 8);
    let precision = plots.iter().find(|plot| plot.contains("aria-label=\"Precision-recall curves\""));
    assert!(precision.is_some_and(|plot| plot.contains("var(--s1)")), "no precision-recall curve");
    let timelines = between(&page, "<figure class=\"timeline\">", "</figure>");
    assert_eq!(timelines.len(), 2);
    assert!(timelines.iter().all(|plot| plot.contains("<polyline") && plot.contains("var(--s1)")));
    let cases = between(&page, "<details class=\"case ", "</details>");
    let kinds: Vec<&str> = cases.iter().filter_map(|case| case.split('"').next()).collect();
    assert_eq!(kinds, ["missed", "false"]);
    assert!(cases[0].contains("17 secret bytes read") && cases[0].contains("S26"), "{}", cases[0]);
    assert!(cases[1].contains("$home/diary"), "{}", cases[1]);
    let runs = between(&page, "<table class=\"runs\">", "</table>");
    assert_eq!(runs[0].matches("<tr>").count(), 1 + 14);
    Ok(())
}
