//! Drives `wardline`, the program beside this one: one process a step, against the world's own state directory.

use super::waiting::{self, Interrupts};
use anyhow::{Context, Result, bail};
use command::Exit;
use datasets::corpus::Mode;
use datasets::{AGENT, Placed, Session, User, Wardline, World, end_within};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use wire::Report;

/// The longest that one step may take, and a session to end once it has to. Emulated machines are slow; nothing here comes
/// near it elsewhere.
const LIMIT: Duration = Duration::from_secs(300);

/// How long a session may take. Agents wait for a tool that was killed as long as for one that works: such a session is ended,
/// and counts as what it came to.
const OVERDUE: Duration = Duration::from_secs(150);

/// How long a client may take to end once its session was ended.
const MOMENT: Duration = Duration::from_secs(5);

/// `wardline`, for one world. Dropping it ends the supervisor.
pub struct Client<'i> {
    wardline: Wardline,
    home: PathBuf,
    notes: PathBuf,
    user: User,
    interrupts: &'i Interrupts,
}

/// A session to run.
#[derive(Clone, Copy, Debug)]
pub struct Job<'j> {
    /// Names the notes that are kept of it.
    pub name: &'j str,
    /// The agent.
    pub agent: &'j str,
    /// The task.
    pub task: &'j str,
    /// Where it works.
    pub workspace: &'j Path,
    /// What is run.
    pub command: &'j [OsString],
    /// Variables besides the world's.
    pub environment: &'j [(&'static str, OsString)],
}

impl<'j> Job<'j> {
    /// A session whose workspace lies ready, of the pretended agent.
    pub fn of(session: &'j Session, placed: &'j Placed) -> Job<'j> {
        Job {
            name: &session.name,
            agent: AGENT,
            task: session.family.task(),
            workspace: &placed.workspace,
            command: &placed.command,
            environment: &[],
        }
    }
}

/// What one session amounted to.
#[derive(Debug)]
pub struct Run {
    /// How the agent's command ended.
    pub status: ExitStatus,
    /// What Wardline says of it.
    pub summary: Report,
    /// All of that, as it was written.
    pub report: Value,
    /// Everything that the agent printed.
    pub printed: Vec<u8>,
    /// It was frozen, and then ended from here.
    pub frozen: bool,
    /// It took longer than it may, and was ended from here.
    pub overdue: bool,
}

/// One baseline that was made.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Baseline {
    /// The agent.
    pub agent: String,
    /// The task.
    pub task: String,
    /// Sessions that it was made of.
    pub sessions: u64,
    /// Tokens in them.
    pub tokens: u64,
}

