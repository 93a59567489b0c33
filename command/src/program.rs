//! The frame of both programs, from the command line to the exit code.

use crate::exit::EXIT_HELP;
use crate::trust::UNSAFE_PATHS;
use crate::{Exit, State, out, state, style};
use anyhow::Result;
use clap::{ArgAction, Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Options of every command.
#[derive(Debug, Args)]
pub struct Common {
    /// Directory of recorded sessions, baselines and the supervisor's log
    #[arg(long, global = true, value_name = "DIR", default_value = state::DEFAULT, env = "WARDLINE_STATE_DIR", hide_env_values = true)]
    pub state_dir: PathBuf,
    /// Print more on standard error; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// As root, run and load files that other users can change, and become root by (to develop Wardline)
    #[arg(long, global = true, env = UNSAFE_PATHS, hide_env = true, value_parser = clap::builder::FalseyValueParser::new(), action = ArgAction::SetTrue)]
    pub unsafe_paths: bool,
}

impl Common {
    /// The state directory.
    ///
    /// # Errors
    /// Where it is no directory that root may use.
    pub fn state(&self) -> Result<State> {
        State::new(&self.state_dir, self.unsafe_paths)
    }
}

/// The commands of a program, and what its help says around them.
pub trait Commands: Subcommand {
    /// The program's name.
    const NAME: &'static str;
    /// What it does.
    const ABOUT: &'static str;
    /// Commands that people begin with, a line each.
    const EXAMPLES: &'static str;
}

/// The command line of a program.
#[derive(Debug, Parser)]
#[command(
    name = C::NAME,
    version,
    about = C::ABOUT,
    long_about = None,
    styles = style::HELP,
    after_help = format!("Examples:\n{}\n\n{EXIT_HELP}", C::EXAMPLES),
    max_term_width = 100,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub struct Line<C: Commands> {
    /// Options of every command
    #[command(flatten)]
    pub common: Common,
    /// The operation
    #[command(subcommand)]
    pub command: C,
}

/// Reads the command line and does what it says; errors are told on standard error.
pub fn main<C: Parser>(run: impl FnOnce(C) -> Result<ExitCode>) -> ExitCode {
    let asked = match C::try_parse() {
        Ok(asked) => asked,
        Err(error) => {
            // Help and version are no errors, and go to standard output. Where that is closed there is nobody to tell.
            drop(error.print());
            return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    match run(asked) {
        Ok(code) => code,
        Err(error) if out::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{} {}", style::error("error:"), told(&error));
            Exit::of(&error).into()
        }
    }
}

/// An error and what led to it, each once: many errors say in their own words what led to them.
pub fn told(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |told, cause| {
        let cause = cause.to_string();
        match told.as_str() {
            "" => cause,
            said if said.ends_with(&cause) => told,
            said => format!("{said}: {cause}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use std::io;

    #[test]
    fn what_led_to_an_error_is_told_once() {
        #[derive(Debug)]
        struct Whole(io::Error);
        impl std::fmt::Display for Whole {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "the connection failed: {}", self.0)
            }
        }
        impl std::error::Error for Whole {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let failed: Result<(), _> = Err(Whole(io::Error::from_raw_os_error(32)));
        let error = failed.context("the supervisor cannot be told").unwrap_err();
        assert_eq!(
            told(&error),
            "the supervisor cannot be told: the connection failed: Broken pipe (os error 32)"
        );
        let plain = anyhow::anyhow!("no such file").context("`a` cannot be read");
        assert_eq!(told(&plain), "`a` cannot be read: no such file");
    }
}
