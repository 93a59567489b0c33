//! `wardline forget [ANSWER]`: what was answered to refusals, and how it is taken back.

use super::answers::{how_long, library, now, places, shown, take_in};
use anyhow::Result;
use command::{Exit, State, print_line, table};
use event::{AgentName, TaskName};
use profiler::{Answer, Known, Says};
use serde::Serialize;
use std::process::ExitCode;

/// Arguments of `forget`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sudo wardline forget      list the answers of `allow` and `review`\n  sudo wardline forget 3    withdraw the third answer, also in running sessions"
)]
pub struct Args {
    /// The number of an answer; lists all otherwise
    pub answer: Option<u64>,
    /// The list as a JSON array
    #[arg(long, conflicts_with = "answer")]
    pub json: bool,
    /// The user, by name or uid; the invoking user otherwise
    #[arg(long)]
    pub user: Option<String>,
}

/// An answer, for programs.
#[derive(Debug, Serialize)]
struct Row {
    number: u64,
    agent: AgentName,
    session: i64,
    said_unix_ns: i64,
    about: String,
    holds: String,
    places: Vec<String>,
}

impl Row {
    fn of(answer: &Answer) -> Self {
        Self {
            number: answer.number,
            agent: answer.agent.clone(),
            session: answer.session,
            said_unix_ns: answer.said_unix_ns,
            about: answer.about.clone(),
            holds: how_long(answer),
            places: answer.places.iter().map(shown).collect(),
        }
    }
}

/// Lists them, or takes one back.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    let (uid, library) = library(state, args.user.as_deref())?;
    let Some(number) = args.answer else {
        list(&library.answers()?, args.json)?;
        return Ok(ExitCode::SUCCESS);
    };
    let none = || Exit::Usage.error(format!("there is no answer {number}: `wardline forget` lists them"));
    let answer = library.forget(number, now())?.ok_or_else(none)?;
    print_line!("forgotten, of `{}`: {}", answer.agent, places(&answer.places));
    for said in take_in(state, uid, &answer.agent, None)? {
        print_line!("{said}");
    }
    for said in learned(&library.known()?, &answer) {
        print_line!("{said}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Which baselines were made while an answer stood, and what makes them anew.
fn learned(known: &[Known], answer: &Answer) -> Vec<String> {
    let since = known.iter().filter(|known| {
        known.agent == answer.agent
            && known.trained_at_unix_ns > answer.said_unix_ns
            && answer.says != Says::No
    });
    let (unsaid, said): (Vec<&Known>, Vec<&Known>) = since.partition(|known| known.task.is_unsaid());
    let mut lines = Vec::new();
    let of_unsaid = format!(" --task {}", TaskName::default());
    for (of, option) in [(said, ""), (unsaid, of_unsaid.as_str())] {
        let names: Vec<String> = of.iter().map(|known| format!("`{}/{}`", known.agent, known.task)).collect();
        if !names.is_empty() {
            lines.push(format!(
                "{} may have learned it since: `sudo wardline train --update{option}` makes that anew without it",
                names.join(", ")
            ));
        }
    }
    lines
}

fn list(answers: &[Answer], json: bool) -> Result<()> {
    if json {
        let rows: Vec<Row> = answers.iter().map(Row::of).collect();
        print_line!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    if answers.is_empty() {
        print_line!("nothing was answered yet: `wardline review` goes through what was refused");
        return Ok(());
    }
    let mut table = table::table(&["answer", "agent", "allowed", "what"]);
    for answer in answers {
        let number = answer.number.to_string();
        table.add_row([number, answer.agent.to_string(), how_long(answer), places(&answer.places)]);
    }
    print_line!("{}", table::plain(&table));
    Ok(())
}
