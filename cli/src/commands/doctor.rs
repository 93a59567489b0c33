//! `wardline doctor`: what can be refused on this machine, shown and not claimed, and what an agent would meet.

mod agent;
mod facts;
mod findings;
mod text;

use crate::environment::EnvironmentArgs;
use agent::Agent;
use anyhow::Result;
use collector::{Kernel, Options};
use command::user::UserArgs;
use command::{Exit, State};
use command::{print_line, print_text};
use facts::Facts;
use findings::Findings;
use guard::canary;
use nix::unistd::Uid;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

/// The slot of the probe's session: the kernel side is loaded for the probe alone.
const SLOT: u32 = 1;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each operation was tried just now: a throw-away process tried it on throw-away files, once outside a session, where \
it works, and once inside one. Exit code 0 says that sessions can be guarded here (a read and a connect were refused), 121 that none can. \
With an agent's command, it says in addition how `enforce` would find and know it; the agent is not started.\n\nExamples:\n  sudo wardline doctor\n  \
sudo wardline doctor -v            every program, field and attempt\n  sudo wardline doctor -- codex      and how that agent would be guarded\n  \
sudo wardline doctor --json"
)]
pub struct Args {
    /// One JSON object
    #[arg(long)]
    pub json: bool,
    /// Use the tier `tracepoint` even if LSM programs load
    #[arg(long, env = "WARDLINE_WITHOUT_LSM", value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub without_lsm: bool,
    /// The agent's user
    #[command(flatten)]
    pub user: UserArgs,
    /// The agent's environment
    #[command(flatten)]
    pub environment: EnvironmentArgs,
    /// The command of an agent
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// Probes, and says.
pub fn run(state: &State, verbose: u8, args: &Args) -> Result<ExitCode> {
    // The process that looks for it is forked, which wants a program of one thread: before anything else.
    let agent = (!args.command.is_empty())
        .then(|| Agent::find(state, &args.user, &args.environment, &args.command))
        .transpose()?;
    let mut findings = Findings {
        tier: None,
        can_prevent: false,
        facts: Facts::read(),
        programs: Vec::new(),
        offsets: None,
        probes: Vec::new(),
        problem: None,
        words: Vec::new(),
        agent,
    };
    let probed = if Uid::effective().is_root() {
        probe(args, &mut findings)
    } else {
        Err(anyhow::anyhow!("nothing can be tried without root: use `sudo wardline doctor`"))
    };
    findings.problem = probed.err().map(|error| command::told(&error));
    findings.can_prevent = canary::is_enough(&findings.probes);
    findings.words = text::words(&findings);
    if args.json {
        print_line!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        print_text!("{}", if verbose > 0 { text::whole(&findings) } else { text::short(&findings) });
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
