//! The steps that run in virtual machines: all beside each other, since a machine's processors are emulated by one thread.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::context::Context;
use super::step::{KERNEL_TESTS, NOT_BUILT};
use super::tally::Tally;
use crate::{
    ebpf, host,
    vm::{self, Limits, Outcome, Payload, Series},
};

/// What one machine may take. Emulation is some twenty times slower than the host.
pub const MACHINE: Limits = Limits { timeout: Duration::from_secs(2700), memory_mb: 2048 };

/// Tests that run in the machines: what the tier decides. The others prove the same on the host, and emulation is twenty
/// times slower.
const TESTS: [&str; 20] = [
    "boundaries",
    "confined",
    "hiding",
    "bypasses",
    "control",
    "deadline",
    "delegates",
    "first",
    "jewels",
    "launchers",
    "lineage",
    "loans",
    "members",
    "operations",
    "replaced",
    "stalls",
    "subvolumes",
    "survivors",
    "taken",
    "tried",
];
/// Of these, the tests that run in the machines: each loads the kernel side for itself, which takes a quarter of a minute there.
const SOME: [(&str, &[&str]); 3] = [
    (
        "control",
        &[
            "nobody_inside_has_a_say",
            "without_client_and_supervisor_the_keeper_kills",
            "a_request_begun_before_an_attachment_is_refused_after_it",
            "a_request_has_one_deadline",
            "a_user_takes_nobody_elses_place",
        ],
    ),
    ("delegates", &["an_agent_outside_ends_the_session_before_it_is_asked_for_anything"]),
    (
        "taken",
        &[
            "a_session_that_runs_obeys_what_closes_at_once_and_what_opens_counts_from_the_next_one_on",
            "a_link_that_a_session_has_made_leads_nobody_anywhere",
            "a_rule_for_a_task_holds_while_the_sessions_task_is_that",
        ],
    ),
];
/// Those of them that run once more without BPF among the security modules: these kernels lack tracepoints of the host's.
const TESTS_WITHOUT_LSM: [&str; 6] = ["boundaries", "confined", "hiding", "jewels", "operations", "tried"];
/// The kernel's list of security modules for that: of several, the last one holds.
pub const WITHOUT_LSM: &str = "lsm=landlock,lockdown,yama";

