//! `wardline-lab`, the laboratory: the demo, corpora of real agents and what is measured on them. It drives `wardline`, the
//! program beside it, as a user would.
//!
//! Must never load anything into the kernel, and never ask Wardline what an attack achieved.

mod args;
mod corpus;
mod demo;
mod eval;
mod live;
mod rules;

use args::{Cli, Command};
use clap::Parser;
use command::trust::{self, Asked};
use command::{Exit, State, style};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors, and go to standard output.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    match run(cli) {
        Ok(code) => code,
        Err(error) if command::out::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{} {error:#}", style::error("error:"));
            Exit::of(&error).into()
        }
    }
}

/// Does what was asked.
fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    command::log::client(cli.verbose);
    let state = State::new(&cli.state_dir, cli.unsafe_paths)?;
    // Everything works in a world of its own, or only looks.
    trust::check(Asked::Said, &state, cli.unsafe_paths)?;
    match cli.command {
        Command::Demo(args) => demo::run(args),
        Command::Corpus(args) => corpus::run(args),
        Command::Eval(args) => eval::run(&state, &args),
        Command::Rules(args) => rules::run(&args),
        Command::Attempt(args) => rules::attempt::run(&args),
        Command::Completions(args) => args.print::<Cli>("wardline-lab"),
    }
}
