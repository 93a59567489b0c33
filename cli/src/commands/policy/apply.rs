//! `wardline policy apply`: running sessions take the rules that hold now.

use super::super::{reading, task};
use crate::client::connect;
use anyhow::Result;
use command::{Exit, State, print_line, user};
use event::SessionRef;
use std::process::ExitCode;
use wire::{Reply, Request};

/// Which sessions, and how.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of a running session, or `last`; without it, all that are yours, and as root everybody's
    session: Option<SessionRef>,
    /// Take what opens as well, and no more what was taken back (root only)
    #[arg(long)]
    loosen: bool,
    /// Whose sessions
    #[arg(long, value_name = "USER")]
    user: Option<String>,
}

/// Has them take the rules.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    connect::is_served(state)?;
    let owner = args.user.as_deref().map(|name| user::owner(Some(name), state)).transpose()?;
    let mut sessions = reading::running(state)?;
    sessions.retain(|running| owner.is_none_or(|owner| running.uid == owner));
    match args.session {
        Some(SessionRef::Last) => drop(sessions.drain(..sessions.len().saturating_sub(1))),
        Some(SessionRef::Number(number)) => sessions.retain(|running| running.session == number.to_string()),
        None => {}
    }
    if sessions.is_empty() {
        return Err(match args.session {
            Some(session) => {
                Exit::Usage.error(format!("no session {session} is running: `wardline sessions` lists them"))
            }
            None => task::none_runs(),
        });
    }
    let (said, code) = take(state, sessions, args.loosen)?;
    for said in said {
        print_line!("{said}");
    }
    Ok(code)
}

/// Has the running sessions of a user take what closes: it was written for them, too.
pub(super) fn of_user(state: &State, uid: u32) -> Result<ExitCode> {
    let (said, code) = quietly(state, uid)?;
    for said in said {
        print_line!("{said}");
    }
    Ok(code)
}

/// The same, and what became of each.
pub(super) fn quietly(state: &State, uid: u32) -> Result<(Vec<String>, ExitCode)> {
    let mut sessions = reading::running(state)?;
    sessions.retain(|running| running.uid == uid);
    take(state, sessions, false)
}

/// What became of each; one that goes on as before is a failure, since somebody counts on what was written.
fn take(state: &State, sessions: Vec<wire::Running>, loosens: bool) -> Result<(Vec<String>, ExitCode)> {
    let (mut said, mut code) = (Vec::new(), ExitCode::SUCCESS);
    for running in sessions {
        let Ok(session) = running.session.parse::<SessionRef>() else { continue };
        let Some(supervisor) = connect::running(state)? else { break };
        let request = Request::Rules { session, owner: Some(running.uid), loosens };
        match connect::ask(&supervisor, &request, &[]) {
            Ok(Reply::Done(done)) => said.push(done),
            Ok(_) => {}
            // It ended meanwhile.
            Err(_) if !reading::running(state)?.iter().any(|other| other.session == running.session) => {}
            Err(error) => {
                said.push(format!("session {session} goes on under the rules of before: {error:#}"));
                code = Exit::Failed.into();
            }
        }
    }
    Ok((said, code))
}
