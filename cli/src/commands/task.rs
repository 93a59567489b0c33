//! `wardline task SESSION TASK`

use super::policy;
use crate::client::connect;
use anyhow::{Result, bail};
use command::print_line;
use command::{Exit, State};
use event::{SessionRef, TaskName};
use std::process::ExitCode;
use wire::{Reply, Request};

/// Arguments of `task`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A task decides which baseline guards the session: what the new one allows, the session may do from now on. \
So only its owner or root, from outside every session, can say it.\n\nExamples:\n  sudo wardline task last test\n  sudo wardline task 17 install"
)]
pub struct Args {
    /// Number of a running session, or `last`
    pub session: SessionRef,
    /// The task of the new segment
    pub task: TaskName,
    /// The user, if sessions of two users have that number
    #[arg(long)]
    pub user: Option<String>,
}

/// Says it.
pub fn run(state: &State, args: &Args) -> Result<ExitCode> {
    let owner = args.user.as_deref().map(|user| command::user::owner(Some(user), state)).transpose()?;
    let request = Request::Task { session: args.session, owner, task: args.task.clone() };
    let Some(supervisor) = connect::running(state)? else { return Err(none_runs()) };
    let Reply::Rules(took) = connect::ask(&supervisor, &request, &[])? else {
        bail!("the supervisor answered something else than was asked")
    };
    policy::apply::told(&took)
}

/// A request to a running supervisor whose answer is one line.
pub fn done(state: &State, request: &Request) -> Result<()> {
    let Some(supervisor) = connect::running(state)? else { return Err(none_runs()) };
    match connect::ask(&supervisor, request, &[])? {
        Reply::Done(said) => {
            print_line!("{said}");
            Ok(())
        }
        _ => bail!("the supervisor answered something else than was asked"),
    }
}

/// The error where there is nothing to talk to.
pub fn none_runs() -> anyhow::Error {
    Exit::Usage.error("no session is running")
}
