//! `wardline supervisor`: the one process with root's rights that guards every session of this machine.

use anyhow::Result;
use command::{Exit, State};
use nix::unistd::{Uid, setsid};
use service::supervisor::{self, Setup};
use std::sync::Arc;
use std::time::Duration;

/// Arguments of `supervisor`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Root's other commands start a supervisor on demand, and it ends some seconds after the last session. \
As a service it keeps running, so that users without root's rights can start sessions.\n\nExamples:\n  sudo wardline supervisor --stay"
)]
pub struct Args {
    /// Keep running without sessions
    #[arg(long)]
    pub stay: bool,
    /// Seconds without a session until the supervisor ends
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub idle: u64,
    /// Use the tier `tracepoint` even if LSM programs load
    #[arg(long, env = "WARDLINE_WITHOUT_LSM", value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue, hide = true)]
    pub without_lsm: bool,
    /// Started by another command
    #[arg(long, hide = true)]
    pub log_to_stderr: bool,
}

/// Serves until idle, or for ever.
pub fn run(state: &State, args: &Args) -> Result<()> {
    if !Uid::effective().is_root() {
        return Err(Exit::CannotProtect.error("the supervisor needs root: use `sudo wardline supervisor`"));
    }
    if args.log_to_stderr {
        // Away from the terminal and the job of the command that started it.
        #[expect(clippy::let_underscore_must_use, reason = "who leads a session already is away from them")]
        let _ = setsid();
    }
    state.create()?;
    let configuration = crate::configuration::read(&state.configuration())?;
    supervisor::serve(Setup {
        socket: state.socket(),
        socket_of_root: state.socket_of_root(),
        lock: state.lock(),
        state: state.root().to_owned(),
        idle: (!args.stay).then(|| Duration::from_secs(args.idle)),
        retention: configuration.retention,
        learns: configuration.learns,
        quota: configuration.quota,
        processes_max: configuration.processes_max,
        without_lsm: args.without_lsm,
        baselines: Arc::new(super::baselines::Source::new(state)),
        starter: super::starter::command(state),
    })?;
    Ok(())
}
