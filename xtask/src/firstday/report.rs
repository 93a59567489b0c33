//! The results of `firstday`, as JSON and as a table.

use crate::host;
use anyhow::{Context as _, Result};
use datasets::firstday::{Came, Outcome};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// Everything that came of it.
#[derive(Serialize)]
pub struct Report {
    seed: u64,
    rounds: u64,
    offline: bool,
    force_baseline: bool,
    kernel: String,
    commit: String,
    /// BLAKE3 of Wardline's program.
    program: String,
    /// The agents.
    pub tried: Vec<Tried>,
}

/// One agent.
#[derive(Serialize)]
pub struct Tried {
    /// Nothing was decided on it.
    pub held_out: bool,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Report {
    /// Notes what is tried.
    pub fn begin(
        program: &Path,
        seed: u64,
        rounds: u64,
        offline: bool,
        force_baseline: bool,
    ) -> Result<Report> {
        let commit = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(host::workspace()?).output();
        let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        Ok(Report {
            seed,
            rounds,
            offline,
            force_baseline,
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            commit: commit.unwrap_or_default(),
            program: blake3::hash(&host::read(program)?).to_hex().to_string(),
            tried: Vec::new(),
        })
    }

    /// Everything went as it must.
    pub fn is_good(&self) -> bool {
        self.tried.iter().all(|tried| tried.outcome.is_good())
    }

    /// A line an agent: of its sessions, how many started, came to their end, and were refused nothing.
    pub fn table(&self) -> String {
        let mut out = String::from(
            "| agent | version | installed | held out | recorded | trained | known project | new project | no task said | false refusals |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        for Tried { held_out, outcome } in &self.tried {
            let home = Path::new(&outcome.home);
            let good = |sessions: &[Came]| {
                let good = sessions.iter().filter(|came| came.is_good(home)).count();
                format!("{good} of {}", sessions.len())
            };
            let refusals: usize = outcome.sessions().map(|came| came.false_refusals(home).count()).sum();
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {refusals} |",
                outcome.agent,
                outcome.version,
                installed(outcome),
                if *held_out { "yes" } else { "no" },
                good(&outcome.recorded),
                if outcome.trained == Some(0) { "yes" } else { "no" },
                good(&outcome.known),
                good(&outcome.new),
                good(&outcome.untold),
            );
        }
        out
    }

    /// Writes both into a directory.
    pub fn write(&self, directory: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(self).context("the result is no JSON")?;
        host::write(&directory.join("result.json"), json + "\n")?;
        host::write(&directory.join("table.md"), self.table())
    }
}

/// How it was installed, and what its user typed before its name.
fn installed(outcome: &Outcome) -> String {
    let before = (!outcome.before.is_empty()).then(|| format!(", `{}`", outcome.before));
    outcome.way.clone() + &before.unwrap_or_default()
}

/// How a session went, in a few words.
pub fn verdict(came: &Came) -> String {
    let status = match came.exit_status {
        Some(0) => "ended by itself".to_owned(),
        Some(status) => format!("ended with {status}"),
        None => "had to be ended".to_owned(),
    };
    let done = if came.done { "done" } else { "not done" };
    let guarded = if came.was_guarded() { "" } else { ", not guarded" };
    let (steps, all) = came.steps;
    format!(
        "{status} after {steps} of {all} steps, {done}{guarded}, {} denials, {:.1} s",
        came.denials.len(),
        came.seconds
    )
}
