//! `wardline record` and `wardline enforce`: a command in a session.

use super::arguments::{Checked, SessionArgs};
use super::session::{Of, Stance, announce, begin, ended_for_a_delegate, say, write_summary};
use super::{attach, refused, summary};
use crate::client::{self, Ended, Held, How};
use crate::environment::{self, Environment};
use anyhow::Result;
use command::State;
use command::user::Identity;
use event::Mode;
use std::process::ExitCode;
use wire::{Begin, Confinement};

/// Arguments of `record`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The session is its whole process tree. What is still running when the command has ended gets two seconds and is \
then ended with the session. If the supervisor dies, so does the command.\n\nWith \
--attach, Ctrl-C leaves the processes to themselves, and so does the end of this command; what they did before is \
unseen.\n\nExamples:\n  sudo wardline record --task edit -- codex\n  sudo wardline record --agent ci --task test --workspace ~/src/app -- make test\n  sudo wardline record --attach 4711          until it ends, or Ctrl-C"
)]
pub struct RecordArgs {
    /// The session
    #[command(flatten)]
    pub session: SessionArgs,
}

/// Arguments of `enforce`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without a baseline the static deny-list protects at once (T0); with one, its agent and task are also held to what \
they normally do (T1) and to the score (T2). The session is its whole process tree. What is still running when the \
command has ended gets two seconds and is then ended with the session. If the supervisor dies, so does the command.\n\nWith \
--attach, Ctrl-C leaves the processes to themselves, unguarded; if this command or the supervisor ends otherwise, they are killed.\n\n\
Examples:\n  sudo wardline enforce -- claude\n  sudo wardline enforce --task edit --scrub-env --keep-env OPENAI_API_KEY -- codex\n  sudo wardline enforce --task test --shadow -- make test\n  sudo wardline enforce --agent codex --attach 4711"
)]
pub struct EnforceArgs {
    /// The session
    #[command(flatten)]
    pub session: SessionArgs,
    /// Refuse nothing, and say what would be refused
    #[arg(long)]
    pub shadow: bool,
    /// Let the baseline refuse even if `wardline baselines` says that it only watches
    #[arg(long, conflicts_with = "shadow")]
    pub force_baseline: bool,
    /// Drop the environment variables that look like secrets
    #[arg(long, conflicts_with = "attach")]
    pub scrub_env: bool,
    /// Keep this variable although `--scrub-env` would drop it
    #[arg(long, value_name = "NAME", requires = "scrub_env")]
    pub keep_env: Vec<String>,
}

/// Records.
pub fn record(state: &State, verbose: u8, args: RecordArgs) -> Result<ExitCode> {
    if let Some(pid) = args.session.attach {
        return attach::attach(state, verbose, &args.session, Stance::RECORD, pid);
    }
    let checked = Checked::new(&args.session)?;
    let user = args.session.user.resolve()?;
    let environment = Environment::of_command(&user, &args.session.environment)?;
    run(state, verbose, &checked, Stance::RECORD, &user, &environment)
}

/// Enforces.
pub fn enforce(state: &State, verbose: u8, args: EnforceArgs) -> Result<ExitCode> {
    let mode = if args.shadow { Mode::Shadow } else { Mode::Enforce };
    let stance = Stance { mode, force_baseline: args.force_baseline };
    if let Some(pid) = args.session.attach {
        return attach::attach(state, verbose, &args.session, stance, pid);
    }
    let checked = Checked::new(&args.session)?;
    let user = args.session.user.resolve()?;
    let mut environment = Environment::of_command(&user, &args.session.environment)?;
    let mut secrets = environment::secrets(environment.variables());
    secrets.retain(|name| !args.keep_env.contains(name) && !environment.is_said(name));
    if args.scrub_env {
        environment.drop_names(&secrets);
    }
    if !secrets.is_empty() && !args.session.quiet {
        let names = secrets.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        say(&if args.scrub_env {
            format!("dropped from the environment: {names}")
        } else {
            format!(
                "the command inherits what looks like secrets: {names}; the kernel does not see them being read. `--scrub-env` drops them"
            )
        });
    }
    run(state, verbose, &checked, stance, &user, &environment)
}

fn run(
    state: &State,
    verbose: u8,
    checked: &Checked<'_>,
    stance: Stance,
    user: &Identity,
    environment: &Environment,
) -> Result<ExitCode> {
    let args = checked.args();
    let directory = std::env::current_dir().unwrap_or_default();
    checked.workspaces(&directory)?;
    let offered = guard::confine::offer();
    let offered = Confinement { rings: offered.rings && !args.io_uring, ..offered };
    let held = Held::fork(&args.command, environment, user, offered)?;
    if verbose > 0 && !args.quiet {
        environment.told().iter().chain(&held.told()).for_each(|line| say(line));
    }
    let of = Of {
        command: &args.command,
        file: held.file(),
        directory: &directory,
        environment: environment.variables(),
    };
    let begin = Begin { confinement: offered, ..begin(checked, stance, &of, user)? };
    let summary_file = checked.summary_file()?;
    let mut said = Vec::new();
    let ended = client::run(state, verbose, held, begin, |ready| {
        said.clone_from(&ready.notes);
        if !args.quiet {
            announce(ready);
        }
    });
    let says_nothing = |ended: &Ended| ended.unstarted.is_none() && ended.finished.report.delegate.is_none();
    if !args.quiet || !ended.as_ref().is_ok_and(says_nothing) {
        client::be_seen();
    }
    let ended = ended?;
    write_summary(summary_file, &ended.finished.report)?;
    if let Some(errno) = ended.unstarted {
        return Err(refused::unstarted(&args.command, errno, &ended.finished.report));
    }
    if !args.quiet {
        anstream::eprintln!("{}", summary::text(stance.mode, verbose, &ended.finished, &said));
    }
    ended_for_a_delegate(stance.mode, &ended.finished.report)?;
    Ok(pass_on(&ended))
}

/// Ends as the command did.
fn pass_on(ended: &Ended) -> ExitCode {
    match ended.how {
        How::Code(code) => ExitCode::from(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
        How::Signal(signal) => {
            command::exit::die_by(signal);
            ExitCode::from(u8::try_from(ended.how.status() & 0xff).unwrap_or(u8::MAX))
        }
    }
}
