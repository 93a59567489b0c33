//! The steps of `cargo xtask test`, in the order in which they run: what is cheap comes first.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::tally::Tally;
use crate::{
    ebpf::{self, Freshness},
    host,
    vm::{self, Limits, Outcome, Payload, Series},
};

/// The package of the tests that need a kernel.
const KERNEL_TESTS: &str = "end-to-end";
/// What one machine may take. Emulation is some twenty times slower than the host.
const MACHINE: Limits = Limits { timeout: Duration::from_secs(1500), memory_mb: 2048 };

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Step {
    /// Formatting
    Format,
    /// Lints
    Clippy,
    /// Tests without a kernel
    Unit,
    /// The built kernel programs
    Objects,
    /// The program itself
    Binary,
    /// Tests on this machine's kernel
    Host,
    /// Tests on Debian's kernel 6.12
    #[value(name = "vm-6.12")]
    Vm6_12,
    /// Tests on Debian's kernel 6.1
    #[value(name = "vm-6.1")]
    Vm6_1,
}

/// What steps share.
pub struct Context {
    workspace: PathBuf,
    target: PathBuf,
    /// An object that this machine's tools built differently: kernel tests run on it too.
    rebuilt: Option<PathBuf>,
}

impl Context {
    /// Looks round.
    pub fn new() -> Result<Context> {
        Ok(Context { workspace: host::workspace()?, target: host::target()?, rebuilt: None })
    }

    fn wardline(&self) -> PathBuf {
        self.target.join("release/wardline")
    }

    /// The environments in which kernel tests run: with the committed object, and with a differing one.
    fn environments(&self, rebuilt: &str) -> Vec<Vec<(String, String)>> {
        let mut all = vec![Vec::new()];
        if self.rebuilt.is_some() {
            all.push(vec![("WARDLINE_BPF_OBJECT".to_owned(), rebuilt.to_owned())]);
        }
        all
    }
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Step; 8] = [
        Step::Format,
        Step::Clippy,
        Step::Unit,
        Step::Objects,
        Step::Binary,
        Step::Host,
        Step::Vm6_12,
        Step::Vm6_1,
    ];

    /// Its name, on the command line and in the table.
    pub fn name(self) -> &'static str {
        match self {
            Step::Format => "format",
            Step::Clippy => "clippy",
            Step::Unit => "unit",
            Step::Objects => "objects",
            Step::Binary => "binary",
            Step::Host => "host",
            Step::Vm6_12 => "vm-6.12",
            Step::Vm6_1 => "vm-6.1",
        }
    }

    /// What it proves.
    pub fn purpose(self) -> &'static str {
        match self {
            Step::Format => "the source is formatted",
            Step::Clippy => "no lint objects",
            Step::Unit => "what needs no kernel does what it says",
            Step::Objects => "the committed kernel programs are those of the sources",
            Step::Binary => "the program builds as it ships",
            Step::Host => "it works on this machine's kernel",
            Step::Vm6_12 => "it works on Debian's kernel 6.12",
            Step::Vm6_1 => "it works on Debian's kernel 6.1",
        }
    }

    /// Runs it.
    pub fn run(self, context: &mut Context) -> Tally {
        let ran = match self {
            Step::Format => format(context),
            Step::Clippy => quiet(cargo(context).args([
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "-D",
                "warnings",
            ])),
            Step::Unit => unit(context),
            Step::Objects => objects(context),
            Step::Binary => {
                quiet(cargo(context).args(["build", "--release", "--locked", "--bin", "wardline"]))
            }
            Step::Host => on_host(context),
            Step::Vm6_12 => in_machine(context, Series::V6_12),
            Step::Vm6_1 => in_machine(context, Series::V6_1),
        };
        ran.unwrap_or_else(|error| Tally::failed(format!("{error:#}")))
    }
}

/// The cargo that started us, in the root of the tree.
fn cargo(context: &Context) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(&context.workspace);
    cargo
}

/// A command without tests in it.
fn quiet(command: &mut Command) -> Result<Tally> {
    host::run(command).map(|()| Tally::passed())
}

/// A command that prints what became of its tests.
fn counted(command: &mut Command) -> Result<Tally> {
    let mut tally = Tally::default();
    let status = host::stream(command, |line| tally.see(line))?;
    let problem = (!status.success()).then(|| format!("`{}` failed: {status}", host::shown(command)));
    Ok(tally.ended(problem))
}

fn format(context: &Context) -> Result<Tally> {
    for manifest in ["Cargo.toml", "ebpf/Cargo.toml", "bench/floor/Cargo.toml", "fuzz/Cargo.toml"] {
        let mut command = cargo(context);
        host::run(command.args(["fmt", "--all", "--check", "--manifest-path", manifest]))?;
    }
    Ok(Tally::passed())
}

fn unit(context: &Context) -> Result<Tally> {
    let scope = ["--workspace", "--locked", "--exclude", KERNEL_TESTS];
    if host::find("cargo-nextest").is_none() {
        return counted(cargo(context).args(["test", "--no-fail-fast"]).args(scope));
    }
    let mut tally =
        counted(cargo(context).args(["nextest", "run", "--no-fail-fast", "--no-tests", "pass"]).args(scope))?;
    // nextest leaves out the examples in the documentation.
    tally.add(&counted(cargo(context).args(["test", "--doc", "--no-fail-fast"]).args(scope))?);
    Ok(tally)
}

