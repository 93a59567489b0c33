//! `wardline baselines`: which there are, what each does, and by what evidence.

use crate::commands::{reading, trial};
use anyhow::Result;
use command::{State, print_line, table, user};
use event::{AgentName, Tasks};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use profiler::Library;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use store::Session;

/// Arguments of `baselines`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "States: `observing`, its sessions are recorded and there is no baseline yet; `shadow`, the baseline says what it would \
refuse; `enforcing`, it refuses.\n\nExamples:\n  sudo wardline baselines\n  sudo wardline baselines --json\n  sudo wardline baseline log codex/edit   how one came about"
)]
pub struct ListArgs {
    /// One JSON array
    #[arg(long)]
    pub json: bool,
    /// The user, by name or uid; the invoking user otherwise
    #[arg(long)]
    pub user: Option<String>,
}

/// What an agent's task has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Stage {
    /// Sessions are recorded, and there is no baseline.
    Observing,
    /// See [`models::State`].
    #[serde(untagged)]
    Learned(models::State),
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Stage::Observing => "observing",
            Stage::Learned(state) => state.name(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Row {
    agent: AgentName,
    task: Tasks,
    sessions: usize,
    /// Distinct workspaces in which they worked.
    repositories: usize,
    /// Distinct days on which they began, as far as they are still recorded.
    days: usize,
    tokens: u64,
    trained_at_unix_ns: i64,
    /// What it does unless it is forced.
    state: Option<Stage>,
    trial: Option<models::Trial>,
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Lists them; one that cannot be read is listed with why.
pub fn list(state: &State, args: &ListArgs) -> Result<ExitCode> {
    let line = if args.json { vec!["baselines", "--json"] } else { vec!["baselines"] };
    if let Some(code) = reading::through_supervisor(state, args.user.as_deref(), &line, None)? {
        return Ok(code);
    }
    let uid = user::owner(args.user.as_deref(), state)?;
    let sessions = state.store(uid)?.map_or_else(|| Ok(Vec::new()), |store| store.sessions())?;
    let rows = rows(&Library::new(state.user(uid)), &sessions)?;
    if args.json {
        print_line!("{}", serde_json::to_string_pretty(&rows)?);
    } else if rows.is_empty() {
        print_line!("there is no baseline yet: `wardline train` makes them of recorded sessions");
    } else {
        print_line!("{}", text(&rows));
    }
    Ok(ExitCode::SUCCESS)
}

/// The baselines, and what is recorded of which there is none.
fn rows(library: &Library, sessions: &[Session]) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for entry in library.list()? {
        let loaded = library.load(&entry.agent, &entry.task);
        let baseline = loaded.as_ref().ok();
        let used: BTreeSet<i64> =
            baseline.iter().flat_map(|baseline| baseline.provenance.used.iter().copied()).collect();
        rows.push(Row {
            sessions: baseline.map_or(0, |b| b.sessions),
            repositories: baseline.map_or(0, |b| b.workspaces),
            days: days(sessions.iter().filter(|session| used.contains(&session.id.0))),
            tokens: baseline.map_or(0, |b| b.tokens),
            trained_at_unix_ns: baseline.map_or(0, |b| b.trained_at_unix_ns),
            state: baseline.map(|baseline| Stage::Learned(baseline.state())),
            trial: baseline.map(|b| b.trial.clone()),
            error: loaded.as_ref().err().map(ToString::to_string),
            path: Some(entry.path.display().to_string()),
            agent: entry.agent,
            task: entry.task,
        });
    }
    let mut observed: BTreeMap<(AgentName, Tasks), Vec<&Session>> = BTreeMap::new();
    for session in sessions.iter().filter(|session| session.complete) {
        let key = (session.meta.agent.clone(), Tasks::from(session.meta.task.clone()));
        if !rows.iter().any(|row| row.agent == key.0 && row.task == key.1) {
            observed.entry(key).or_default().push(session);
        }
    }
    rows.extend(observed.into_iter().map(|((agent, task), of)| {
        Row {
            agent,
            task,
            sessions: of.len(),
            repositories: of
                .iter()
                .flat_map(|session| session.meta.context.workspaces.first())
                .collect::<BTreeSet<_>>()
                .len(),
            days: days(of.iter().copied()),
            tokens: 0,
            trained_at_unix_ns: 0,
            state: Some(Stage::Observing),
            trial: None,
            path: None,
            error: None,
        }
    }));
    rows.sort_by(|a, b| (&a.agent, &a.task).cmp(&(&b.agent, &b.task)));
    Ok(rows)
}

/// Distinct days on which sessions began, where this machine is.
fn days<'s>(sessions: impl Iterator<Item = &'s Session>) -> usize {
    let day = |session: &Session| {
        let began = Timestamp::from_nanosecond(session.meta.started_unix_ns.into()).ok()?;
        Some(began.to_zoned(TimeZone::system()).date())
    };
    sessions.filter_map(day).collect::<BTreeSet<Date>>().len()
}

fn text(rows: &[Row]) -> String {
    let head = ["baseline", "state", "sessions", "repositories", "days", "trained", ""];
    let mut table = table::table(&head);
    for row in rows {
        let name = format!("{}/{}", row.agent, row.task);
        let trained = match row.trained_at_unix_ns {
            0 => String::new(),
            at => table::time(at),
        };
        table.add_row(match (&row.error, row.state) {
            (None, Some(state)) => [
                name,
                state.name().to_owned(),
                row.sessions.to_string(),
                row.repositories.to_string(),
                row.days.to_string(),
                trained,
                row.trial.as_ref().map_or(String::new(), trial::short),
            ],
            // Nothing of it can be trusted, its numbers neither.
            (error, _) => {
                let blank = String::new;
                [name, blank(), blank(), blank(), blank(), blank(), error.clone().unwrap_or_default()]
            }
        });
    }
    table::plain(&table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_without_a_baseline_is_observed() {
        let row = |task: &str, state, error: Option<&str>| Row {
            agent: "codex".parse().unwrap(),
            task: task.parse().unwrap(),
            sessions: 12,
            repositories: 3,
            days: 2,
            tokens: 100,
            trained_at_unix_ns: 0,
            state,
            trial: None,
            path: None,
            error: error.map(str::to_owned),
        };
        let rows = [
            row("edit", Some(Stage::Learned(models::State::Enforcing)), None),
            row("review", Some(Stage::Observing), None),
            row("test", None, Some("the baseline `x` is refused")),
        ];
        insta::assert_snapshot!(text(&rows));
        let json = serde_json::to_value(&rows).unwrap();
        assert_eq!(
            [0, 1, 2].map(|at| &json[at]["state"]),
            [&"enforcing".into(), &"observing".into(), &serde_json::Value::Null]
        );
    }
}
