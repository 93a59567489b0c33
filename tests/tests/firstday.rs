//! The first day with an agent: codex, installed with npm's prefix in the home of an ordinary user, who starts it through
//! `sudo`. Normal work: every session starts, is guarded by a baseline that passed its trial, comes to its own end, and is
//! refused nothing but credentials by name.

use anyhow::{Result, ensure};
use datasets::agent;
use datasets::firstday::{Came, Internet, Outcome, Trial, Way, fetch};
use end_to_end::{has, wardline};
use std::path::Path;

/// The agent, and how it is installed.
const AGENT: &str = "codex";
const WAY: Way = Way::NpmPrefix;

/// What is not there that the test cannot do without.
fn missing() -> Option<String> {
    let programs = ["node", "npm", "git", "python3", "su", "sudo", "useradd", "userdel"];
    programs.into_iter().find(|program| !has(program)).map(|program| format!("there is no `{program}` here"))
}

/// What went wrong, for whoever reads that the test failed.
fn wrong(outcome: &Outcome) -> impl Iterator<Item = String> + '_ {
    let home = Path::new(&outcome.home);
    let bad = outcome.sessions().filter(move |came| !came.is_good(home));
    bad.map(move |came: &Came| {
        let denials: Vec<String> = came.false_refusals(home).map(ToString::to_string).collect();
        format!(
            "{} in {}: exit status {:?}, {} of {} steps, done: {}, baseline: {:?}\n{}\n--- on the terminal:\n{}",
            came.verb,
            came.project,
            came.exit_status,
            came.steps.0,
            came.steps.1,
            came.done,
            came.baseline,
            denials.join("\n"),
            came.terminal,
        )
    })
}

#[test]
fn a_real_agent_works_in_a_real_home_from_the_first_day() -> Result<()> {
    if let Some(missing) = missing() {
        println!("skipped: {missing}");
        return Ok(());
    }
    let agent = agent::named(AGENT)?;
    if let Err(error) = fetch(agent, &agent.version) {
        println!("skipped: {error}");
        return Ok(());
    }
    let _internet = Internet::begin(false)?;
    let wardline = wardline();
    let trial = Trial {
        wardline: &wardline,
        agent,
        version: &agent.version,
        way: WAY,
        before: "",
        is_forced: false,
        rounds: 1,
        seed: 1,
    };
    let outcome = trial.run(|_, _| {})?;
    ensure!(outcome.trained == Some(0), "`train` ended with {:?}: {}", outcome.trained, outcome.train_said);
    let wrong: Vec<String> = wrong(&outcome).collect();
    ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert_eq!((outcome.recorded.len(), outcome.sessions().count()), (6, 12));
    Ok(())
}
