//! `wardline allow DENIAL`: what a baseline refused is normal for the agent.

use super::answers::{how_long, is_free, keep, library, opened_by, places, take_in, until};
use super::denials::{self, DenialRef};
use super::reading;
use crate::configuration::age;
use anyhow::{Context, Result};
use command::{Exit, State, print_line};
use event::{Stage, Tokeniser};
use models::Allowed;
use profiler::Says;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `allow`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "It opens one place for the agent in every task, and takes effect in running sessions. Refusals of the static deny-list \
are changed by rules instead: see `wardline policy`.\n\nExamples:\n  sudo wardline why                               the denials of the last session\n  sudo wardline allow last.2                      the second of them is normal\n  sudo wardline allow 17.3 --for 7d               for a week\n  sudo wardline allow 17.3 --below ~/.cache/tool  with all that lies in that directory\n  sudo wardline forget                            what was answered, and how it is taken back"
)]
pub struct Args {
    /// A denial, as `wardline why` numbers it: `17.3`, `last.1`
    pub denial: DenialRef,
    /// Permanently (the default)
    #[arg(long, conflicts_with_all = ["session", "time"])]
    pub always: bool,
    /// Only in the session of the denial, while it runs
    #[arg(long, conflicts_with = "time")]
    pub session: bool,
    /// For this time: `7d`, `12h`
    #[arg(long = "for", value_name = "TIME", value_parser = age)]
    pub time: Option<Duration>,
    /// This directory with everything below it, instead of the place alone
    #[arg(long, value_name = "DIR")]
    pub below: Option<OsString>,
    /// The user, by name or uid; the invoking user otherwise
    #[arg(long)]
    pub user: Option<String>,
}

/// Allows it.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    let (uid, library) = library(state, args.user.as_deref())?;
    let DenialRef { session, number } = args.denial;
    let number = number.ok_or_else(|| {
        Exit::Usage.error(format!(
            "`{0}` is a session: say which of its denials, as in `{0}.1`; `wardline why {0}` lists them",
            args.denial
        ))
    })?;
    let reader = state.existing_store(uid)?;
    let session = reading::session(&reader, session)?;
    let denial = denials::one(denials::of(&reader, &session)?, &session, number)?;
    // One that cannot be read arms nothing either, and is asked again when another is armed.
    let baseline = library.union(&session.meta.agent).ok().flatten();
    let opened = match &args.below {
        Some(directory) if denial.stage == Stage::T1 => {
            let opened = widened(&denial.meant, directory, &session.meta.context)?;
            is_free(&opened, &denial, baseline.as_ref())?;
            opened
        }
        _ => opened_by(&denial, baseline.as_ref())?,
    };
    let says = match args.time {
        Some(time) => until(time),
        None if args.session => Says::Session,
        None => Says::Always,
    };
    let id = session.id.0;
    if args.session && !reading::running(state)?.iter().any(|running| running.session == id.to_string()) {
        return Err(Exit::Usage
            .error(format!("session {id} is over: `--for 7d` allows it for a while, `--always` for good")));
    }
    let answer = keep(&library, (&session, &denial), says, opened)?;
    print_line!(
        "allowed for `{}`, {}: {}; `sudo wardline forget {}` takes it back",
        answer.agent,
        how_long(&answer),
        places(&answer.places),
        answer.number
    );
    for said in take_in(state, uid, &answer.agent, args.session.then_some(id))? {
        print_line!("{said}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The same for a directory that the place lies in.
fn widened(opened: &[Allowed], directory: &OsString, context: &event::Context) -> Result<Vec<Allowed>> {
    let path = std::path::absolute(directory).context("there is no current directory")?;
    let path = path.as_os_str().as_bytes();
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let tokeniser = Tokeniser::new(context.clone());
    let shown = String::from_utf8_lossy(path).into_owned();
    let refused = || {
        Exit::Refused.error(format!(
            "nothing was opened: what was refused does not lie in `{shown}`, or every program keeps something there, or it is \
             a program, and those are allowed one by one"
        ))
    };
    if opened.is_empty() {
        return Err(refused());
    }
    opened.iter().map(|allowed| allowed.widened(path, &tokeniser).ok_or_else(refused)).collect()
}
