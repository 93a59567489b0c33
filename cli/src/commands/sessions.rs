//! `wardline sessions`

use super::reading;
use anyhow::Result;
use command::State;
use command::print_line;
use command::table;
use command::user;
use event::{AgentName, Mode, TaskName, Tier};
use serde::Serialize;
use std::process::ExitCode;

/// Arguments of `sessions`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A session is `running`, `frozen`, `ended`, or `incomplete`: its supervisor was killed, and its committed events are kept.\n\nExamples:\n  sudo wardline sessions\n  sudo wardline sessions --json | jq '.[] | select(.denied > 0)'"
)]
pub struct Args {
    /// One JSON array
    #[arg(long)]
    pub json: bool,
    /// The user, by name or uid; the invoking user otherwise
    #[arg(long)]
    pub user: Option<String>,
}

/// A session in the list.
#[derive(Debug, Serialize)]
struct Row {
    session: i64,
    state: String,
    agent: AgentName,
    task: TaskName,
    mode: Mode,
    tier: Tier,
    user: u32,
    started_unix_ns: i64,
    duration_ns: Option<u64>,
    events: Option<u64>,
    syscalls: Option<u64>,
    lost: Option<u64>,
    denied: Option<u64>,
    stopped: Option<u64>,
    t0_hits: Option<u64>,
    alerts: Option<u64>,
    score: Option<f64>,
    verdict: Option<String>,
    exit_status: Option<i32>,
    command: Vec<String>,
}

/// Lists them.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    let line = if args.json { vec!["sessions", "--json"] } else { vec!["sessions"] };
    if let Some(code) = reading::through_supervisor(state, args.user.as_deref(), &line, None)? {
        return Ok(code);
    }
    let uid = user::owner(args.user.as_deref(), state)?;
    let rows = rows(state, uid)?;
    if args.json {
        print_line!("{}", serde_json::to_string_pretty(&rows)?);
    } else if rows.is_empty() {
        print_line!("nothing was recorded yet: `wardline record` or `wardline enforce` starts a session");
    } else {
        print_line!("{}", text(&rows));
    }
    Ok(ExitCode::SUCCESS)
}

fn rows(state: &State, uid: u32) -> Result<Vec<Row>> {
    let running: Vec<_> = reading::running(state)?.into_iter().filter(|r| r.uid == uid).collect();
    let Some(reader) = state.store(uid)? else { return Ok(Vec::new()) };
    let sessions = reader.sessions()?;
    Ok(sessions.into_iter().map(|session| row(session, &running)).collect())
}

fn row(session: store::Session, running: &[wire::Running]) -> Row {
    let live = running.iter().find(|running| running.session == session.id.to_string());
    let summary = session.summary.as_ref();
    let ended = if session.complete { "ended" } else { "incomplete" };
    Row {
        session: session.id.0,
        state: live.map_or_else(|| ended.to_owned(), |live| live.state.clone()),
        // What is written down may be half a second late.
        task: match (live, session.segments.last()) {
            (Some(live), _) => live.task.clone(),
            (None, Some(segment)) => segment.task.clone(),
            (None, None) => session.meta.task,
        },
        agent: session.meta.agent,
        mode: session.meta.mode,
        tier: session.meta.tier,
        user: session.meta.context.uid,
        started_unix_ns: session.meta.started_unix_ns,
        duration_ns: summary.map(|s| s.duration_ns),
        events: summary.map(|s| s.events),
        syscalls: summary.map(|s| s.syscalls),
        lost: summary.map(|s| s.lost),
        denied: summary.map(|s| s.denied).or(live.map(|live| live.denied)),
        stopped: summary.map(|s| s.stopped).or(live.map(|live| live.stopped)),
        t0_hits: summary.map(|s| s.t0_hits),
        alerts: summary.map(|s| s.alerts).or(live.map(|live| live.alerts)),
        score: summary.and_then(|s| s.score),
        verdict: summary.map(|s| s.verdict.clone()),
        exit_status: summary.and_then(|s| s.exit_status),
        command: session.meta.command,
    }
}

fn text(rows: &[Row]) -> String {
    let number = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), text::thousands);
    let mut table = table::table(&[
        "session", "state", "agent", "task", "mode", "started", "events", "lost", "refused", "stopped",
        "alerts", "command",
    ]);
    for row in rows {
        let command = row.command.join(" ");
        table.add_row([
            row.session.to_string(),
            row.state.clone(),
            row.agent.to_string(),
            row.task.to_string(),
            row.mode.to_string(),
            table::time(row.started_unix_ns),
            number(row.events),
            number(row.lost),
            number(row.denied),
            number(row.stopped),
            number(row.alerts),
            text::seen(&command, 40),
        ]);
    }
    table::plain(&table)
}
