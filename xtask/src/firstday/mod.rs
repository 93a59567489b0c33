//! `cargo xtask firstday`: real agents, installed as people install them, in a home as people have it.
//!
//! Each agent gets a home of its own; sessions are recorded, baselines made, and sessions run guarded. What came of it is
//! written as JSON and as a table. Needs root; what it makes outside the tree is removed again.

mod report;

use crate::host;
use anyhow::{Context as _, Result, bail, ensure};
use datasets::agent::{self, Agent};
use datasets::firstday::{self, Internet, Outcome, Trial, Way};
use report::{Report, Tried};
use std::path::PathBuf;

/// Arguments of `firstday`.
#[derive(clap::Args)]
pub struct FirstDay {
    /// Agents: NAME, NAME@VERSION, and a way of installing behind a `+`: codex@0.171.0+nvm
    #[arg(value_name = "AGENT")]
    agents: Vec<String>,
    /// Agents that nothing was decided on: told apart in the result
    #[arg(long, value_name = "AGENT")]
    held_out: Vec<String>,
    /// Descriptions of more agents, with the fields of a table `driven` in `agents/known/`: each is an AGENT by its file's name
    #[arg(long, value_name = "FILE")]
    describe: Vec<PathBuf>,
    /// Let baselines refuse even where they would only watch
    #[arg(long)]
    force_baseline: bool,
    /// What the user types before the agent's name: programs that start it, such as `timeout 600`
    #[arg(long, value_name = "WORDS", default_value = "")]
    before: String,
    /// How often each task is recorded in each project
    #[arg(long, value_name = "N", default_value_t = 1)]
    rounds: u64,
    /// No name server can be reached
    #[arg(long)]
    offline: bool,
    /// Another seed gives other projects and sessions
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Wardline's program; else the one that was built
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Directory of the result, which is made
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What is tried: an agent, its version, a way, and whether it was held out.
struct Chosen {
    agent: Agent,
    version: String,
    way: Way,
    held_out: bool,
}

/// Runs it. Returns 1 when something did not go as it must.
pub fn run(arguments: &FirstDay) -> Result<i32> {
    ensure!(
        host::is_root(),
        "accounts, agents and kernel programs need root: run `sudo -E cargo xtask firstday`"
    );
    if host::find("sudo").is_none() {
        host::apt_install(&["sudo"])?;
    }
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => built()?,
    };
    let described = arguments.describe.iter().map(|path| agent::described(path));
    let described = described.collect::<Result<Vec<_>, _>>()?;
    let mut chosen = Vec::new();
    for (names, held_out) in [(&arguments.agents, false), (&arguments.held_out, true)] {
        for name in names {
            chosen.push(choose(name, held_out, &described)?);
        }
    }
    ensure!(!chosen.is_empty(), "name an agent: {}", names(&described)?.join(", "));
    for Chosen { agent, version, .. } in &chosen {
        firstday::fetch(agent, version)?;
    }
    let mut report = Report::begin(
        &program,
        arguments.seed,
        arguments.rounds,
        arguments.offline,
        arguments.force_baseline,
    )?;
    for chosen in chosen {
        let Chosen { agent, version, way, held_out } = &chosen;
        println!("{} {version}, {}", agent.name, way.name());
        let trial = Trial {
            wardline: &program,
            agent,
            version,
            way: *way,
            before: &arguments.before,
            is_forced: arguments.force_baseline,
            rounds: arguments.rounds,
            seed: arguments.seed,
        };
        let outcome = apart(&trial, arguments.offline)?;
        report.tried.push(Tried { held_out: *held_out, outcome });
        // After each agent: a run that is interrupted later has said what it knows.
        if let Some(out) = &arguments.out {
            report.write(out)?;
        }
    }
    print!("{}", report.table());
    Ok(i32::from(!report.is_good()))
}

/// Runs a trial in a network of its own.
fn apart(trial: &Trial<'_>, offline: bool) -> Result<Outcome> {
    let run = || -> Result<Outcome> {
        let _internet = Internet::begin(offline)?;
        let outcome = trial.run(|verb, came| {
            println!(
                "  {verb} {} {}: {}",
                came.project,
                came.task.as_deref().unwrap_or("-"),
                report::verdict(came)
            );
            for denial in &came.denials {
                println!("    {denial}");
            }
        })?;
        Ok(outcome)
    };
    std::thread::scope(|scope| match scope.spawn(run).join() {
        Ok(ran) => ran,
        Err(_) => bail!("the trial of {} panicked", trial.agent.name),
    })
}

/// The program, as it was built last.
fn built() -> Result<PathBuf> {
    let target = host::target()?;
    let programs = ["release/wardline", "debug/wardline"].map(|path| target.join(path));
    let newest = programs
        .into_iter()
        .filter(|path| path.is_file())
        .max_by_key(|path| path.metadata().and_then(|metadata| metadata.modified()).ok());
    newest.context("there is no program: run `cargo build --release`")
}

fn names(described: &[Agent]) -> Result<Vec<String>> {
    Ok(agent::all()?.iter().chain(described).map(|agent| agent.name.clone()).collect())
}

/// `NAME[@VERSION][+WAY]`
fn choose(text: &str, held_out: bool, described: &[Agent]) -> Result<Chosen> {
    let (rest, way) = match text.split_once('+') {
        Some((rest, way)) => (rest, Some(way)),
        None => (text, None),
    };
    let (name, version) = match rest.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (rest, None),
    };
    let agent = described.iter().find(|agent| agent.name == name);
    let agent = agent.map_or_else(|| agent::named(name).cloned(), |agent| Ok(agent.clone()))?;
    let way = match way {
        None => Way::usual(&agent),
        Some(way) => Way::named(way).filter(|way| way.suits(&agent)),
    };
    let ways: Vec<&str> = Way::ALL.into_iter().filter(|way| way.suits(&agent)).map(Way::name).collect();
    let way = way.with_context(|| format!("`{name}` is installed by one of: {}", ways.join(", ")))?;
    let version = version.unwrap_or(&agent.version).to_owned();
    Ok(Chosen { agent, version, way, held_out })
}
