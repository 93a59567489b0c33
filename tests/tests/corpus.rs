//! `wardline corpus`: a small one is made, goes on where it was, and comes back from its export.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Whether packages can be fetched or are there: a virtual machine of the tests has no clients of registries.
fn missing_client() -> Option<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    ["npm", "cargo", "rustc"]
        .into_iter()
        .find(|name| !std::env::split_paths(&path).any(|directory| directory.join(name).is_file()))
}

fn corpus(arguments: &[&str], directory: &Path) -> Result<String> {
    let mut command = Command::new(end_to_end::wardline());
    let output = command.arg("corpus").args(arguments).arg("--dir").arg(directory).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "`corpus {}`: {}: {said}", arguments.join(" "), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn runs(directory: &Path) -> Result<Vec<Value>> {
    let runs: Value = serde_json::from_str(&corpus(&["list", "--json"], directory)?)?;
    Ok(runs.as_array().context("no list of runs")?.clone())
}

#[test]
fn a_small_corpus_is_made_and_goes_round() -> Result<()> {
    if let Some(client) = missing_client() {
        println!(
            "skipped: there is no `{client}` here, through which the repositories of a corpus are fetched"
        );
        return Ok(());
    }
    let place = tempfile::tempdir()?;
    let directory = place.path().join("corpus");
    corpus(&["make", "--profile", "smoke", "--clean", "--sessions", "2"], &directory)?;
    assert_eq!(runs(&directory)?.len(), 2);
    // The rest: three more clean sessions and four attacks.
    corpus(&["make", "--profile", "smoke"], &directory)?;
    let runs_made = runs(&directory)?;
    let (attacks, clean): (Vec<&Value>, Vec<&Value>) =
        runs_made.iter().partition(|run| run["kind"] != "clean");
    assert_eq!((clean.len(), attacks.len()), (5, 4));
    for run in clean {
        assert_eq!(run["exit_status"], 0, "{run:#}");
        assert_eq!(run["summary"]["denied"], 0, "{run:#}");
        assert_eq!(run["summary"]["lost"], 0, "{run:#}");
        assert_eq!(run["observed"]["secret_bytes_read"], 0, "{run:#}");
        assert!(run["onset_ns"].is_null(), "{run:#}");
    }
    for run in attacks {
        assert!(run["onset_ns"].is_u64(), "{run:#}");
        // Each of the four meets a jewel: what was recorded was prevented.
        assert!(run["summary"]["denied"].as_u64() > Some(0), "{run:#}");
        assert_eq!(run["observed"]["succeeded"], false, "{run:#}");
    }
    let (file, copy) = (place.path().join("corpus.zst"), place.path().join("copy"));
    let name = file.to_str().context("a path")?;
    corpus(&["export", name], &directory)?;
    corpus(&["import", name], &copy)?;
    assert_eq!(runs(&copy)?, runs_made);
    assert_eq!(corpus(&["stats", "--json"], &copy)?, corpus(&["stats", "--json"], &directory)?);
    Ok(())
}
