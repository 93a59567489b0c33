//! `wardline train`: baselines of what was recorded.

use super::{reading, trial};
use anyhow::Result;
use command::Exit;
use command::print_line;
use command::table;
use command::user;
use event::{AgentName, SessionRef, TaskName, Tasks};
use indicatif::{ProgressBar, ProgressStyle};
use models::{State, Trial};
use nix::unistd::Uid;
use profiler::{Filter, Kept, Known, Library, Options, Refused, Untasked};
use serde::Serialize;
use std::ffi::OsString;
use std::process::ExitCode;
use text::count;

/// Arguments of `train`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A baseline needs at least three usable sessions of its agent and task; ten or more make a good one. A session is not \
usable if it met a jewel, raised an alert, lost records, never ended, or had a refusal that \
nobody has allowed with `review` or `allow`.\n\nExamples:\n  sudo wardline train\n  sudo wardline train --agent codex --task edit\n  sudo wardline train --update                 what further sessions and answers change\n  sudo wardline train --agent codex --calibrate 12 --calibrate 13 --calibrate 14"
)]
pub struct Args {
    /// Only this agent
    #[arg(long)]
    pub agent: Option<AgentName>,
    /// Only this task; `unknown` for recordings without a task, which train no baseline otherwise
    #[arg(long)]
    pub task: Option<TaskName>,
    /// Only baselines of agents with new sessions or answers
    #[arg(long, conflicts_with_all = ["sessions", "calibrate"])]
    pub update: bool,
    /// Only this session, by its number or `last`; repeatable
    #[arg(long = "session", value_name = "SESSION")]
    pub sessions: Vec<SessionRef>,
    /// Use this session for calibration only, by its number or `last`; repeatable, at least three
    #[arg(long = "calibrate", value_name = "SESSION")]
    pub calibrate: Vec<SessionRef>,
    /// Nobody asked for it: too few sessions are no error
    #[arg(long, hide = true)]
    pub by_itself: bool,
    /// One JSON array
    #[arg(long)]
    pub json: bool,
    /// The user, by name or uid; the invoking user otherwise
    #[arg(long)]
    pub user: Option<String>,
}

/// What became of a baseline that cannot be made without what was taken back.
const GONE: &str = "; the one that was there is removed, since what was taken back with `wardline forget` may have taught it";

/// What is said of one baseline.
#[derive(Debug, Serialize)]
struct Row {
    agent: AgentName,
    task: Tasks,
    sessions: usize,
    tokens: u64,
    used: Vec<i64>,
    calibrated: Vec<i64>,
    left_out: Vec<LeftOut>,
    smallest_provable: Option<f64>,
    /// What the baseline does unless it is forced; `None` where none was made.
    state: Option<State>,
    trial: Option<Trial>,
    path: Option<String>,
    /// Why it stays as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Row {
    /// Where no baseline was made.
    fn without(agent: AgentName, task: TaskName, left_out: Vec<LeftOut>, why: String) -> Self {
        Self {
            agent,
            task: task.into(),
            sessions: 0,
            tokens: 0,
            used: Vec::new(),
            calibrated: Vec::new(),
            left_out,
            smallest_provable: None,
            state: None,
            trial: None,
            path: None,
            kept: None,
            error: Some(why),
        }
    }
}

#[derive(Debug, Serialize)]
struct LeftOut {
    session: i64,
    why: String,
}

/// The command by which a supervisor has what was recorded learned; the agent and the user follow.
pub fn command(state: &command::State) -> Vec<OsString> {
    let train = ["train", "--update", "--by-itself"].map(OsString::from);
    [reading::command(state), train.to_vec()].concat()
}

