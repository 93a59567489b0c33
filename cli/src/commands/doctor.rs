//! `wardline doctor`: what can be prevented on this machine, shown and not claimed.

mod facts;

use anyhow::Result;
use collector::{Attached, Kernel, Offsets, Options, Tier};
use command::Exit;
use command::table;
use command::{print_line, print_text};
use facts::Facts;
use guard::canary::{self, Row};
use nix::unistd::Uid;
use serde::Serialize;
use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;

/// The slot of the probe's session: the kernel side is loaded for the probe alone.
const SLOT: u32 = 1;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Every row of the table was tried just now: a throw-away process tried the operation on throw-away files, once outside \
a session, where it works, and once inside one. Exit code 0 says that sessions can be guarded here (a read and a connect were refused), 121 that none can.\n\nExamples:\n  sudo wardline doctor\n  sudo wardline doctor --json"
)]
pub struct Args {
    /// One JSON object
    #[arg(long)]
    pub json: bool,
    /// Stay in the tracepoint tier even where LSM programs load
    #[arg(long, env = "WARDLINE_WITHOUT_LSM", value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub without_lsm: bool,
}

/// Everything that was found.
#[derive(Debug, Serialize)]
struct Findings {
    tier: Option<Tier>,
    can_prevent: bool,
    facts: Facts,
    programs: Vec<Attached>,
    offsets: Option<Offsets>,
    probes: Vec<Row>,
    problem: Option<String>,
    words: Vec<String>,
}

/// Probes, and says.
pub fn run(args: &Args) -> Result<ExitCode> {
    let mut findings = Findings {
        tier: None,
        can_prevent: false,
        facts: Facts::read(),
        programs: Vec::new(),
        offsets: None,
        probes: Vec::new(),
        problem: None,
        words: Vec::new(),
    };
    let probed = if Uid::effective().is_root() {
        probe(args, &mut findings)
    } else {
        Err(anyhow::anyhow!("nothing can be tried without root: use `sudo wardline doctor`"))
    };
    findings.problem = probed.err().map(|error| format!("{error:#}"));
    findings.can_prevent = canary::is_enough(&findings.probes);
    findings.words = words(&findings);
    if args.json {
        print_line!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        print_text!("{}", text(&findings));
    }
    Ok(if findings.can_prevent { ExitCode::SUCCESS } else { Exit::CannotProtect.into() })
}

fn probe(args: &Args, findings: &mut Findings) -> Result<()> {
    let (kernel, _reader) = Kernel::load(&Options { without_lsm: args.without_lsm })?;
    let kernel = Arc::new(kernel);
    findings.tier = Some(kernel.tier());
    findings.offsets = Some(kernel.offsets().clone());
    findings.programs = kernel.programs();
    kernel.attach()?;
    findings.programs = kernel.programs();
    let probes = canary::probe(&kernel, SLOT);
    kernel.detach();
    findings.probes = probes?;
    Ok(())
}

/// What the tier can and cannot prevent.
fn words(findings: &Findings) -> Vec<String> {
    let names = |prevented: bool| {
        let rows = findings.probes.iter().filter(|row| row.prevented == prevented);
        rows.map(|row| row.operation.as_str()).collect::<Vec<_>>().join(", ")
    };
    let mut words = Vec::new();
    match findings.tier {
        Some(Tier::Lsm) => words.push(
            "tier lsm: what does not belong fails with EPERM before it happens, wherever the path leads".to_owned(),
        ),
        Some(Tier::Tracepoint) => words.push(
            "tier tracepoint: this kernel takes no BPF LSM programs; what has another means is refused, and what has none is seen, \
             scored, and then frozen or killed: the first such operation goes through"
                .to_owned(),
        ),
        None => words.push("nothing can be guarded here".to_owned()),
    }
    let refused = names(true);
    if !refused.is_empty() {
        words.push(format!("refused before it happens: {refused}"));
    }
    if !findings.can_prevent && findings.tier.is_some() {
        words.push("no session is guarded here: for that a read and a connect must be refused".to_owned());
    }
    let missed = names(false);
    if !missed.is_empty() && !findings.probes.is_empty() {
        words.push(format!("not refused: {missed}"));
    }
    let lsm = &findings.facts.lsm;
    if findings.tier == Some(Tier::Tracepoint) && !lsm.is_empty() && !lsm.iter().any(|lsm| lsm == "bpf") {
        words.push("`bpf` is not among the active LSMs: boot with `lsm=...,bpf` for the tier lsm".to_owned());
    }
    if findings.facts.cgroup2.is_none() {
        words.push("cgroup v2 is not mounted: `mount -t cgroup2 none /sys/fs/cgroup`".to_owned());
    }
    words
}

fn text(findings: &Findings) -> String {
    let mut out = String::new();
    let facts = &findings.facts;
    let yes = |yes: bool| if yes { "yes" } else { "no" };
    let _ = writeln!(out, "kernel        {} ({})", facts.kernel, facts.machine);
    let _ = writeln!(out, "BTF           {}", yes(facts.btf));
    let _ = writeln!(
        out,
        "active LSMs   {}",
        if facts.lsm.is_empty() {
            "not known (securityfs is not mounted)".to_owned()
        } else {
            facts.lsm.join(", ")
        }
    );
    let _ = writeln!(out, "lockdown      {}", facts.lockdown.as_deref().unwrap_or("none"));
    let _ = writeln!(out, "cgroup v2     {}", facts.cgroup2.as_deref().unwrap_or("not mounted"));
    let _ = writeln!(out, "capabilities  {}", facts.capabilities.join(", "));
    let _ = writeln!(
        out,
        "memlock       {}",
        facts.memlock.map_or_else(|| "unlimited".to_owned(), |bytes| format!("{bytes} bytes"))
    );
    let _ = writeln!(out, "file systems");
    for file_system in &facts.file_systems {
        let _ = writeln!(out, "  {:<28} {:<10} {}", file_system.path, file_system.kind, file_system.note);
    }
    if !findings.programs.is_empty() {
        let _ = writeln!(out, "\nprograms");
        for program in &findings.programs {
            let state = program
                .error
                .as_deref()
                .map_or_else(|| "loaded and attached".to_owned(), |e| format!("refused: {e}"));
            let _ = writeln!(out, "  {:<22} {:<28} {state}", program.name, program.hook);
        }
    }
    if let Some(offsets) = &findings.offsets {
        let _ = writeln!(out, "\noffsets");
        for field in &offsets.0 {
            let _ = writeln!(out, "  {:<34} {}", field.field, field.offset);
        }
    }
    if !findings.probes.is_empty() {
        let mut table = table::table(&["operation", "means", "prevented", "tried just now"]);
        for row in &findings.probes {
            let means = row.means.map_or("none", event::Means::name);
            table.add_row([row.operation.as_str(), means, yes(row.prevented), row.note.as_str()]);
        }
        let _ = writeln!(out, "\n{}", table::plain(&table));
    }
    out.push('\n');
    for word in &findings.words {
        let _ = writeln!(out, "{word}");
    }
    if let Some(problem) = &findings.problem {
        let _ = writeln!(out, "problem: {problem}");
    }
    out
}
