//! `wardline`: the client that users start, the supervisor that it starts, and everything that is done with what they
//! recorded.
//!
//! Must never write to the terminal while a command owns it, never report protection that was not tried, and never link
//! the laboratory.
#![cfg_attr(
    not(test),
    // What root runs does not stop over what others wrote, cuts no number, and drops no error unsaid.
    deny(clippy::cast_possible_truncation, clippy::indexing_slicing, clippy::let_underscore_must_use)
)]

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
