//! Sessions that may come to stand still: run to their end, or until they are frozen, and then stopped.

use crate::{World, wait_until};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::process::{Output, Stdio};
use std::time::Duration;

/// What became of a session.
#[derive(Debug)]
pub struct Ended {
    /// Its summary.
    pub summary: Value,
    /// It was frozen.
    pub frozen: bool,
    /// What it printed.
    pub output: Output,
}

impl Ended {
    /// What it wrote to its standard output.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// Its denials: stage, operation, means.
    pub fn denials(&self) -> Vec<(String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let rows = self.summary["denials"].as_array().cloned().unwrap_or_default();
        rows.iter().map(|row| (text(&row["stage"]), text(&row["op"]), text(&row["means"]))).collect()
    }
}

/// Runs a script in a session.
pub fn run(world: &World, verb: &str, more: &[&str], script: &str) -> Result<Ended> {
    run_and(world, verb, more, script, || ())
}

/// The same, with what is done while it stands still.
pub fn run_and(
    world: &World,
    verb: &str,
    more: &[&str],
    script: &str,
    while_frozen: impl FnOnce(),
) -> Result<Ended> {
    let summary = world.path().join("summary.json");
    let mut args = world
        .session(verb, &[&["--quiet", "--summary-file", summary.to_str().context("path")?], more].concat());
    // What is said once more stands for what every session is told.
    for (flag, instead) in [("--user", "--as-root"), ("--agent", "--agent")] {
        if more.contains(&instead) {
            let at = args.iter().position(|arg| arg == flag).context("no such flag")?;
            args.drain(at..at + 2);
        }
    }
    args.extend(["bash", "-c", script].map(str::to_owned));
    let mut client = world
        .wardline(args)
        .env("HOME", world.home())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let is_frozen = || -> Option<bool> {
        // The home may be gone, and the workspace with it.
        let listed = world.wardline(["sessions", "--json"]).current_dir(world.path()).output().ok()?.stdout;
        let listed: Value = serde_json::from_slice(&listed).ok()?;
        Some(listed.as_array()?.last()?["state"].as_str()? == "frozen")
    };
    let mut frozen = false;
    let over = wait_until(Duration::from_secs(120), || {
        frozen = is_frozen() == Some(true);
        frozen || client.try_wait().is_ok_and(|status| status.is_some())
    });
    ensure!(over, "the session neither ended nor stood still");
    if frozen {
        while_frozen();
        let stopped = world.wardline(["stop-session", "last"]).current_dir(world.path()).output()?;
        // What froze it may have been the last that it did.
        let is_over = || client.try_wait().is_ok_and(|status| status.is_some());
        let is_stopped = stopped.status.success() || wait_until(Duration::from_secs(10), is_over);
        ensure!(is_stopped, "{stopped:?}");
    }
    let output = client.wait_with_output()?;
    let text = fs::read(&summary).with_context(|| format!("no summary: {output:?}"))?;
    Ok(Ended { summary: serde_json::from_slice(&text)?, frozen, output })
}
