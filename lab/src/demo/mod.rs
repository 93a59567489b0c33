//! `wardline demo`: the main job in one command. A throw-away world, normal sessions recorded through the kernel, a
//! baseline of each task, two clean runs and three attacks, and what became of them.
//!
//! It drives `wardline` as a user would, one process a step. What an attack achieved is judged by the world's
//! observer; Wardline's own word is only taken for which stage and means it says stopped it.

mod judge;
mod report;
mod run;
mod story;

use crate::live::Interrupts;
use anyhow::Result;
use command::Exit;
use command::{print_line, print_text};
use datasets::Profile;
use std::process::ExitCode;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Everything happens in a throw-away directory and a network namespace, and as a user that owns nothing else. \
Nothing of yours is read or changed.\n\nExamples:\n  sudo wardline demo\n  sudo wardline demo --json --seed 7\n  sudo wardline demo --profile vm    a small one, for an emulated machine"
)]
pub struct DemoArgs {
    /// Print one JSON object instead of the story
    #[arg(long)]
    pub json: bool,
    /// Another seed gives other workspaces, scripts and secrets; the same one gives the same
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How much of everything
    #[arg(long, value_enum, value_name = "PROFILE", default_value_t = Size::Normal)]
    pub profile: Size,
    /// Leave the throw-away directory, and say where it is
    #[arg(long)]
    pub keep: bool,
}

/// How large the demo is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Size {
    /// For a machine of today
    Normal,
    /// For an emulated machine
    Vm,
}

impl Size {
    fn profile(self) -> Profile {
        match self {
            Size::Normal => Profile::NORMAL,
            Size::Vm => Profile::VM,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Size::Normal => "normal",
            Size::Vm => "vm",
        }
    }
}

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