impl<'i> Client<'i> {
    /// Wardline, for a world, with `state` as its state directory.
    pub fn new(world: &World, state: PathBuf, interrupts: &'i Interrupts) -> Result<Client<'i>> {
        Ok(Client {
            // A world may lie where others write: the user was told what is wrong with the place of this program.
            wardline: Wardline::new(wardline()?, state).envs(world.environment()).unsafe_paths(),
            home: world.home(),
            notes: world.observer(),
            user: world.user,
            interrupts,
        })
    }

    /// Records a session.
    pub fn record(&self, job: &Job<'_>) -> Result<Run> {
        self.session("record", job, OVERDUE)
    }

    /// Runs a session guarded.
    pub fn enforce(&self, job: &Job<'_>) -> Result<Run> {
        self.session("enforce", job, OVERDUE)
    }

    /// Runs a session guarded, and ends it when it takes longer than `limit`.
    pub fn enforce_within(&self, job: &Job<'_>, limit: Duration) -> Result<Run> {
        self.session("enforce", job, limit)
    }

    /// Runs a session.
    pub fn run(&self, mode: Mode, job: &Job<'_>) -> Result<Run> {
        match mode {
            Mode::Record => self.record(job),
            Mode::Enforce => self.enforce(job),
        }
    }

    fn session(&self, how: &str, job: &Job<'_>, limit: Duration) -> Result<Run> {
        let note = |suffix: &str| self.notes.join(format!("{}.{suffix}", job.name));
        let (printed, said, summary) = (note("out"), note("err"), note("json"));
        let mut command = self.command();
        command.envs(job.environment.iter().cloned());
        command.args([how, "--quiet", "--agent", job.agent, "--task", job.task, "--workspace"]);
        command.arg(job.workspace).args(["--user", &self.user.pair(), "--home"]).arg(&self.home);
        command.arg("--summary-file").arg(&summary).arg("--").args(job.command);
        command.current_dir(job.workspace);
        command.stdout(create(&printed)?).stderr(create(&said)?);
        let mut child = command.spawn().context("wardline cannot be started")?;
        let (mut frozen, mut overdue, begun) = (false, false, Instant::now());
        let status = waiting::wait(&mut child, limit + LIMIT, self.interrupts, || {
            overdue |= begun.elapsed() > limit;
            if overdue || how == "enforce" {
                frozen |= self.end_stuck(overdue)?;
            }
            Ok(())
        });
        let status = self.or_end(&mut child, status)?;
        self.cannot_protect(status, &said)?;
        let report = read(&summary).and_then(|text| Ok(serde_json::from_slice::<Value>(&text)?));
        let report = report.with_context(|| {
            let said = fs::read_to_string(&said).unwrap_or_default();
            format!(
                "`{how}` of {} left no summary ({status}): {}{}",
                job.name,
                said.trim(),
                self.last_words()
            )
        })?;
        let summary = Report::deserialize(&report).context("the summary has another form")?;
        let mut all = read(&printed)?;
        all.extend(read(&said)?);
        Ok(Run { status, summary, report, printed: all, frozen, overdue })
    }

    /// Makes the baselines, of these sessions, or of all if none is named, and calibrates them with the others besides.
    pub fn train(&self, sessions: &[i64], calibrate: &[i64]) -> Result<Vec<Baseline>> {
        let user = self.user.id.to_string();
        let teach = sessions.iter().map(|session| format!("--session={session}"));
        let named: Vec<String> =
            teach.chain(calibrate.iter().map(|session| format!("--calibrate={session}"))).collect();
        let mut arguments = vec!["train", "--json", "--user", &user];
        arguments.extend(named.iter().map(String::as_str));
        let answer = self.ask(&arguments)?;
        let list = list(&answer, "baselines").context("`train --json` printed no list of baselines")?;
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let number = |entry: &Value, name: &str| entry[name].as_u64().unwrap_or_default();
        let baseline = |entry: &Value| Baseline {
            agent: text(entry, "agent"),
            task: text(entry, "task"),
            sessions: number(entry, "sessions"),
            tokens: number(entry, "tokens"),
        };
        let is_made = |entry: &&Value| !entry["path"].is_null();
        Ok(list.iter().filter(is_made).map(baseline).filter(|baseline| !baseline.task.is_empty()).collect())
    }

    /// Ends the session that is frozen, if one is: nobody else decides here. When it is overdue, it is ended in any state.
    /// Whether it was frozen.
    fn end_stuck(&self, overdue: bool) -> Result<bool> {
        let answer = self.ask(&["sessions", "--json", "--user", &self.user.id.to_string()])?;
        let sessions = list(&answer, "sessions").map(Vec::as_slice).unwrap_or_default();
        let is_frozen = |session: &&Value| session["state"] == "frozen";
        let is_running = |session: &&Value| overdue && session["state"] == "running";
        let frozen = sessions.iter().find(is_frozen);
        let stuck = frozen.or_else(|| sessions.iter().find(is_running));
        let Some(id) = stuck.and_then(|session| session["session"].as_i64()) else { return Ok(false) };
        let mut command = self.command();
        command.args(["stop-session", &id.to_string(), "--kill"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().context("wardline cannot be started")?;
        Ok(frozen.is_some())
    }

    /// A command that prints JSON.
    fn ask(&self, arguments: &[&str]) -> Result<Value> {
        let answer = self.notes.join("answer.json");
        let said = self.notes.join("answer.err");
        let mut command = self.command();
        let mut child = command.args(arguments).stdout(create(&answer)?).stderr(create(&said)?).spawn()?;
        let status = waiting::wait(&mut child, LIMIT, self.interrupts, || Ok(()));
        let status = self.or_end(&mut child, status)?;
        if !status.success() {
            bail!(
                "`wardline {}` failed ({status}): {}",
                arguments.join(" "),
                fs::read_to_string(&said)?.trim()
            );
        }
        Ok(serde_json::from_slice(&read(&answer)?)?)
    }

    /// Wardline with nothing of the caller's environment: not its proxies, not its credentials, not its `sudo`.
    fn command(&self) -> Command {
        let mut command = self.wardline.command();
        Interrupts::spare(&mut command);
        command
    }

    /// When a step could not be waited for: the session is ended, and then its client.
    fn or_end(&self, child: &mut Child, status: Result<ExitStatus>) -> Result<ExitStatus> {
        if status.is_err() {
            self.stop();
            end_within(child, MOMENT);
        }
        status
    }

    /// Wardline's own word that this machine cannot be protected, with what it says to do.
    fn cannot_protect(&self, status: ExitStatus, said: &Path) -> Result<()> {
        if status.code() != Some(Exit::CannotProtect as i32) {
            return Ok(());
        }
        let said = fs::read_to_string(said).unwrap_or_default();
        let said = said.trim().trim_start_matches("error: ");
        Err(Exit::CannotProtect.error(format!("{said}\n`wardline doctor` says what is missing")))
    }

    /// The end of the supervisor's log, for when a step failed.
    fn last_words(&self) -> String {
        let log = self.wardline.log();
        let lines: Vec<&str> = log.lines().rev().take(8).collect();
        lines.into_iter().rev().map(|line| format!("\n  {line}")).collect()
    }

    /// Ends the supervisor and every session.
    fn stop(&self) {
        self.wardline.stop_as(Interrupts::spare);
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The program that is driven: what guards is built and shipped beside the laboratory.
fn wardline() -> Result<PathBuf> {
    let program =
        std::env::current_exe().context("this program cannot be found again")?.with_file_name("wardline");
    if !program.is_file() {
        return Err(Exit::Failed.error(format!(
            "`{}` is not there: the laboratory drives the `wardline` beside it. `cargo build --release` builds both",
            program.display()
        )));
    }
    Ok(program)
}

/// The list in an answer: the answer itself, or its field of that name.
fn list<'v>(answer: &'v Value, name: &str) -> Option<&'v Vec<Value>> {
    answer.as_array().or_else(|| answer[name].as_array())
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("`{}` cannot be written", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("`{}` cannot be read", path.display()))
}
