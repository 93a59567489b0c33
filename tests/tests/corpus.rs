//! `wardline-lab corpus` and `wardline-lab eval run`: a small corpus is made, goes on where it was, is evaluated live, and comes
//! back from its export.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Whether packages can be fetched or are there: a virtual machine of the tests has no clients of registries.
fn missing_client() -> Option<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    ["npm", "pip", "cargo", "rustc", "git"]
        .into_iter()
        .find(|name| !std::env::split_paths(&path).any(|directory| directory.join(name).is_file()))
}

fn lab(arguments: &[&str]) -> Result<String> {
    let output = Command::new(end_to_end::lab()).args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "`{}`: {}: {said}", arguments.join(" "), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn corpus(arguments: &[&str], directory: &Path) -> Result<String> {
    let directory = directory.to_str().context("a path")?;
    lab(&[&["corpus"], arguments, &["--dir", directory]].concat())
}

fn runs(directory: &Path) -> Result<Vec<Value>> {
    let runs: Value = serde_json::from_str(&corpus(&["list", "--json"], directory)?)?;
    Ok(runs.as_array().context("no list of runs")?.clone())
}

/// Of a kind and a mode.
fn of<'r>(runs: &'r [Value], clean: bool, mode: &str) -> Vec<&'r Value> {
    runs.iter().filter(|run| (run["kind"] == "clean") == clean && run["mode"] == mode).collect()
}

/// Normal work: nothing was lost, refused or stopped.
fn undisturbed(run: &Value) {
    assert_eq!(run["exit_status"], 0, "{run:#}");
    assert_eq!(run["summary"]["denied"], 0, "{run:#}");
    assert_eq!(run["summary"]["lost"], 0, "{run:#}");
    assert_eq!(run["observed"]["secret_bytes_read"], 0, "{run:#}");
    assert_eq!(run["observed"]["bytes_sent"], 0, "{run:#}");
    assert!(run["onset_ns"].is_null(), "{run:#}");
}

/// An attack that began and was refused, and did no harm that its observer could see.
fn prevented(run: &Value) {
    assert!(run["onset_ns"].is_u64(), "{run:#}");
    assert!(run["impact_ns"].is_null(), "{run:#}");
    assert!(run["summary"]["denied"].as_u64() > Some(0), "{run:#}");
    assert_eq!(run["summary"]["lost"], 0, "{run:#}");
    assert_eq!(run["observed"]["secret_bytes_read"], 0, "{run:#}");
    assert_eq!(run["observed"]["bytes_sent"], 0, "{run:#}");
    assert_eq!(run["observed"]["changes"], serde_json::json!([]), "{run:#}");
    assert_eq!(run["observed"]["succeeded"], false, "{run:#}");
}

#[test]
fn a_small_corpus_is_made_evaluated_live_and_goes_round() -> Result<()> {
    if let Some(client) = missing_client() {
        println!(
            "skipped: there is no `{client}` here, through which the repositories of a corpus are fetched"
        );
        return Ok(());
    }
    let place = tempfile::tempdir()?;
    let directory = place.path().join("corpus");
    let path = directory.to_str().context("a path")?;
    corpus(&["make", "--profile", "smoke", "--clean", "--sessions", "2"], &directory)?;
    assert_eq!(runs(&directory)?.len(), 2, "neither of the first two sessions is held out");
    // The rest: 13 more clean sessions and four attacks; then the three of the test split and the attacks, guarded.
    let result = lab(&["eval", "run", "--profile", "smoke", "--corpus", path, "--json"])?;
    let made = runs(&directory)?;
    let [recorded, attacks, clean, live] =
        [(true, "record"), (false, "record"), (true, "enforce"), (false, "enforce")]
            .map(|(is_clean, mode)| of(&made, is_clean, mode));
    assert_eq!([recorded.len(), attacks.len(), clean.len(), live.len()], [15, 4, 3, 4]);
    recorded.iter().chain(&clean).for_each(|run| undisturbed(run));
    // Each of the four meets a crown jewel: those are refused even where nothing is guarded by a baseline.
    attacks.iter().chain(&live).for_each(|run| prevented(run));
    for run in &attacks {
        assert_eq!(run["summary"]["stopped_by"], "T0", "{run:#}");
    }
    let mut scenarios: Vec<&str> =
        live.iter().filter_map(|run| run["kind"]["attack"]["scenario"].as_str()).collect();
    scenarios.sort_unstable();
    assert_eq!(scenarios, ["S01", "S04", "S08", "S15"]);
    let result: Value = serde_json::from_str(&result)?;
    assert_eq!(result["live"]["claimed"]["prevented"], 4, "{:#}", result["live"]);
    assert_eq!(result["live"]["clean_denied"]["hits"], 0, "{:#}", result["live"]);
    assert_eq!(result["live"]["clean_denied"]["of"], 3, "{:#}", result["live"]);
    let gaps = result["gaps"].to_string();
    assert!(!gaps.contains("to calibrate on"), "the calibration split was too small: {gaps}");
    let (file, copy) = (place.path().join("corpus.zst"), place.path().join("copy"));
    let name = file.to_str().context("a path")?;
    corpus(&["export", name], &directory)?;
    corpus(&["import", name], &copy)?;
    assert_eq!(runs(&copy)?, made);
    assert_eq!(corpus(&["stats", "--json"], &copy)?, corpus(&["stats", "--json"], &directory)?);
    Ok(())
}
