//! `wardline demo`: the laboratory's, a program of its own that lies beside this one. What runs as root links nothing of it.

use anyhow::{Context, Result, ensure};
use command::Exit;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

/// The laboratory's program.
const LAB: &str = "wardline-lab";

/// Arguments of `demo`: all of them are the laboratory's to read.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// `--help` lists them
    #[arg(allow_hyphen_values = true, trailing_var_arg = true, value_name = "OPTIONS")]
    pub options: Vec<OsString>,
}

/// Becomes the laboratory.
pub fn run(args: &Args) -> Result<ExitCode> {
    lab("demo", &args.options)
}

/// Becomes the laboratory, at this of its commands.
pub fn lab(command: &str, options: &[OsString]) -> Result<ExitCode> {
    let program = std::env::current_exe().context("this program cannot be found again")?;
    let directory = program.parent().unwrap_or(Path::new("/"));
    build(directory)?;
    let lab = directory.join(LAB);
    if !lab.is_file() {
        return Err(Exit::Failed.error(format!(
            "`{}` is not there: `{command}` is the laboratory's, a program of its own beside this one. In Wardline's sources \
             `cargo install --locked --path lab && sudo install ~/.cargo/bin/{LAB} {}/` installs it, and `cargo build \
             --release` builds both",
            lab.display(),
            directory.display()
        )));
    }
    let error = Command::new(&lab).arg(command).args(options).exec();
    Err(error).with_context(|| format!("`{}` cannot be executed", lab.display()))
}

/// Under `cargo run`, which builds the one program that it runs: has cargo build the other, where this one was built.
fn build(directory: &Path) -> Result<()> {
    let is_run = std::env::var_os("CARGO_PKG_NAME").is_some_and(|name| name == env!("CARGO_PKG_NAME"));
    let cargo = std::env::var_os("CARGO").filter(|_| is_run && directory.join(".cargo-lock").exists());
    let Some(cargo) = cargo else { return Ok(()) };
    let mut command = Command::new(cargo);
    // As `cargo run` chooses packages: another choice has other features, and builds what both need twice.
    command.args(["build", "--quiet", "--bin", LAB]);
    command.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")]);
    if directory.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().context("cargo cannot be run to build the laboratory")?;
    ensure!(status.success(), "the laboratory was not built: {status}");
    Ok(())
}
