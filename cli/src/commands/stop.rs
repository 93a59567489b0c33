//! `wardline stop`

use crate::client::connect;
use anyhow::{Result, bail};
use command::State;
use command::print_line;
use wire::{Reply, Request};

/// Arguments of `stop`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Kill running sessions; otherwise the command refuses while sessions run
    #[arg(long)]
    pub kill_sessions: bool,
}

/// Ends the supervisor, and waits until it is gone.
pub fn run(state: &State, args: &Args) -> Result<()> {
    let Some(supervisor) = connect::running(state)? else {
        print_line!("no supervisor is running");
        return Ok(());
    };
    match connect::ask(&supervisor, &Request::Stop { kill_sessions: args.kill_sessions }, &[])? {
        Reply::Done(said) => {
            // It hangs up when everything is detached.
            while connect::next(&supervisor)?.is_some() {}
            print_line!("{said}");
            Ok(())
        }
        _ => bail!("the supervisor answered something else than was asked"),
    }
}
