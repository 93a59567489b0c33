//! `wardline review`: what baselines refused in the last sessions, one line a place, and what the user says of each.

use super::answers::{keep, library, now, opened_by, places, shown, take_in, until};
use super::denials::{self, Denial};
use anyhow::Result;
use command::{State, print_line};
use event::{AgentName, Fate, Stage};
use models::{Allowed, Baseline};
use profiler::{Library, Says, is_answered};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

/// How long a plain `y` holds.
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Arguments of `review`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "On a terminal each place is asked about: `y` allows it for a week, `a` for good, `n` says that it is rightly refused, \
Enter leaves it, `q` ends. A session trains once all that was refused in it is allowed.\n\nExamples:\n  sudo wardline review\n  sudo wardline review --sessions 50 --json"
)]
pub struct Args {
    /// How many of the last sessions
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub sessions: usize,
    /// One JSON array, and no question
    #[arg(long)]
    pub json: bool,
    /// The user, by name or uid; the invoking user otherwise
    #[arg(long)]
    pub user: Option<String>,
}

/// What was refused at one place, in how many sessions.
struct Group {
    /// In the last of its sessions.
    session: store::Session,
    denial: Denial,
    opens: Vec<Allowed>,
    sessions: BTreeSet<i64>,
    times: u64,
}

/// The same, for programs.
#[derive(Debug, Serialize)]
struct Row {
    denial: String,
    agent: String,
    op: &'static str,
    what: String,
    fate: Fate,
    reason: String,
    by: String,
    places: Vec<String>,
    sessions: usize,
    times: u64,
}

impl Row {
    fn of(group: &Group) -> Self {
        let Group { session, denial, opens, sessions, times } = group;
        let by = denial.programs.first().map(|program| program.arguments.clone());
        Self {
            denial: format!("{}.{}", session.id.0, denial.number),
            agent: session.meta.agent.to_string(),
            op: denial.op,
            what: denial.what.clone(),
            fate: denial.fate,
            reason: denial.reason.clone(),
            by: by.unwrap_or_default(),
            places: opens.iter().map(shown).collect(),
            sessions: sessions.len(),
            times: *times,
        }
    }

    fn text(&self) -> String {
        let Row { denial, agent, op, what, sessions, times, by, .. } = self;
        let by = if by.is_empty() { String::new() } else { format!(", first by `{}`", denials::short(by)) };
        let fate = match self.fate {
            Fate::Refused => "refused",
            Fate::Stopped => "happened and stopped",
            Fate::Happened => "happened, and would have been refused",
        };
        let (sessions, times) = (text::count(*sessions as u64, "session"), text::count(*times, "time"));
        format!("{denial:<7} {agent}: `{op} {what}` {fate}, {times} in {sessions}{by}")
    }
}

/// Shows them, and asks where somebody can answer.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    let (uid, library) = library(state, args.user.as_deref())?;
    let groups = groups(&state.existing_store(uid)?, &library, args.sessions)?;
    let rows: Vec<Row> = groups.iter().map(Row::of).collect();
    if args.json {
        print_line!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(ExitCode::SUCCESS);
    }
    if groups.is_empty() {
        print_line!(
            "nothing is left to answer: baselines refused nothing in the last sessions, or all of it was answered"
        );
        return Ok(ExitCode::SUCCESS);
    }
    let mut input = std::io::stdin().lock();
    if !input.is_terminal() {
        for row in rows {
            print_line!("{}", row.text());
        }
        if let Some(first) = groups.first() {
            print_line!(
                "\n`sudo wardline allow {}.{}` allows the first; on a terminal `review` asks",
                first.session.id.0,
                first.denial.number
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    for (group, row) in groups.into_iter().zip(rows) {
        print_line!("{}\n        {}", row.text(), row.reason);
        let Some(answer) = asked(&mut input)? else { break };
        let says = match answer {
            Said::Yes => until(WEEK),
            Said::Always => Says::Always,
            Said::No => Says::No,
            Said::Later => continue,
        };
        let answer = keep(&library, (&group.session, &group.denial), says, group.opens)?;
        let done = if says == Says::No { "stays closed" } else { "allowed" };
        print_line!(
            "        {done}: {}; `sudo wardline forget {}` takes it back",
            places(&answer.places),
            answer.number
        );
        if says != Says::No {
            for said in take_in(state, uid, &answer.agent, None)? {
                print_line!("        {said}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What somebody may say.
enum Said {
    Yes,
    Always,
    No,
    Later,
}

/// What somebody says; `None` to end.
fn asked(input: &mut impl BufRead) -> Result<Option<Said>> {
    loop {
        print_line!("        allow? y (a week), a (always), n (rightly refused), Enter (later), q");
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        return Ok(Some(match line.trim() {
            "y" | "yes" => Said::Yes,
            "a" | "always" => Said::Always,
            "n" | "no" => Said::No,
            "" => Said::Later,
            "q" | "quit" => return Ok(None),
            _ => continue,
        }));
    }
}

/// What is not answered yet, those first that most sessions met.
fn groups(reader: &store::Reader, library: &Library, last: usize) -> Result<Vec<Group>> {
    let answers = library.answers()?;
    let mut sessions = reader.sessions()?;
    sessions.drain(..sessions.len().saturating_sub(last));
    let mut groups: BTreeMap<(AgentName, Vec<Allowed>), Group> = BTreeMap::new();
    let mut baselines: BTreeMap<AgentName, Option<Baseline>> = BTreeMap::new();
    for session in sessions {
        let agent = &session.meta.agent;
        for denial in denials::of(reader, &session)? {
            if denial.stage != Stage::T1 || is_answered(&answers, &session, &denial.opens, now()) {
                continue;
            }
            let baseline = match baselines.get(agent) {
                Some(baseline) => baseline,
                None => baselines.entry(agent.clone()).or_insert(library.union(agent).ok().flatten()),
            };
            let Ok(opens) = opened_by(&denial, baseline.as_ref()) else { continue };
            let (id, times) = (session.id.0, denial.times);
            let new = || Group {
                session: session.clone(),
                denial,
                opens: opens.clone(),
                sessions: BTreeSet::new(),
                times: 0,
            };
            let group = groups.entry((agent.clone(), opens.clone())).or_insert_with(new);
            group.sessions.insert(id);
            group.times += times;
        }
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| {
        (std::cmp::Reverse(group.sessions.len()), group.session.id.0, group.denial.number)
    });
    Ok(groups)
}
