//! The commands, one file each.

pub mod allow;
mod answers;
mod arguments;
mod attach;
pub mod baselines;
pub mod broker;
mod bytes;
pub mod db;
pub mod demo;
mod denials;
pub mod doctor;
pub mod doorkeeper;
pub mod export;
pub mod forget;
pub mod keeper;
pub mod policy;
pub mod review;
pub mod run;
mod session;
pub mod sessions;
pub mod show;
pub mod starter;
pub mod stop;
pub mod stop_session;
mod summary;
pub mod supervisor;
pub mod tail;
pub mod task;
pub mod teller;
pub mod train;
mod trial;
mod what;
pub mod why;

mod reading;
mod refused;

use crate::args::{Cli, Command};
use crate::log;
use anyhow::Result;
use command::trust::{self, Asked};
use std::process::ExitCode;

/// Does what was asked.
pub fn run(cli: Cli) -> Result<ExitCode> {
    let _log = match cli.command {
        Command::Supervisor(_) => {
            service::bound::give_up()?;
            Some(log::supervisor(cli.common.verbose))
        }
        Command::Doorkeeper(_) => Some(log::supervisor(cli.common.verbose)),
        Command::Starter | Command::Broker => None,
        Command::Keeper(_) | Command::Teller => {
            log::child();
            None
        }
        _ => {
            command::log::client(cli.common.verbose);
            None
        }
    };
    let state = cli.common.state()?;
    trust::check(asked(&cli.command), &state, cli.common.unsafe_paths)?;
    let done = |result: Result<()>| result.map(|()| ExitCode::SUCCESS);
    match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Doctor(args) => doctor::run(&state, cli.common.verbose, &args),
        Command::Record(args) => run::record(&state, cli.common.verbose, args),
        Command::Enforce(args) => run::enforce(&state, cli.common.verbose, args),
        Command::Task(args) => task::run(&state, &args),
        Command::Tail(args) => done(tail::run(&state, &args)),
        Command::Sessions(args) => sessions::run(&state, &args),
        Command::Show(args) => show::run(&state, &args),
        Command::Why(args) => why::run(&state, &args),
        Command::Allow(args) => allow::run(&state, &args),
        Command::Review(args) => review::run(&state, &args),
        Command::Forget(args) => forget::run(&state, &args),
        Command::Export(args) => export::run(&state, &args),
        Command::StopSession(args) => done(stop_session::run(&state, &args)),
        Command::Stop(args) => done(stop::run(&state, &args)),
        Command::Train(args) => train::run(&state, &args),
        Command::Baselines(args) => baselines::list(&state, &args),
        Command::Baseline(args) => baselines::run(&state, &args),
        Command::Policy(args) => policy::run(&state, &args),
        Command::Db(args) => done(db::run(&state, &args)),
        Command::Completions(args) => args.print::<Cli>("wardline"),
        Command::Supervisor(args) => done(supervisor::run(&state, &args)),
        Command::Starter => starter::run(&state),
        Command::Keeper(args) => keeper::run(&args),
        Command::Doorkeeper(args) => doorkeeper::run(&args),
        Command::Broker => broker::run(),
        Command::Teller => teller::run(),
    }
}

/// What is asked of the program and the state before a command is done.
fn asked(command: &Command) -> Asked {
    match command {
        Command::Completions(_)
        | Command::Starter
        | Command::Keeper(_)
        | Command::Doorkeeper(_)
        | Command::Broker
        | Command::Teller
        // The laboratory asks for itself.
        | Command::Demo(_) => Asked::Nothing,
        Command::Policy(args) if !args.writes() => Asked::Nothing,
        Command::Doctor(_) => Asked::Said,
        _ => Asked::Refused,
    }
}