/// Runs the tests in a machine of each series; with how many seconds each took. Every line that is printed begins with its
/// machine's series.
pub fn run(context: &Context, machines: &[Series]) -> Vec<(Tally, f32)> {
    let tests = match (machines, context.wardline()) {
        ([], _) => return Vec::new(),
        (_, None) => Err(Tally::skipped(NOT_BUILT)),
        (_, Some(wardline)) => {
            let files = programs(context, &TESTS).map_err(|error| Tally::failed(format!("{error:#}")));
            files.map(|files| (wardline, files))
        }
    };
    // One after the other: what they install and build is the same for both.
    let ready: Vec<Result<()>> = machines.iter().map(|series| vm::prepare(*series)).collect();
    thread::scope(|scope| {
        let running: Vec<_> = machines
            .iter()
            .zip(ready)
            .map(|(series, ready)| {
                let tests = tests.as_ref();
                scope.spawn(move || {
                    let started = Instant::now();
                    let tally = match (tests, ready) {
                        (Err(reason), _) => reason.clone(),
                        (_, Err(reason)) => Tally::skipped(format!("{reason:#}")),
                        (Ok((wardline, files)), Ok(())) => {
                            in_machine(context, *series, &payloads(context, wardline, files, *series))
                                .unwrap_or_else(|error| Tally::failed(format!("{error:#}")))
                        }
                    };
                    (tally, started.elapsed().as_secs_f32())
                })
            })
            .collect();
        let ended = running.into_iter().map(|machine| machine.join());
        ended.map(|came| came.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// The program, the tests and the script that runs them, for each time that a machine of a series is booted.
fn payloads(context: &Context, wardline: &Path, files: &[PathBuf], series: Series) -> [Payload; 2] {
    /// It takes five minutes, and one kernel is enough to see that all of it works together: the one farther from this machine's.
    const DEMO: (Series, &str) = (
        Series::V6_1,
        "echo '-------- wardline demo'\n\
         if wardline demo --profile vm --json; then echo 'test result: ok. 1 passed'\n\
         else echo 'test result: FAILED. 1 failed'; failed=1; fi\n",
    );
    let again =
        files.iter().filter(|file| TESTS_WITHOUT_LSM.contains(&name(file).as_str())).cloned().collect();
    let with_rebuilt = |payload: Payload| Payload {
        files: payload.files.into_iter().chain(context.rebuilt.clone()).collect(),
        ..payload
    };
    let last = if series == DEMO.0 { DEMO.1 } else { "" };
    let all = payload(wardline, files.to_vec(), &[], last);
    [with_rebuilt(all), with_rebuilt(payload(wardline, again, &[WITHOUT_LSM], ""))]
}

/// The program, test programs, and a script that runs them one after the other, with `last` behind them.
pub fn payload(wardline: &Path, files: Vec<PathBuf>, boot: &[&str], last: &str) -> Payload {
    let mut script = String::from("failed=0\n");
    for file in &files {
        let name = name(file);
        let some = SOME.iter().find(|(of, _)| *of == name);
        let which = some.map_or(String::new(), |(_, tests)| format!("--exact {} ", tests.join(" ")));
        script.push_str(&format!(
            "echo '-------- {name}'\n'/opt/{name}' {which}--test-threads=1 --show-output </dev/null || failed=1\n"
        ));
    }
    script.push_str(last);
    script.push_str("exit $failed\n");
    Payload {
        wardline: Some(wardline.to_owned()),
        files,
        python: None,
        environment: Vec::new(),
        boot: boot.iter().map(|&word| word.to_owned()).collect(),
        command: vec!["sh".to_owned(), "-c".to_owned(), script],
    }
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn in_machine(context: &Context, series: Series, payloads: &[Payload]) -> Result<Tally> {
    let boot = |payload: &Payload, seen: &mut Tally| {
        vm::boot(series, payload, MACHINE, |line| {
            host::print(&format!("{series:>4} | {line}"));
            seen.see(line);
        })
    };
    let mut tally = Tally::default();
    let environments = context.environments(&format!("/opt/{}", ebpf::WARDLINE.object));
    let each = environments.iter().flat_map(|environment| payloads.iter().map(move |of| (environment, of)));
    for (environment, of) in each {
        let payload = Payload { environment: environment.clone(), ..of.clone() };
        let mut seen = Tally::default();
        let mut outcome = boot(&payload, &mut seen)?;
        let mut note = None;
        if let Outcome::Died(death) = &outcome
            && !death.is_panic()
        {
            eprintln!("{death}\nNo kernel's message says why: once more, and it is told below.");
            note = Some(format!("a machine died at the first try: {death}"));
            seen = Tally::default();
            outcome = boot(&payload, &mut seen)?;
        }
        seen.notes.extend(note);
        let problem = match outcome {
            Outcome::Exited(0) => None,
            Outcome::Exited(status) => Some(format!("the tests ended with status {status}")),
            Outcome::TimedOut => Some(format!("the machine ran longer than {} s", MACHINE.timeout.as_secs())),
            Outcome::Died(death) => Some(death.to_string()),
        };
        tally.add(&seen.ended(problem));
    }
    Ok(tally)
}

/// Builds the tests that need a kernel, and returns the programs of some of them as machines take them.
pub fn programs(context: &Context, tests: &[&str]) -> Result<Vec<PathBuf>> {
    let mut command = context.cargo();
    command.args(["test", "--release", "--locked", "--no-run", "--package", KERNEL_TESTS]);
    let messages = host::output_only(command.args(["--message-format", "json-render-diagnostics"]))?;
    let mut programs = Vec::new();
    for line in messages.lines() {
        let message: Value =
            serde_json::from_str(line).context("cargo printed something that is not JSON")?;
        let of_tests =
            message["target"]["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "test"));
        let here = message["target"]["name"].as_str().is_some_and(|name| tests.contains(&name));
        if let (true, Some(program)) = (of_tests && here, message["executable"].as_str()) {
            programs.push(stripped(context, Path::new(program))?);
        }
    }
    programs.sort();
    Ok(programs)
}

/// A copy of `program` without debug information, which a machine need not carry, by the test's own name.
fn stripped(context: &Context, program: &Path) -> Result<PathBuf> {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    // Cargo appends a hash that changes with the compiler.
    let name = name.rsplit_once('-').map_or(&*name, |(test, _)| test);
    let copy = context.target.join("vm/tests").join(name);
    if let Some(parent) = copy.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    }
    fs::copy(program, &copy).with_context(|| format!("cannot copy {}", program.display()))?;
    if host::find("strip").is_some() {
        host::run(Command::new("strip").arg("--strip-debug").arg(&copy))?;
    }
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_of_a_test_is_there() -> Result<()> {
        for (name, tests) in SOME {
            assert!(TESTS.contains(&name), "{name}");
            let path = host::workspace()?.join(format!("tests/tests/{name}.rs"));
            let text = fs::read_to_string(&path)?;
            for test in tests {
                assert!(
                    text.contains(&format!("#[test]\nfn {test}()")),
                    "{test} is not in {}",
                    path.display()
                );
            }
        }
        Ok(())
    }
}
