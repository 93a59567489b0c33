//! `wardline record` and `wardline enforce`: a command in a session.

use super::{attach, refused, summary};
use crate::client::{self, Ended, Held, How};
use crate::environment::{Environment, EnvironmentArgs, Variable};
use crate::{agent, environment};
use anyhow::{Context, Result};
use command::style;
use command::user::{Identity, UserArgs};
use command::{Exit, State};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wire::{Begin, Mode, Ready, Report};

/// What `record` and `enforce` have in common.
#[derive(Debug, clap::Args)]
pub struct SessionArgs {
    /// The agent; guessed from the executable otherwise
    #[arg(long, value_name = "AGENT", value_parser = tag)]
    pub agent: Option<String>,
    /// What it is asked to do: `edit`, `test`, `review`, or any tag of yours
    #[arg(long, value_name = "TASK", value_parser = tag, default_value = event::UNKNOWN_TASK)]
    pub task: String,
    /// Directory that it works in, several times for several; the current directory otherwise
    #[arg(long, value_name = "DIR")]
    pub workspace: Vec<PathBuf>,
    /// Accept a workspace that is `/` or a home, or that holds a crown jewel
    #[arg(long)]
    pub force: bool,
    /// Who it runs as
    #[command(flatten)]
    pub user: UserArgs,
    /// What it inherits
    #[command(flatten)]
    pub environment: EnvironmentArgs,
    /// Write the summary to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub summary_file: Option<PathBuf>,
    /// Say nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
    /// Take in a process that runs already, with everything that descends from it, instead of starting a command
    #[arg(long, value_name = "PID", conflicts_with_all = ["command", "user"])]
    pub attach: Option<u32>,
    /// The command and its arguments
    #[arg(required_unless_present = "attach", last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

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

/// What a session is for, and whether its baseline refuses whatever its trial says.
#[derive(Clone, Copy)]
pub(super) struct Stance {
    pub(super) mode: Mode,
    pub(super) force_baseline: bool,
}

impl Stance {
    const RECORD: Stance = Stance { mode: Mode::Record, force_baseline: false };
}

/// An agent or a task: a short name, since files and tables are named after it.
pub fn tag(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if text.is_empty() || text.len() > 64 || text.starts_with('.') || !text.chars().all(fits) {
        return Err(
            "a tag has 1 to 64 letters, digits, `.`, `-` and `_`, and does not begin with a dot".into()
        );
    }
    Ok(text.to_owned())
}

/// Records.
pub fn record(state: &State, verbose: u8, args: RecordArgs) -> Result<ExitCode> {
    if let Some(pid) = args.session.attach {
        return attach::attach(state, verbose, &args.session, Stance::RECORD, pid);
    }
    let user = args.session.user.resolve()?;
    let environment = Environment::of_command(&user, &args.session.environment)?;
    run(state, verbose, &args.session, Stance::RECORD, &user, &environment)
}

/// Enforces.
pub fn enforce(state: &State, verbose: u8, args: EnforceArgs) -> Result<ExitCode> {
    let mode = if args.shadow { Mode::Shadow } else { Mode::Enforce };
    let stance = Stance { mode, force_baseline: args.force_baseline };
    if let Some(pid) = args.session.attach {
        return attach::attach(state, verbose, &args.session, stance, pid);
    }
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
    run(state, verbose, &args.session, stance, &user, &environment)
}

fn run(
    state: &State,
    verbose: u8,
    args: &SessionArgs,
    stance: Stance,
    user: &Identity,
    environment: &Environment,
) -> Result<ExitCode> {
    let summary_file = args.summary_file.as_deref().map(create).transpose()?;
    let directory = std::env::current_dir().unwrap_or_default();
    let held = Held::fork(&args.command, environment, user)?;
    if verbose > 0 && !args.quiet {
        environment.told().iter().chain(&held.told()).for_each(|line| say(line));
    }
    let of = Of {
        command: &args.command,
        file: held.file(),
        directory: &directory,
        environment: environment.variables(),
    };
    let begin = begin(args, stance, &of, user)?;
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

/// An agent outside of the session was reached, and the session ended for it.
pub(super) fn ended_for_a_delegate(mode: Mode, report: &Report) -> Result<()> {
    match &report.delegate {
        Some(delegate) if mode != Mode::Shadow => {
            let advice = delegate.advice();
            Err(Exit::Refused
                .error(format!("the session was ended when it connected to another agent: {advice}")))
        }
        _ => Ok(()),
    }
}

/// Writes what the session amounted to where that was asked for.
pub(super) fn write_summary(file: Option<File>, report: &Report) -> Result<()> {
    if let Some(mut file) = file {
        serde_json::to_writer_pretty(&mut file, report)?;
        file.write_all(b"\n").context("the summary cannot be written")?;
    }
    Ok(())
}

/// What a session is of.
pub(super) struct Of<'a> {
    /// The command, argv.
    pub(super) command: &'a [OsString],
    /// The file that it was found to be, links followed.
    pub(super) file: Option<&'a Path>,
    /// Where the command works, if nothing else is said.
    pub(super) directory: &'a Path,
    /// Its environment.
    pub(super) environment: &'a [Variable],
}

/// The request, except for the pid.
pub(super) fn begin(args: &SessionArgs, stance: Stance, of: &Of<'_>, user: &Identity) -> Result<Begin> {
    let Stance { mode, force_baseline } = stance;
    let words = of.command.iter().map(|word| word.as_bytes());
    let agent = args
        .agent
        .clone()
        .unwrap_or_else(|| agent::guess(words.clone(), of.file.map(|file| file.as_os_str().as_bytes())));
    let home = canonical(&user.home).unwrap_or_else(|_| user.home.clone());
    let home = home.as_os_str().as_bytes();
    let workspaces = if args.workspace.is_empty() {
        anyhow::ensure!(
            of.directory.is_absolute(),
            "the current directory is gone: name one with `--workspace`"
        );
        vec![of.directory.to_owned()]
    } else {
        args.workspace.clone()
    };
    let workspaces = workspaces.iter().map(|path| canonical(path)).collect::<Result<Vec<_>>>()?;
    Ok(Begin {
        mode,
        agent_state: agent::state(&agent, home),
        toolchains: agent::toolchains(home),
        agent,
        task: args.task.clone(),
        command: words.map(Into::into).collect(),
        pid: 0,
        uid: user.uid,
        gid: user.gid,
        home: home.into(),
        workspaces: workspaces.iter().map(|path| path.as_os_str().as_bytes().into()).collect(),
        variables: environment::delegates(of.environment),
        force: args.force,
        force_baseline,
        as_root: args.user.as_root,
        attach: false,
    })
}

fn canonical(path: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(path)
        .map_err(|e| Exit::Usage.error(format!("`{}` is no directory: {e}", path.display())))
}

pub(super) fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("`{}` cannot be written", path.display()))
}

/// What the user is told before the command has the terminal.
pub(super) fn announce(ready: &Ready) {
    for note in summary::unsaid(&ready.notes, &[]) {
        say(note);
    }
}

pub(super) fn say(text: &str) {
    anstream::eprintln!("{} {text}", style::name("wardline:"));
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

#[cfg(test)]
mod tests {
    use super::tag;

    #[test]
    fn a_tag_is_a_file_name_and_no_more() {
        assert!(tag("mini-swe_agent.2").is_ok());
        for bad in ["", ".x", "a/b", "a b", "\u{e9}", &"x".repeat(65)] {
            assert!(tag(bad).is_err(), "{bad}");
        }
    }
}
