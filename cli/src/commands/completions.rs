//! `wardline completions SHELL`

use crate::args::Cli;
use anyhow::Result;
use clap::CommandFactory;
use std::io::Write;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  wardline completions bash > /usr/share/bash-completion/completions/wardline\n  wardline completions fish > ~/.config/fish/completions/wardline.fish"
)]
pub struct Args {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Prints them.
pub fn run(args: &Args) -> Result<()> {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "wardline", &mut out);
    std::io::stdout().write_all(&out)?;
    Ok(())
}
