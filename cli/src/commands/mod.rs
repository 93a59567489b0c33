//! The commands, one file each.

mod attach;
pub mod baselines;
pub mod broker;
mod bytes;
pub mod completions;
pub mod corpus;
pub mod db;
pub mod doctor;
pub mod doorkeeper;
pub mod eval;
pub mod export;
pub mod keeper;
pub mod run;
pub mod sessions;
pub mod show;
pub mod stop;
pub mod stop_session;
mod summary;
pub mod supervisor;
pub mod tail;
pub mod task;
pub mod teller;
pub mod train;
mod trial;
pub mod why;

mod reading;
mod refused;
mod table;

use crate::args::{Cli, Command};
use crate::state::State;
use crate::{demo, log, trust};
use anyhow::Result;
use std::io::ErrorKind;
use std::process::ExitCode;

/// Does what was asked.
pub fn run(cli: Cli) -> Result<ExitCode> {
    let _log = match cli.command {
        Command::Supervisor(_) => {
            service::bound::give_up()?;
            Some(log::supervisor(cli.verbose))
        }
        Command::Doorkeeper(_) => Some(log::supervisor(cli.verbose)),
        Command::Keeper(_) | Command::Broker => None,
        Command::Teller => {
            log::teller();
            None
        }
        _ => {
            log::client(&cli);
            None
        }
    };
    let state = State::new(&cli.state_dir, cli.unsafe_paths)?;
    trust::check(&cli, &state)?;
    let done = |result: Result<()>| result.map(|()| ExitCode::SUCCESS);
    match cli.command {
        Command::Demo(args) => demo::run(args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Record(args) => run::record(&state, cli.verbose, args),
        Command::Enforce(args) => run::enforce(&state, cli.verbose, args),
        Command::Task(args) => done(task::run(&state, &args)),
        Command::Tail(args) => done(tail::run(&state, &args)),
        Command::Sessions(args) => sessions::run(&state, &args),
        Command::Show(args) => show::run(&state, &args),
        Command::Why(args) => why::run(&state, &args),
        Command::Export(args) => export::run(&state, &args),
        Command::StopSession(args) => done(stop_session::run(&state, &args)),
        Command::Stop(args) => done(stop::run(&state, &args)),
        Command::Train(args) => train::run(&state, &args),
        Command::Baselines(args) => baselines::list(&state, &args),
        Command::Baseline(args) => baselines::run(&state, &args),
        Command::Eval(args) => eval::run(&state, &args),
        Command::Corpus(args) => corpus::run(args),
        Command::Db(args) => done(db::run(&state, &args)),
        Command::Completions(args) => done(completions::run(&args)),
        Command::Supervisor(args) => done(supervisor::run(&state, &args)),
        Command::Keeper(args) => keeper::run(&args),
        Command::Doorkeeper(args) => doorkeeper::run(&args),
        Command::Broker => broker::run(),
        Command::Teller => teller::run(),
    }
}

/// Whether the reader of standard output went away, as `head` does: no error.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let kind = match (cause.downcast_ref::<std::io::Error>(), cause.downcast_ref::<store::Error>()) {
            (Some(error), _) => error.kind(),
            (_, Some(store::Error::Sink { kind, .. })) => *kind,
            _ => return false,
        };
        kind == ErrorKind::BrokenPipe
    })
}
