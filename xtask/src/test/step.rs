//! The steps of `cargo xtask test`, in the order in which they run: what is cheap comes first.

use std::process::Command;

use anyhow::Result;

use super::{context::Context, spelling, tally::Tally, targets};
use crate::{
    ebpf::{self, Freshness},
    host, sizes,
    vm::Series,
};

/// The package of the tests that need a kernel.
pub const KERNEL_TESTS: &str = "end-to-end";
/// Why a step cannot run without the program.
pub const NOT_BUILT: &str = "this needs target/release/wardline: run the step `binary` too";

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Step {
    /// Formatting
    Format,
    /// Words
    Spelling,
    /// Lints
    Clippy,
    /// Other architectures and systems
    Targets,
    /// Tests without a kernel
    Unit,
    /// The built kernel programs
    Objects,
    /// The programs themselves
    Binary,
    /// Tests on this machine's kernel
    Host,
    /// Tests on Debian's kernel 6.12
    #[value(name = "vm-6.12")]
    Vm6_12,
    /// Tests on Debian's kernel 6.1
    #[value(name = "vm-6.1")]
    Vm6_1,
    /// The page of ways round the guard, after the steps that see them
    #[value(skip)]
    Page,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Step; 10] = [
        Step::Format,
        Step::Spelling,
        Step::Clippy,
        Step::Targets,
        Step::Unit,
        Step::Objects,
        Step::Binary,
        Step::Host,
        Step::Vm6_12,
        Step::Vm6_1,
    ];

    /// Whether it is run unless something else is asked for. Other systems' standard libraries are fetched from where not every
    /// machine gets to.
    pub fn is_usual(self) -> bool {
        self != Step::Targets
    }

    /// Its name, on the command line and in the table.
    pub fn name(self) -> &'static str {
        match self {
            Step::Format => "format",
            Step::Spelling => "spelling",
            Step::Clippy => "clippy",
            Step::Targets => "targets",
            Step::Unit => "unit",
            Step::Objects => "objects",
            Step::Binary => "binary",
            Step::Host => "host",
            Step::Vm6_12 => "vm-6.12",
            Step::Vm6_1 => "vm-6.1",
            Step::Page => "page",
        }
    }

    /// What it proves.
    pub fn purpose(self) -> &'static str {
        match self {
            Step::Format => "the source is formatted",
            Step::Spelling => "no word is misspelt",
            Step::Clippy => "no lint objects",
            Step::Targets => "what knows no kernel builds for other systems",
            Step::Unit => "what needs no kernel does what it says",
            Step::Objects => "the committed kernel programs are those of the sources",
            Step::Binary => "the programs build as they ship, and root's is no larger than it may be",
            Step::Host => "it works on this machine's kernel",
            Step::Vm6_12 => "it works on Debian's kernel 6.12",
            Step::Vm6_1 => "it works on Debian's kernel 6.1",
            Step::Page => "docs/bypasses.md says what was seen",
        }
    }

    /// The kernel of the machine that it runs in; `None` where it runs here.
    pub fn series(self) -> Option<Series> {
        match self {
            Step::Vm6_12 => Some(Series::V6_12),
            Step::Vm6_1 => Some(Series::V6_1),
            _ => None,
        }
    }

    /// Whether it needs a kernel that takes the programs.
    pub fn needs_a_kernel(self) -> bool {
        self == Step::Host || self.series().is_some()
    }

    /// Runs it, where it needs none.
    pub fn run(self, context: &mut Context) -> Tally {
        let ran = match self {
            Step::Format => format(context),
            Step::Spelling => spelling::run(context),
            Step::Clippy => quiet(context.cargo().args([
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "-D",
                "warnings",
            ])),
            Step::Targets => targets::run(context),
            Step::Unit => unit(context),
            Step::Objects => objects(context),
            Step::Binary => binary(context),
            Step::Host | Step::Vm6_12 | Step::Vm6_1 | Step::Page => {
                unreachable!("it follows from the others, or runs beside others")
            }
        };
        ran.unwrap_or_else(|error| Tally::failed(format!("{error:#}")))
    }
}

/// A command without tests in it.
fn quiet(command: &mut Command) -> Result<Tally> {
    host::run(command).map(|()| Tally::passed())
}

/// A command that prints what became of its tests.
pub fn counted(command: &mut Command) -> Result<Tally> {
    let mut tally = Tally::default();
    let status = host::stream(command, |line| tally.see(line))?;
    let problem = (!status.success()).then(|| format!("`{}` failed: {status}", host::shown(command)));
    Ok(tally.ended(problem))
}

fn binary(context: &Context) -> Result<Tally> {
    host::run(context.cargo().args(["build", "--release", "--locked"]))?;
    if host::find("strip").is_none() {
        return Ok(Tally::skipped("measuring the programs needs `strip`: run `apt-get install binutils`"));
    }
    sizes::run().map(|()| Tally::passed())
}

fn format(context: &Context) -> Result<Tally> {
    for manifest in ["Cargo.toml", "ebpf/Cargo.toml", "bench/floor/Cargo.toml", "fuzz/Cargo.toml"] {
        let mut command = context.cargo();
        host::run(command.args(["fmt", "--all", "--check", "--manifest-path", manifest]))?;
    }
    Ok(Tally::passed())
}

fn unit(context: &Context) -> Result<Tally> {
    let scope = ["--workspace", "--locked", "--exclude", KERNEL_TESTS];
    if host::find("cargo-nextest").is_none() {
        return counted(context.cargo().args(["test", "--no-fail-fast"]).args(scope));
    }
    let mut tally = counted(
        context
            .cargo()
            .args(["nextest", "run", "--no-fail-fast", "--no-tests", "pass"])
            // What a passing test printed says what it skipped.
            .args(["--success-output", "final"])
            .args(scope),
    )?;
    // nextest leaves out the examples in the documentation.
    tally.add(&counted(context.cargo().args(["test", "--doc", "--no-fail-fast"]).args(scope))?);
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
