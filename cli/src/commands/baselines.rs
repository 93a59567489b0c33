//! `wardline baseline`: what was learned, readable. Also where the supervisor gets baselines from.

mod difference;
mod history;
mod list;
mod shown;
mod which;

use super::reading;
use anyhow::Result;
use command::State;
use command::user;
use command::{print_line, print_text};
use difference::Compared;
use event::{AgentName, TaskName};
use models::Baseline;
use profiler::Library;
use serde::Serialize;
use shown::Learned;
use std::process::ExitCode;
use std::sync::Arc;
use which::Which;

pub use list::{ListArgs, list};

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
    /// Say what a baseline allows that the one before it did not, and the other way round; or how two baselines differ
    #[command(
        after_help = "Examples:\n  sudo wardline baseline diff codex/edit              what the last training changed\n  sudo wardline baseline diff codex/edit codex/test   how two tasks differ"
    )]
    Diff {
        /// AGENT/TASK
        baseline: Which,
        /// The second one; the first one's last revision is compared with the one before it otherwise
        other: Option<Which>,
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// The user, by name or uid; the invoking user otherwise
        #[arg(long)]
        user: Option<String>,
    },
    /// List what has become of baselines, and by what evidence
    #[command(
        after_help = "Examples:\n  sudo wardline baseline log\n  sudo wardline baseline log codex/edit"
    )]
    Log {
        /// AGENT/TASK; all of them otherwise
        baseline: Option<Which>,
        /// One JSON array
        #[arg(long)]
        json: bool,
        /// The user, by name or uid; the invoking user otherwise
        #[arg(long)]
        user: Option<String>,
    },
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

/// Shows one, what has become of it, or how it differs from another one.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    let (line, user) = match &args.verb {
        Verb::Show { baseline, json, user } => (line("show", [Some(baseline), None], *json), user),
        Verb::Diff { baseline, other, json, user } => {
            (line("diff", [Some(baseline), other.as_ref()], *json), user)
        }
        Verb::Log { baseline, json, user } => (line("log", [baseline.as_ref(), None], *json), user),
    };
    let words: Vec<&str> = line.iter().map(String::as_str).collect();
    if let Some(code) = reading::through_supervisor(state, user.as_deref(), &words, None)? {
        return Ok(code);
    }
    let library = Library::new(state.user(user::owner(user.as_deref(), state)?));
    match &args.verb {
        Verb::Show { baseline, json, .. } => {
            let shown = baseline.load(&library)?;
            print(*json, &Learned::of(&shown), shown::text)
        }
        Verb::Diff { baseline, other, json, .. } => {
            let compared = Compared::of(&library, baseline, other.as_ref())?;
            print(*json, &compared, difference::text)
        }
        Verb::Log { baseline, json, .. } => {
            let revisions = history::of(library.history()?, baseline.as_ref());
            print(*json, &revisions, |revisions| history::text(revisions))
        }
    }
}

/// The command line of a verb, for the supervisor.
fn line(verb: &str, named: [Option<&Which>; 2], json: bool) -> Vec<String> {
    let named = named.into_iter().flatten().map(ToString::to_string);
    let head = ["baseline".to_owned(), verb.to_owned()];
    head.into_iter().chain(named).chain(json.then(|| "--json".to_owned())).collect()
}

fn print<T: Serialize>(json: bool, shown: &T, text: impl FnOnce(&T) -> String) -> Result<ExitCode> {
    if json {
        print_line!("{}", serde_json::to_string_pretty(shown)?);
    } else {
        print_text!("{}", text(shown));
    }
    Ok(ExitCode::SUCCESS)
}
