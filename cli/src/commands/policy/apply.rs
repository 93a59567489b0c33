//! `wardline policy apply`: running sessions take the rules that hold now.

use crate::client::connect;
use anyhow::{Result, bail};
use command::{Exit, State, print_line, user};
use event::SessionRef;
use std::process::ExitCode;
use wire::{Reply, Request, TookRules};

/// Which sessions.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of a running session, or `last`; otherwise all of yours, or all as root
    session: Option<SessionRef>,
    /// The user, by name or uid; the invoking user otherwise
    #[arg(long, value_name = "USER")]
    user: Option<String>,
}

/// Has them take the rules.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    connect::is_served(state)?;
    let owner = args.user.as_deref().map(|name| user::owner(Some(name), state)).transpose()?;
    let took = ask(state, args.session, owner)?;
    if took.is_empty() {
        return Err(Exit::Usage.error("no session is running"));
    }
    told(&took)
}

/// Has the running sessions of a user take what closes: it was written for them, too.
pub(super) fn of_user(state: &State, uid: u32) -> Result<ExitCode> {
    told(&ask(state, None, Some(uid))?)
}

/// The same, and nothing is printed unless something is open that the rules close.
pub(super) fn quietly(state: &State, uid: u32) -> Result<ExitCode> {
    let mut took = ask(state, None, Some(uid))?;
    took.retain(|took| !is_whole(took));
    took.iter().flat_map(lines).for_each(|line| anstream::eprintln!("{line}"));
    Ok(code(&took))
}

fn ask(state: &State, session: Option<SessionRef>, owner: Option<u32>) -> Result<Vec<TookRules>> {
    let Some(supervisor) = connect::running(state)? else { return Ok(Vec::new()) };
    match connect::ask(&supervisor, &Request::Rules { session, owner }, &[])? {
        Reply::Rules(took) => Ok(took),
        _ => bail!("the supervisor answered something else than was asked"),
    }
}

/// Says what became of sessions' rules.
pub fn told(took: &[TookRules]) -> Result<ExitCode> {
    for line in took.iter().flat_map(lines) {
        print_line!("{line}");
    }
    Ok(code(took))
}

/// Somebody counts on what was written: a session that does not obey all of it is a failure.
fn code(took: &[TookRules]) -> ExitCode {
    if took.iter().all(is_whole) { ExitCode::SUCCESS } else { Exit::Failed.into() }
}

fn is_whole(took: &TookRules) -> bool {
    took.became.is_ok() && took.warnings.is_empty()
}

fn lines(took: &TookRules) -> Vec<String> {
    let session = &took.session;
    let became = match &took.became {
        Ok(became) => format!("session {session}: {became}"),
        Err(why) => format!("session {session} goes on under the rules of before: {why}"),
    };
    let warnings = took.warnings.iter().map(|warning| format!("session {session}: {warning}"));
    std::iter::once(became).chain(warnings).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_closed_is_said_and_is_a_failure() {
        let took = |became: Result<&str, &str>, warnings: &[&str]| TookRules {
            session: "7".into(),
            became: became.map(str::to_owned).map_err(str::to_owned),
            warnings: warnings.iter().map(|warning| (*warning).to_owned()).collect(),
        };
        let whole = took(Ok("obeys `x` from now on"), &[]);
        assert_eq!(lines(&whole), ["session 7: obeys `x` from now on"]);
        let part = took(Ok("obeys `x` from now on"), &["`a` is a link"]);
        assert_eq!(lines(&part)[1], "session 7: `a` is a link");
        let none = took(Err("no rules"), &[]);
        assert_eq!(lines(&none), ["session 7 goes on under the rules of before: no rules"]);
        assert_eq!([&whole, &part, &none].map(is_whole), [true, false, false]);
    }
}
