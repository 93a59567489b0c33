//! `wardline baselines` and `wardline baseline show`: what was learned, readable. Also where the supervisor gets
//! baselines from.

mod shown;

use super::{reading, trial};
use anyhow::Result;
use command::table;
use command::user;
use command::{Exit, State};
use command::{print_line, print_text};
use event::{AgentName, NoName, TaskName, Tasks};
use models::Baseline;
use profiler::Library;
use serde::Serialize;
use shown::Learned;
use std::fmt;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

/// Arguments of `baselines`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// One JSON array
    #[arg(long)]
    pub json: bool,
    /// The user, by name or uid; the invoking user otherwise
    #[arg(long)]
    pub user: Option<String>,
}

/// Arguments of `baseline`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The operation
    #[command(subcommand)]
    pub verb: Verb,
}

/// What can be done with a baseline.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Show directories, programs, hosts and calibration
    #[command(after_help = "Examples:\n  sudo wardline baseline show codex/edit")]
    Show {
        /// AGENT/TASK
        baseline: Which,
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// The user, by name or uid; the invoking user otherwise
        #[arg(long)]
        user: Option<String>,
    },
}

/// A baseline as its user names it.
#[derive(Clone, Debug)]
pub struct Which {
    agent: AgentName,
    task: Tasks,
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (agent, task) = text.split_once('/').ok_or("no AGENT/TASK: `wardline baselines` lists them")?;
        let told = |error: NoName| error.to_string();
        Ok(Self { agent: agent.parse().map_err(told)?, task: task.parse().map_err(told)? })
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.agent, self.task)
    }
}

/// The users' libraries, for the supervisor.
pub struct Source {
    state: State,
}

impl Source {
    /// Over a state directory.
    pub fn new(state: &State) -> Self {
        Self { state: state.clone() }
    }
}

impl service::supervisor::Baselines for Source {
    fn load(
        &self,
        uid: u32,
        agent: &AgentName,
        task: Option<&TaskName>,
        session: Option<i64>,
    ) -> Result<Option<Arc<Baseline>>, String> {
        let library = Library::new(self.state.user(uid));
        let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
        let allowed = library.allowed(agent, session, now).map_err(|e| e.to_string())?;
        let loaded = match task {
            Some(task) => match library.load(agent, &task.clone().into()) {
                Err(profiler::Error::Missing { .. }) => return Ok(None),
                other => other.map(Some),
            },
            None => library.union(agent),
        };
        let loaded = loaded.map_err(|e| e.to_string())?;
        Ok(loaded.map(|mut baseline| {
            baseline.allow(allowed);
            Arc::new(baseline)
        }))
    }
}

#[derive(Debug, Serialize)]
struct Row {
    agent: AgentName,
    task: Tasks,
    sessions: usize,
    tokens: u64,
    trained_at_unix_ns: i64,
    /// What it does unless it is forced.
    state: Option<models::State>,
    trial: Option<models::Trial>,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Lists them; one that cannot be read is listed with why.
pub fn list(state: &State, args: &ListArgs) -> Result<ExitCode> {
    let line = if args.json { vec!["baselines", "--json"] } else { vec!["baselines"] };
    if let Some(code) = reading::through_supervisor(state, args.user.as_deref(), &line, None)? {
        return Ok(code);
    }
    let library = Library::new(state.user(user::owner(args.user.as_deref(), state)?));
    let rows: Vec<Row> = library
        .list()?
        .into_iter()
        .map(|entry| {
            let loaded = library.load(&entry.agent, &entry.task);
            let baseline = loaded.as_ref().ok();
            Row {
                sessions: baseline.map_or(0, |b| b.sessions),
                tokens: baseline.map_or(0, |b| b.tokens),
                trained_at_unix_ns: baseline.map_or(0, |b| b.trained_at_unix_ns),
                state: baseline.map(Baseline::state),
                trial: baseline.map(|b| b.trial.clone()),
                error: loaded.as_ref().err().map(ToString::to_string),
                path: entry.path.display().to_string(),
                agent: entry.agent,
                task: entry.task,
            }
        })
        .collect();
    if args.json {
        print_line!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        print_line!("there is no baseline yet: `wardline train` makes them of recorded sessions");
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = table::table(&["baseline", "sessions", "operations", "trained", "state", ""]);
    for row in rows {
        let name = format!("{}/{}", row.agent, row.task);
        table.add_row(match row.error {
            // Nothing of it can be trusted, its numbers neither.
            Some(error) => [name, String::new(), String::new(), String::new(), String::new(), error],
            None => [
                name,
                row.sessions.to_string(),
                text::thousands(row.tokens),
                table::time(row.trained_at_unix_ns),
                row.state.map_or(String::new(), |state| state.name().to_owned()),
                row.trial.map_or(String::new(), |trial| trial::short(&trial)),
            ],
        });
    }
    print_line!("{}", table::plain(&table));
    Ok(ExitCode::SUCCESS)
}

/// Shows one.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    let Verb::Show { baseline, json, user } = &args.verb;
    let named = baseline.to_string();
    let mut line = vec!["baseline", "show", &named];
    line.extend(json.then_some("--json"));
    if let Some(code) = reading::through_supervisor(state, user.as_deref(), &line, None)? {
        return Ok(code);
    }
    let library = Library::new(state.user(user::owner(user.as_deref(), state)?));
    let shown = match library.load(&baseline.agent, &baseline.task) {
        Err(error @ profiler::Error::Missing { .. }) => return Err(Exit::Usage.error(error.to_string())),
        other => other?,
    };
    if *json {
        print_line!("{}", serde_json::to_string_pretty(&Learned::of(&shown))?);
    } else {
        print_text!("{}", shown::text(&Learned::of(&shown)));
    }
    Ok(ExitCode::SUCCESS)
}