/// Trains. Fails when there was nothing to make a baseline of.
pub fn run(state: &command::State, args: &Args) -> Result<ExitCode> {
    if !Uid::effective().is_root() {
        return Err(Exit::CannotProtect.error("baselines are root's: use `sudo wardline train`"));
    }
    let uid = user::owner(args.user.as_deref(), state)?;
    let reader = state.existing_store(uid)?;
    let library = Library::new(state.user(uid));
    let library = if args.by_itself { give_way(library) } else { library };
    // What is taken back from here on is younger than what is made.
    let now_unix_ns = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0);
    let filter = Filter {
        agent: args.agent.clone(),
        task: args.task.clone(),
        sessions: numbers(&reader, &args.sessions)?,
        calibrate: numbers(&reader, &args.calibrate)?,
        answers: library.ever_answered()?,
        known: known(&library, args)?,
        update: args.update,
    };
    let bar = bar();
    let report =
        profiler::train(&reader, &filter, Options { seed: 0, now_unix_ns }, &mut |agent, task, progress| {
            bar.set_length(progress.of as u64);
            bar.set_position(progress.done as u64);
            bar.set_message(format!("{agent}/{task}"));
        });
    bar.finish_and_clear();
    let report = match report {
        Err(profiler::Error::NoSessions { .. }) if args.by_itself => return Ok(ExitCode::SUCCESS),
        report => report?,
    };
    state.create_user(uid)?;
    let mut rows = Vec::new();
    for trained in report.trained {
        let path = library.save(&trained.baseline)?;
        let state_of = trained.baseline.state();
        rows.push(Row {
            agent: trained.baseline.agent,
            task: trained.baseline.task,
            sessions: trained.baseline.sessions,
            tokens: trained.baseline.tokens,
            used: trained.used,
            calibrated: trained.calibrated,
            left_out: left_out(trained.left_out),
            smallest_provable: Some(trained.smallest_provable),
            state: Some(state_of),
            trial: Some(trained.baseline.trial),
            path: Some(path.display().to_string()),
            kept: None,
            error: None,
        });
    }
    let made = rows.len();
    let outdated = report.outdated;
    for (agent, task) in &outdated {
        library.remove(agent, &task.clone().into(), now_unix_ns)?;
    }
    rows.extend(report.refused.into_iter().map(|Refused { agent, task, left_out: sessions, error }| {
        let gone = if outdated.contains(&(agent.clone(), task.clone())) { GONE } else { "" };
        Row::without(agent, task, left_out(sessions), format!("{error}{gone}"))
    }));
    let unnamed: Vec<Row> = outdated
        .iter()
        .filter(|(agent, task)| !rows.iter().any(|row| row.agent == *agent && row.task.is_only(task)))
        .map(|(agent, task)| {
            let why = format!("none of its sessions is recorded any more{GONE}");
            Row::without(agent.clone(), task.clone(), Vec::new(), why)
        })
        .collect();
    rows.extend(unnamed);
    rows.extend(report.untasked.into_iter().map(|Untasked { agent, sessions }| {
        let why = trial::untasked(&agent, sessions);
        Row::without(agent, TaskName::default(), Vec::new(), why)
    }));
    let kept = report.kept.len();
    rows.extend(report.kept.into_iter().map(|Kept { agent, task, gone }| Row {
        kept: Some(why_kept(gone)),
        error: None,
        ..Row::without(agent, task, Vec::new(), String::new())
    }));
    if args.json {
        print_line!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        for row in &rows {
            print_line!("{}", text(row));
        }
    }
    if made + kept == 0 && !args.by_itself {
        let why = rows.iter().filter_map(|row| row.error.clone()).collect::<Vec<_>>().join("; ");
        return Err(Exit::Failed.error(format!("no baseline was made: {why}")));
    }
    Ok(ExitCode::SUCCESS)
}

/// Whoever trains unasked says so in the history, and takes no processor that others want.
fn give_way(library: Library) -> Library {
    const NICEST: i32 = 19;
    if let Err(error) = rustix::process::setpriority_process(None, NICEST) {
        tracing::warn!(%error, "the training takes as much of the processors as others");
    }
    library.by_itself()
}

/// The numbers of sessions that are there.
fn numbers(reader: &store::Reader, named: &[SessionRef]) -> Result<Vec<i64>> {
    named.iter().map(|&session| Ok(reading::session(reader, session)?.id.0)).collect()
}

/// The baselines that are meant.
fn known(library: &Library, args: &Args) -> Result<Vec<Known>> {
    let mut known = library.known()?;
    known.retain(|known| args.agent.as_ref().is_none_or(|agent| *agent == known.agent));
    Ok(known)
}

/// Why a baseline stays as it is.
fn why_kept(gone: usize) -> String {
    match gone {
        0 => "nothing that teaches it has changed since".to_owned(),
        gone => format!(
            "{} that taught it are recorded no longer: `wardline train` without `--update` makes it of those that are",
            count(gone as u64, "session")
        ),
    }
}

fn left_out(left_out: Vec<(i64, String)>) -> Vec<LeftOut> {
    left_out.into_iter().map(|(session, why)| LeftOut { session, why }).collect()
}

/// Written to standard error, and only where somebody looks.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} sessions  {msg}") {
        bar.set_style(style);
    }
    bar
}

fn text(row: &Row) -> String {
    if let Some(why) = &row.kept {
        return format!("{}/{}: stays as it is: {why}", row.agent, row.task);
    }
    let mut out = match &row.error {
        None => format!(
            "{}/{}: learned from {} ({})",
            row.agent,
            row.task,
            count(row.sessions as u64, "session"),
            count(row.tokens, "operation"),
        ),
        Some(error) => format!("{}/{}: no baseline: {error}", row.agent, row.task),
    };
    if !row.calibrated.is_empty() {
        out.push_str(&format!(
            "\n  calibrated with {} besides",
            count(row.calibrated.len() as u64, "session")
        ));
    }
    if let Some(p) = row.smallest_provable {
        out.push_str(&format!("\n  {}", table::false_alarms(row.sessions, p)));
    }
    if let Some(came) = &row.trial {
        out.push_str(&trial::text(came, &row.agent, &row.task));
    }
    for left_out in &row.left_out {
        out.push_str(&format!("\n  left out: session {}: {}", left_out.session, left_out.why));
    }
    if let Some(path) = &row.path {
        out.push_str(&format!("\n  {path}"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_was_left_out_and_what_can_be_proved() {
        let row = Row {
            agent: "codex".parse().unwrap(),
            task: "edit".parse().unwrap(),
            sessions: 12,
            tokens: 34_567,
            used: vec![1],
            calibrated: Vec::new(),
            left_out: vec![LeftOut { session: 9, why: "it met a crown jewel".into() }],
            smallest_provable: Some(0.0125),
            state: Some(State::Enforcing),
            trial: Some(Trial { by_workspace: true, sessions: 12, ..Trial::default() }),
            path: Some("/x/edit.baseline".into()),
            kept: None,
            error: None,
        };
        insta::assert_snapshot!(text(&row));
    }
}