fn objects(context: &mut Context) -> Result<Tally> {
    let mut found = ebpf::check(false)?;
    if found == Freshness::NotRebuilt && host::is_root() {
        if let Err(reason) = ebpf::setup() {
            return Ok(Tally::skipped(format!("rebuilding needs Debian's toolchain: {reason:#}")));
        }
        found = ebpf::check(false)?;
    }
    Ok(match found {
        Freshness::Rebuilt => Tally::passed(),
        Freshness::OtherTools(object) => {
            context.rebuilt = Some(object);
            Tally::passed()
        }
        Freshness::NotRebuilt => Tally::skipped(
            "rebuilding needs Debian's toolchain: run `cargo xtask ebpf setup` as root on Debian",
        ),
    })
}

fn on_host(context: &Context) -> Result<Tally> {
    if !host::is_root() {
        return Ok(Tally::skipped(
            "loading kernel programs needs root: run `sudo -E cargo xtask test --only host`",
        ));
    }
    if !context.wardline().is_file() {
        return Ok(Tally::skipped("this needs target/release/wardline: run the step `binary` too"));
    }
    if let Some(reason) = browser() {
        println!("{reason}");
    }
    let rebuilt = context.rebuilt.clone().unwrap_or_default();
    let mut tally = Tally::default();
    for environment in context.environments(&rebuilt.to_string_lossy()) {
        let mut command = cargo(context);
        command.args(["test", "--release", "--locked", "--no-fail-fast", "--package", KERNEL_TESTS]);
        // One at a time: they share the kernel's programs. What a passing test printed says what it skipped.
        command.args(["--", "--test-threads=1", "--show-output"]);
        command.env("WARDLINE_BIN", context.wardline()).envs(environment);
        tally.add(&counted(&mut command)?);
    }
    Ok(tally)
}

/// Installs the browser that pages are opened in; why there is none. The test of the page then says that it skipped.
fn browser() -> Option<String> {
    if host::find("chromium").is_some() {
        return None;
    }
    host::apt_install(&["chromium"]).err().map(|error| format!("no browser: {error:#}"))
}

fn in_machine(context: &Context, series: Series) -> Result<Tally> {
    if !context.wardline().is_file() {
        return Ok(Tally::skipped("this needs target/release/wardline: run the step `binary` too"));
    }
    if let Err(reason) = vm::prepare(series) {
        return Ok(Tally::skipped(format!("{reason:#}")));
    }
    let mut files = kernel_tests(context)?;
    let mut script = String::from("failed=0\n");
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        script.push_str(&format!(
            "echo '-------- {name}'\n'/opt/{name}' --test-threads=1 --show-output </dev/null || failed=1\n"
        ));
    }
    script.push_str("echo '-------- wardline demo'\n");
    script.push_str(
        "if wardline demo --profile vm --json; then echo 'test result: ok. 1 passed'\n\
         else echo 'test result: FAILED. 1 failed'; failed=1; fi\nexit $failed\n",
    );
    files.extend(context.rebuilt.clone());
    let mut tally = Tally::default();
    for environment in context.environments(&format!("/opt/{}", ebpf::WARDLINE.object)) {
        let payload = Payload {
            wardline: Some(context.wardline()),
            files: files.clone(),
            python: None,
            environment,
            boot: Vec::new(),
            command: vec!["sh".to_owned(), "-c".to_owned(), script.clone()],
        };
        let mut seen = Tally::default();
        let mut outcome = vm::boot(series, &payload, MACHINE, |line| seen.see(line))?;
        let mut note = None;
        if let Outcome::Died(death) = &outcome
            && !death.is_panic()
        {
            eprintln!("{death}\nNo kernel's message says why: once more, and it is told below.");
            note = Some(format!("a machine died at the first try: {death}"));
            seen = Tally::default();
            outcome = vm::boot(series, &payload, MACHINE, |line| seen.see(line))?;
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

/// Tests that run in the machines too: what the tier decides. The others prove the same on the host, and emulation is
/// twenty times slower.
const MACHINE_TESTS: [&str; 4] = ["boundaries", "jewels", "lineage", "operations"];

/// Builds the tests that need a kernel, and returns the programs that run in the machines.
fn kernel_tests(context: &Context) -> Result<Vec<PathBuf>> {
    let mut command = cargo(context);
    command.args(["test", "--release", "--locked", "--no-run", "--package", KERNEL_TESTS]);
    let messages = host::output_only(command.args(["--message-format", "json-render-diagnostics"]))?;
    let mut programs = Vec::new();
    for line in messages.lines() {
        let message: Value =
            serde_json::from_str(line).context("cargo printed something that is not JSON")?;
        let of_tests =
            message["target"]["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "test"));
        let here = message["target"]["name"].as_str().is_some_and(|name| MACHINE_TESTS.contains(&name));
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
