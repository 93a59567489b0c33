//! Where agents and packages are kept between runs, outside the tree, and how they get there.

use crate::Error;
use crate::error::at;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `$WARDLINE_CACHE`, else `$XDG_CACHE_HOME/wardline`, else `~/.cache/wardline`.
pub fn cache() -> Result<PathBuf, Error> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = set("WARDLINE_CACHE") {
        return Ok(path);
    }
    if let Some(path) = set("XDG_CACHE_HOME") {
        return Ok(path.join("wardline"));
    }
    set("HOME").map(|home| home.join(".cache/wardline")).ok_or_else(|| Error::Missing {
        what: "a place for the cache".into(),
        detail: "neither WARDLINE_CACHE nor HOME is set".into(),
    })
}

/// Fetches a package of Python alone, `NAME==VERSION`; `kept` says whether its source (`--no-binary`) or its wheel (`--only-binary`).
pub(crate) fn pip_download(package: &str, kept: &str, into: &Path) -> Result<(), Error> {
    let mut pip = Command::new("/usr/bin/python3");
    pip.args(["-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", kept, ":all:"]);
    pip.arg(package).arg("-d").arg(into);
    run(&mut pip, &format!("`pip download {package}`"))
}

/// Makes a directory of the cache whole or not at all: `fill` works in a directory beside it. Nothing is done when it is
/// there.
pub(crate) fn fill(directory: &Path, fill: impl FnOnce(&Path) -> Result<(), Error>) -> Result<(), Error> {
    if directory.is_dir() {
        return Ok(());
    }
    let mut part = OsString::from(directory);
    part.push(".part");
    let part = PathBuf::from(part);
    if part.exists() {
        at("remove", &part, fs::remove_dir_all(&part))?;
    }
    at("make", &part, fs::create_dir_all(&part))?;
    fill(&part)?;
    // Whatever the caller's umask: the agents' user only reads.
    run(Command::new("chmod").args(["-R", "a+rX"]).arg(&part), "opening up a directory of the cache")?;
    at("move into place", directory, fs::rename(&part, directory))
}

/// A copy that shares its files with the original where both are on one file system.
pub(crate) fn share(from: &Path, to: &Path) -> Result<(), Error> {
    if to.exists() {
        return Ok(());
    }
    if let Some(above) = to.parent() {
        at("make", above, fs::create_dir_all(above))?;
    }
    let linked = Command::new("cp").arg("-al").arg(from).arg(to).stderr(Stdio::null()).status();
    if linked.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    // Another file system: what was made of the links goes, and everything is copied.
    if to.exists() {
        at("remove", to, fs::remove_dir_all(to))?;
    }
    run(Command::new("cp").arg("-a").arg(from).arg(to), "copying out of the cache")
}

/// Runs a command to its end; what it printed is told when it fails.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<(), Error> {
    let output = command.stdin(Stdio::null()).output();
    let program = PathBuf::from(command.get_program());
    let output = at("start", &program, output)?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.trim().lines().rev().take(8).collect();
    let output_text = lines.into_iter().rev().collect::<Vec<_>>().join("\n");
    Err(Error::Failed { what: what.to_owned(), status: output.status, output: output_text })
}
