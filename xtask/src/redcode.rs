//! Hostile programs against a guarded agent: `cargo xtask redcode`.
//!
//! The cases are those of RedCode-Exec, or any in its form. They are run by `wardline-lab eval code` in a throw-away machine
//! that has no network, and nowhere else: the word that the command looks for is on that machine's command line only.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::{
    bench::Machine,
    host,
    vm::{self, Limits, Outcome, Payload, Series},
};

/// What `wardline-lab eval code` looks for on the kernel's command line.
const WORD: &str = "wardline.throwaway=hostile-programs-may-ruin-this-machine";

/// What begins a line that belongs to the result.
const MARK: &str = "@code ";

/// Packages that cases of Python import, and what those import. Only unpacked, never built.
const PYTHON: [&str; 6] = [
    "certifi==2026.10.19.post1",
    "charset-normalizer==3.5.2",
    "idna==3.20",
    "psutil==7.2.2",
    "requests==2.34.2",
    "urllib3==2.8.0",
];

/// The arguments.
#[derive(clap::Args)]
pub struct Redcode {
    /// The cases: JSON lines with index, language and code, plain or packed with zstd
    #[arg(long, value_name = "FILE")]
    cases: PathBuf,
    /// Where the result goes
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Which kernel to boot
    #[arg(long, value_enum, default_value = "6.12")]
    kernel: Series,
    /// How many cases: each risk index in turn. All, when nothing is said
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Another seed gives another world, other sessions, and the cases in another order
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Held-out sessions of normal work, and as many with a harmless program
    #[arg(long, value_name = "N", default_value_t = 6)]
    clean: usize,
    /// Seconds that a guarded session may take
    #[arg(long, value_name = "S", default_value_t = 40)]
    seconds: u64,
    /// Seconds after which the machine is stopped; what it has done until then counts. One that dies is booted again, and
    /// goes on with the next case
    #[arg(long, value_name = "S", default_value_t = 14_400)]
    timeout: u64,
}

/// Runs the cases, and writes the result. The status is not 0 where not all were run that were to be.
pub fn run(arguments: &Redcode) -> Result<i32> {
    vm::prepare(arguments.kernel)?;
    let wardline = host::target()?.join("release/wardline");
    let lab = wardline.with_file_name("wardline-lab");
    for program in [&wardline, &lab] {
        ensure!(program.is_file(), "{} is not built: run `cargo build --release` first", program.display());
    }
    let name = arguments.cases.file_name().and_then(|name| name.to_str());
    let name = name.with_context(|| format!("{} names no file", arguments.cases.display()))?;
    fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot create {}", arguments.out.display()))?;
    let machine = Machine::look()?;
    let mut command: Vec<String> = ["wardline-lab", "eval", "code"].map(str::to_owned).into();
    command.push(format!("/opt/{name}"));
    for (option, value) in [("--seed", arguments.seed), ("--seconds", arguments.seconds)] {
        command.extend([option.to_owned(), value.to_string()]);
    }
    command.extend(["--clean".to_owned(), arguments.clean.to_string()]);
    if let Some(limit) = arguments.limit {
        command.extend(["--limit".to_owned(), limit.to_string()]);
    }
    let python = packages()?;
    let lines = arguments.out.join("lines.txt");
    let mut kept = File::create(&lines).with_context(|| format!("cannot create {}", lines.display()))?;
    let end = Instant::now() + Duration::from_secs(arguments.timeout);
    let mut done = 0;
    let ended = loop {
        let mut command = command.clone();
        command.extend(["--after".to_owned(), done.to_string()]);
        let payload = Payload {
            wardline: Some(wardline.clone()),
            files: vec![arguments.cases.clone()],
            python: Some(python.clone()),
            environment: Vec::new(),
            boot: vec![WORD.to_owned()],
            command,
        };
        let limits = Limits { timeout: end.saturating_duration_since(Instant::now()), memory_mb: 1536 };
        let (before, mut lost) = (done, None);
        let outcome = vm::boot(arguments.kernel, &payload, limits, |line| {
            host::print(line);
            if let Some(is_case) = result_line(line) {
                done += usize::from(is_case);
                lost = lost.take().or(kept.write_all(line.as_bytes()).err());
            }
        })?;
        if let Some(error) = lost {
            return Err(error).with_context(|| format!("cannot write {}", lines.display()));
        }
        match outcome {
            Outcome::Died(_) if done > before => eprintln!("the machine died after {done} cases: once more"),
            outcome => break outcome,
        }
    };
    report(&lab, &lines, &arguments.out, &machine)?;
    match ended {
        Outcome::Exited(status) => Ok(status),
        Outcome::TimedOut | Outcome::Died(_) => {
            bail!("the machine ended before its cases did: see the result")
        }
    }
}

/// Whether a line of the result tells of a case; `None` for what is no line of it, or was torn by a machine's death.
fn result_line(line: &str) -> Option<bool> {
    let (_, line) = line.split_once(MARK)?;
    let line: Value = serde_json::from_str(line.trim_end()).ok()?;
    Some(line["sort"] == "case")
}

/// Has the result written. The lines have gone into it then.
fn report(lab: &Path, lines: &Path, out: &Path, machine: &Machine) -> Result<()> {
    let on = format!(
        "an emulated machine of QEMU, on Linux {} ({} processors, load {} at the start)",
        machine.kernel, machine.processors, machine.load
    );
    let mut command = Command::new(lab);
    command.args(["eval", "code-report"]).arg(lines).arg("--out").arg(out);
    host::run(command.args(["--host", &on, "--commit", &machine.commit]))?;
    fs::remove_file(lines).with_context(|| format!("cannot remove {}", lines.display()))
}

/// The directory with the packages, fetched where the cache has none.
fn packages() -> Result<PathBuf> {
    let key = blake3::hash(PYTHON.join(" ").as_bytes()).to_hex();
    let place = host::cache()?.join(format!("python/{}", &key[..16]));
    if place.is_dir() {
        return Ok(place);
    }
    let part = place.with_extension(format!("part-{}", std::process::id()));
    let mut pip = Command::new("/usr/bin/python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "--no-deps",
        "--root-user-action=ignore",
    ]);
    host::run(pip.args(["--only-binary", ":all:", "--target"]).arg(&part).args(PYTHON))?;
    fs::rename(&part, &place).with_context(|| format!("cannot create {}", place.display()))?;
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_no_result() {
        assert_eq!(result_line("@code {\"line\":\"outcome\",\"sort\":\"case\"}\n"), Some(true));
        assert_eq!(result_line("@code {\"line\":\"machine\"}\n"), Some(false));
        assert_eq!(result_line("@code {\"line\":\"outc[  12.0] Oops\n"), None);
        assert_eq!(result_line("{\"sort\":\"case\"}"), None);
    }

    #[test]
    fn the_command_looks_for_the_word_and_prints_the_mark() {
        let machine = include_str!("../../lab/src/eval/code/machine.rs");
        assert_eq!(machine.matches(&format!("{WORD:?}")).count(), 1);
        let outcome = include_str!("../../eval/src/code/outcome.rs");
        assert_eq!(outcome.matches(&format!("MARK: &str = {MARK:?};")).count(), 1);
    }
}
