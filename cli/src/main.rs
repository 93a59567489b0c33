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

use std::process::ExitCode;

fn main() -> ExitCode {
    command::main(commands::run)
}
