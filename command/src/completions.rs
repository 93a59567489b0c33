//! Completions for shells.

use anyhow::Result;
use clap::CommandFactory;
use std::io::Write;
use std::process::ExitCode;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  wardline completions bash > /usr/share/bash-completion/completions/wardline\n  wardline completions fish > ~/.config/fish/completions/wardline.fish"
)]
pub struct Args {
    /// The shell
    pub shell: clap_complete::Shell,
}

impl Args {
    /// Prints them, for a program's command line.
    pub fn print<Cli: CommandFactory>(&self, program: &str) -> Result<ExitCode> {
        let mut out = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), program, &mut out);
        std::io::stdout().write_all(&out)?;
        Ok(ExitCode::SUCCESS)
    }
}
