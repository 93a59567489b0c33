//! `wardline`: the client that users start, the supervisor that it starts, and everything that is done with what they
//! recorded.
//!
//! Must never write to the terminal while a command owns it, never report protection that was not tried, and never link
//! the laboratory.

mod agent;
mod args;
mod client;
mod commands;
mod configuration;
mod environment;
mod log;

use args::Cli;
use clap::Parser;
use command::{Exit, style};
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
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) if command::out::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{} {error:#}", style::error("error:"));
            Exit::of(&error).into()
        }
    }
}
