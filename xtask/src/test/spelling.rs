//! Misspelt words, by `typos` (<https://github.com/crate-ci/typos>), which `typos.toml` tells what it may not know. It is installed
//! as Python's package of it, a built program of 8 MB: to build it takes minutes.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use super::context::Context;
use super::tally::Tally;
use crate::host;

/// Another version knows other words.
const VERSION: &str = "1.52.0";

/// Reads every word of the tree that is committed, or would be.
pub fn run(context: &Context) -> Result<Tally> {
    let program = match installed() {
        Ok(program) => program,
        Err(error) => return Ok(Tally::skipped(format!("typos {VERSION} cannot be installed: {error:#}"))),
    };
    host::run(Command::new(program).args(["--format", "brief"]).arg(context.root()))?;
    Ok(Tally::passed())
}

/// The program, kept beside what else the automation keeps.
fn installed() -> Result<PathBuf> {
    let folder = host::cache()?.join(format!("typos-{VERSION}"));
    let program = folder.join("bin/typos");
    if !program.exists() {
        if host::find("pip3").is_none() {
            host::apt_install(&["python3-pip"])?;
        }
        let mut pip = Command::new("pip3");
        pip.args([
            "install",
            "--quiet",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--root-user-action",
            "ignore",
        ]);
        host::run(pip.arg("--target").arg(&folder).arg(format!("typos=={VERSION}")))?;
    }
    Ok(program)
}
