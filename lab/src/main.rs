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
use command::trust::{self, Asked};
use std::process::ExitCode;

fn main() -> ExitCode {
    command::main(run)
}

/// Does what was asked.
fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    command::log::client(cli.common.verbose);
    let state = cli.common.state()?;
    // Everything works in a world of its own, or only looks.
    trust::check(Asked::Said, &state, cli.common.unsafe_paths)?;
    match cli.command {
        Command::Demo(args) => demo::run(args),
        Command::Corpus(args) => corpus::run(args),
        Command::Eval(args) => eval::run(&state, &args),
        Command::Rules(args) => rules::run(&args),
        Command::Attempt(args) => rules::attempt::run(&args),
        Command::Completions(args) => args.print::<Cli>("wardline-lab"),
    }
}
