//! Builds the crates without a kernel for other systems, where recordings are read, trained on and measured.
//!
//! Checked and not linked: of those systems, Rust's standard library is needed, and for aarch64 a C compiler (for SQLite and zstd;
//! for FreeBSD this machine's own serves).

use super::context::Context;
use super::tally::Tally;
use crate::host;
use anyhow::{Context as _, Result, ensure};
use std::path::PathBuf;
use std::process::Command;

/// Another architecture, and another system.
const TARGETS: [&str; 2] = ["aarch64-unknown-linux-gnu", "x86_64-unknown-freebsd"];
/// The C compiler for aarch64, and the packages that bring it.
const COMPILER: &str = "aarch64-linux-gnu-gcc";
const PACKAGES: [&str; 2] = ["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"];
/// The crates that promise it.
const CRATES: [&str; 5] = ["event", "models", "store", "profiler", "eval"];

/// Checks each crate for each target.
pub fn run(context: &Context) -> Result<Tally> {
    let libraries = libraries()?;
    if host::find(COMPILER).is_none()
        && let Err(error) = host::apt_install(&PACKAGES)
    {
        return Ok(Tally::skipped(format!("`{COMPILER}` cannot be installed: {error:#}")));
    }
    for target in TARGETS {
        if !libraries.join(target).join("lib").is_dir()
            && let Err(error) = install(target)
        {
            return Ok(Tally::skipped(format!(
                "Rust's standard library for {target} cannot be installed: {error:#}"
            )));
        }
        let mut check = context.cargo();
        check.args(["check", "--locked", "--target", target]);
        check.args(CRATES.iter().flat_map(|of| ["--package", of]));
        host::run(&mut check)?;
    }
    Ok(Tally::passed())
}

/// Where the compiler that builds us has its standard libraries.
fn libraries() -> Result<PathBuf> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let output = rustc.args(["--print", "sysroot"]).output().context("rustc cannot be started")?;
    ensure!(output.status.success(), "`rustc --print sysroot` failed: {}", output.status);
    let root = String::from_utf8(output.stdout).context("the compiler lies at a path that is no UTF-8")?;
    Ok(PathBuf::from(root.trim_end()).join("lib/rustlib"))
}

/// For the toolchain that runs us: rustup's commands know it by their environment.
fn install(target: &str) -> Result<()> {
    ensure!(host::find("rustup").is_some(), "there is no `rustup`");
    host::run(Command::new("rustup").args(["target", "add", target]))
}
