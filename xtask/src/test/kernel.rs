//! The step `host`: the tests that need a kernel, on this machine's.
//!
//! What says how soon something happens needs the processors for itself, and runs first. The rest may run beside the machines.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::context::Context;
use super::step::{KERNEL_TESTS, NOT_BUILT, counted};
use super::tally::Tally;
use crate::host;

/// Tests of deadlines and delays: a machine that is emulated beside them would take their processor.
const ALONE: [&str; 7] = ["core", "deadline", "loss", "share", "stalls", "teller", "wedged"];

/// What tests use besides what this project builds: a program, and its Debian package.
const NEEDED: [(&str, &str); 12] = [
    ("chromium", "chromium"),
    ("mkfs.btrfs", "btrfs-progs"),
    ("sudo", "sudo"),
    ("useradd", "passwd"),
    ("sshd", "openssh-server"),
    ("gpg", "gnupg"),
    ("rsync", "rsync"),
    // The page of ways round the guard has a row for each.
    ("busybox", "busybox-static"),
    ("curl", "curl"),
    ("openssl", "openssl"),
    ("perl", "perl-base"),
    ("python3", "python3"),
];

/// The step, once what it needs is there.
pub struct Host<'a> {
    context: &'a Context,
    wardline: PathBuf,
    tally: Tally,
    took: Duration,
}

impl<'a> Host<'a> {
    /// Builds the tests and installs what they use.
    ///
    /// # Errors
    /// Why none of them can run.
    pub fn prepare(context: &'a Context) -> std::result::Result<Self, Tally> {
        if !host::is_root() {
            return Err(Tally::skipped(
                "loading kernel programs needs root: run `sudo -E cargo xtask test --only host`",
            ));
        }
        let Some(wardline) = context.wardline() else { return Err(Tally::skipped(NOT_BUILT)) };
        for (program, package) in NEEDED {
            if let Some(reason) = installed(program, package) {
                println!("{reason}");
            }
        }
        let started = Instant::now();
        let mut build = context.cargo();
        host::run(build.args(["test", "--release", "--locked", "--no-run", "--package", KERNEL_TESTS]))
            .map_err(|error| Tally::failed(format!("{error:#}")))?;
        Ok(Self { context, wardline, tally: Tally::default(), took: started.elapsed() })
    }

    /// Runs the tests that need the processors for themselves.
    pub fn alone(&mut self) {
        self.run(&ALONE.map(|name| format!("--test={name}")));
    }

    /// Runs all the others.
    pub fn others(&mut self) {
        match others(self.context) {
            Ok(others) => self.run(&others),
            Err(error) => self.tally.add(&Tally::failed(format!("{error:#}"))),
        }
    }

    /// What became of those that have run, and how many seconds they took.
    pub fn ended(self) -> (Tally, f32) {
        (self.tally, self.took.as_secs_f32())
    }

    fn run(&mut self, which: &[String]) {
        let started = Instant::now();
        let rebuilt = self.context.rebuilt.clone().unwrap_or_default();
        for environment in self.context.environments(&rebuilt.to_string_lossy()) {
            let mut command = self.context.cargo();
            command.args(["test", "--release", "--locked", "--no-fail-fast", "--package", KERNEL_TESTS]);
            command.args(which);
            // One at a time: they share the kernel's programs. What a passing test printed says what it skipped.
            command.args(["--", "--test-threads=1", "--show-output"]);
            command.env("WARDLINE_BIN", &self.wardline).envs(environment);
            let came = counted(&mut command).unwrap_or_else(|error| Tally::failed(format!("{error:#}")));
            self.tally.add(&came);
        }
        self.took += started.elapsed();
    }
}

/// What chooses every test but those that run alone.
fn others(context: &Context) -> Result<Vec<String>> {
    let folder = context.root().join("tests/tests");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").is_file() {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    let others = names.into_iter().filter(|name| !ALONE.contains(&name.as_str()));
    Ok(["--lib".to_owned()].into_iter().chain(others.map(|name| format!("--test={name}"))).collect())
}

/// Installs a program that a test needs; why it is not there. The test then says that it skipped.
fn installed(program: &str, package: &str) -> Option<String> {
    if host::find(program).is_some() {
        return None;
    }
    host::apt_install(&[package]).err().map(|error| format!("no {program}: {error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_runs_once() -> Result<()> {
        let context = Context::new()?;
        let others = others(&context)?;
        for name in ALONE {
            assert!(context.root().join(format!("tests/tests/{name}.rs")).is_file(), "{name}");
            assert!(!others.contains(&format!("--test={name}")), "{name}");
        }
        let all = fs::read_dir(context.root().join("tests/tests"))?.count();
        assert_eq!(others.len() - 1 + ALONE.len(), all);
        Ok(())
    }
}
