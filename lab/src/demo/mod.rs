//! `wardline demo`: the main job in one command. A throw-away world, normal sessions recorded through the kernel, a
//! baseline of each task, two clean runs and three attacks, and what became of them.
//!
//! It drives `wardline` as a user would, one process a step. What an attack achieved is judged by the world's
//! observer; Wardline's own word is only taken for which stage and means it says stopped it.

mod args;
mod judge;
mod report;
mod run;
mod story;

use crate::live::Interrupts;
use anyhow::Result;
pub use args::DemoArgs;
use command::Exit;
use command::{print_line, print_text};
use std::process::ExitCode;

/// Runs the demo. Success means that everything came out as promised.
pub fn run(args: DemoArgs) -> Result<ExitCode> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Exit::CannotProtect.error(
            "the demo needs root: it loads programs into the kernel, and makes a network namespace and a user of its own. \
             Try `sudo wardline demo`, or `sudo target/release/wardline demo` after `cargo build --release`",
        ));
    }
    let interrupts = Interrupts::take()?;
    let outcome = run::run(&args, &interrupts);
    if let Some(signal) = interrupts.arrived() {
        // Everything was cleaned up on the way here.
        anstream::eprintln!("interrupted: nothing was left behind");
        command::exit::die_by(signal);
    }
    let report = outcome?;
    if args.json {
        print_line!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print_text!("{}", story::tell(&report));
    }
    Ok(if report.broken.is_empty() { ExitCode::SUCCESS } else { Exit::Broken.into() })
}
