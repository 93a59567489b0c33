//! `wardline-lab eval replay`: recorded sessions through the score.

use anyhow::Result;
use command::print_line;
use command::table;
use command::user;
use command::{Exit, State};
use eval::SessionScore;
use event::{AgentName, TaskName, Tasks};
use models::{Thresholds, Verdict};
use nix::unistd::Uid;
use profiler::Library;
use serde::Serialize;
use std::process::ExitCode;
use std::sync::Arc;

/// Arguments of `eval replay`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each recorded session goes through the baseline of its own agent and task. The score of a session that taught the \
baseline is optimistic, and marked.\n\nExamples:\n  sudo wardline-lab eval replay\n  sudo wardline-lab eval replay --agent codex --task edit --json"
)]
pub struct Args {
    /// Only this agent
    #[arg(long)]
    pub agent: Option<AgentName>,
    /// Only this task
    #[arg(long)]
    pub task: Option<TaskName>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
    /// The user, by name or uid; the invoking user otherwise
    #[arg(long)]
    pub user: Option<String>,
}

#[derive(Debug, Serialize)]
struct Outcome {
    summary: eval::Summary,
    sessions: Vec<SessionScore>,
}

/// Replays them.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    if !Uid::effective().is_root() {
        return Err(Exit::CannotProtect
            .error("sessions and baselines are root's: use `sudo wardline-lab eval replay`"));
    }
    let uid = user::owner(args.user.as_deref(), state)?;
    let reader = state.existing_store(uid)?;
    let library = Library::new(state.user(uid));
    let of_agent = |agent: &AgentName| args.agent.as_ref().is_none_or(|wanted| wanted == agent);
    let of_task = |task: &Tasks| args.task.as_ref().is_none_or(|wanted| task.is_only(wanted));
    let sessions = reader.sessions()?;
    let mut scores = Vec::new();
    for entry in library.list()? {
        if !of_agent(&entry.agent) || !of_task(&entry.task) {
            continue;
        }
        let baseline = Arc::new(library.load(&entry.agent, &entry.task)?);
        for session in sessions.iter().filter(|session| session.complete && session.meta.agent == entry.agent)
        {
            let segments: Vec<u32> =
                session.segments.iter().filter(|s| entry.task.is_only(&s.task)).map(|s| s.index).collect();
            if !segments.is_empty() {
                scores.push(eval::replay(
                    &reader,
                    session,
                    &baseline,
                    Thresholds::default(),
                    Some(&segments),
                )?);
            }
        }
    }
    if scores.is_empty() {
        return Err(
            Exit::Usage.error("there is no recorded session with a baseline: `wardline train` makes them")
        );
    }
    let outcome = Outcome { summary: eval::summarise(&scores), sessions: scores };
    if args.json {
        print_line!("{}", serde_json::to_string_pretty(&outcome)?);
    } else {
        print_line!("{}", text(&outcome));
    }
    Ok(ExitCode::SUCCESS)
}

fn text(outcome: &Outcome) -> String {
    let mut table = table::table(&["session", "baseline", "operations", "lowest p", "verdict", "denied", ""]);
    for score in &outcome.sessions {
        let peak = score.peak.as_ref();
        table.add_row([
            score.session.to_string(),
            format!("{}/{}", score.agent, score.task),
            text::thousands(score.events),
            peak.map_or_else(|| "-".to_owned(), |peak| format!("{:.1e}", peak.score.p)),
            peak.map_or(Verdict::Allow, |peak| peak.verdict).name().to_owned(),
            score.denied.to_string(),
            if score.trained_on { "taught it" } else { "" }.to_owned(),
        ]);
    }
    let summary = &outcome.summary;
    format!(
        "{}\n\n{}: {} with an alert, {} acted upon, {} with something denied",
        table::plain(&table),
        text::count(summary.sessions, "session"),
        summary.alerted,
        summary.acted,
        summary.denied,
    )
}
