//! A home with somebody in it: an account, its projects, an agent installed as people do it, and Wardline beside it.
#![expect(
    clippy::indexing_slicing,
    reason = "JSON has null where it has nothing, and the last lines are counted from the end"
)]

use super::{Account, Installed, Project, Way, furnish, way};
use crate::agent::Agent;
use crate::error::at;
use crate::model::Model;
use crate::network::MODEL;
use crate::script::quote;
use crate::{Error, Script, Wardline, end_within};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a session may take. Nothing comes near it that is not stuck.
const OVERDUE: Duration = Duration::from_secs(150);
/// How long a client may take to end once its session was ended.
const MOMENT: Duration = Duration::from_secs(10);

/// A home with somebody in it. Dropping it ends all that runs there, and removes all of it.
#[derive(Debug)]
pub struct Residence {
    /// Whose home it is.
    pub account: Account,
    /// The home's projects.
    pub projects: Vec<Project>,
    place: PathBuf,
    _installed: Installed,
}

/// A session to run.
#[derive(Clone, Copy, Debug)]
pub struct Job<'j> {
    /// The agent.
    pub agent: &'j Agent,
    /// `record` or `enforce`.
    pub verb: &'j str,
    /// What the user types before the agent's name: programs that start it.
    pub before: &'j str,
    /// The baseline refuses even where it would only watch.
    pub is_forced: bool,
    /// What the user says that the task is, if they say it.
    pub task: Option<&'j str>,
    /// Where it works.
    pub project: &'j Project,
    /// What it does.
    pub script: &'j Script,
    /// A command that succeeds in the project once that was done.
    pub done: &'j str,
}

/// What became of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Came {
    /// `record` or `enforce`.
    pub verb: String,
    /// What the user said that the task was.
    pub task: Option<String>,
    /// The project.
    pub project: String,
    /// Exit status of the client; 128 and the signal when one ended it; `None` when it had to be ended.
    pub exit_status: Option<i32>,
    /// What it took.
    pub seconds: f64,
    /// The steps that the agent asked for, and those that there were.
    pub steps: (usize, usize),
    /// What the task is to achieve was achieved.
    pub done: bool,
    /// What Wardline says that it refused, in its summary's own form.
    pub denials: Vec<Value>,
    /// What the baseline did: `enforcing`, or `shadow` where it only watched; `None` without one.
    #[serde(default)]
    pub baseline: Option<String>,
    /// The strongest verdict.
    pub verdict: String,
    /// The last lines of what was on the terminal.
    pub terminal: String,
}

/// Credentials that tools read by themselves: refused, and named.
const NAMED: [&str; 3] = [".npmrc", ".netrc", ".config/gh/hosts.yml"];

impl Came {
    /// The agent did a step of its work.
    pub fn started(&self) -> bool {
        self.steps.0 > 0
    }

    /// It came to its own end.
    pub fn ended(&self) -> bool {
        self.exit_status == Some(0) && self.steps.0 == self.steps.1 && self.done
    }

    /// What was refused besides credentials that tools read by themselves.
    pub fn false_refusals<'c>(&'c self, home: &'c Path) -> impl Iterator<Item = &'c Value> {
        self.denials.iter().filter(move |denial| {
            let object = denial["object"].as_str().unwrap_or_default();
            !NAMED.iter().any(|name| Path::new(object) == home.join(name))
        })
    }

    /// A baseline refused what does not belong, where one had to: who only watches refuses nothing.
    pub fn was_guarded(&self) -> bool {
        self.verb != "enforce" || self.baseline.as_deref() == Some("enforcing")
    }

    /// It went as it must.
    pub fn is_good(&self, home: &Path) -> bool {
        self.started() && self.ended() && self.was_guarded() && self.false_refusals(home).next().is_none()
    }
}

impl Residence {
    /// Makes one for an agent, with a copy of Wardline's program. Needs root. What the agent is installed from was fetched.
    pub fn create(
        wardline: &Path,
        agent: &Agent,
        version: &str,
        how: Way,
        seed: u64,
    ) -> Result<Residence, Error> {
        let account = Account::create()?;
        let place = Path::new("/opt").join(format!("wardline-{}", account.name));
        furnish::furnish(&account, agent, seed)?;
        let installed = way::install(agent, version, how, &account)?;
        let residence = Residence { projects: Project::all(seed), account, place, _installed: installed };
        residence.bring(wardline)?;
        for project in &residence.projects {
            project.place(&residence.account)?;
        }
        Ok(residence)
    }

    /// Lays the program where root keeps it, and lets the user run it as root.
    fn bring(&self, wardline: &Path) -> Result<(), Error> {
        match fs::remove_dir_all(&self.place) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            removed => at("remove", &self.place, removed)?,
        }
        at("make", &self.place, fs::create_dir(&self.place))?;
        let program = self.program();
        at("copy to", &program, fs::copy(wardline, &program))?;
        at("set the mode of", &program, fs::set_permissions(&program, Permissions::from_mode(0o755)))?;
        self.account.allow(&program)
    }

    fn program(&self) -> PathBuf {
        self.place.join("wardline")
    }

    fn state(&self) -> PathBuf {
        self.place.join("state")
    }

    /// The home.
    pub fn home(&self) -> &Path {
        &self.account.home
    }

    /// A line as the user types it in a directory of theirs, in an interactive shell: what was on the terminal, and the
    /// status; none when it took longer than it may.
    fn type_line(&self, directory: &Path, line: &str) -> Result<(Option<ExitStatus>, String), Error> {
        // A shell that somebody types into is there until its last command has ended.
        let typed = format!("cd {} && {line}; exit $?", quote(&directory.display().to_string()));
        let shell = format!("exec bash -ic {}", quote(&typed));
        let terminal = self.place.join("terminal");
        let output = at("make", &terminal, File::create(&terminal))?;
        let errors = at("make", &terminal, output.try_clone())?;
        let mut su = Command::new("su");
        su.args(["--pty", "--login", &self.account.name, "--command", &shell]);
        su.env_clear().env("TERM", "xterm").stdin(Stdio::null()).stdout(output).stderr(errors);
        let mut child = at("start", Path::new("su"), su.spawn())?;
        let status = self.await_end(&mut child)?;
        let said = at("read", &terminal, fs::read(&terminal))?;
        Ok((status, String::from_utf8_lossy(&said).into_owned()))
    }

    fn await_end(&self, child: &mut Child) -> Result<Option<ExitStatus>, Error> {
        let mut wait = |limit: Duration| -> Result<Option<ExitStatus>, Error> {
            let until = Instant::now() + limit;
            loop {
                let ended = at("wait for", Path::new("su"), child.try_wait())?;
                if ended.is_some() || Instant::now() >= until {
                    return Ok(ended);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        if let Some(status) = wait(OVERDUE)? {
            return Ok(Some(status));
        }
        self.stop();
        if wait(MOMENT)?.is_none() {
            self.account.user.end_processes();
            end_within(child, Duration::ZERO);
        }
        Ok(None)
    }

    /// Runs a session: the user types it in the project.
    pub fn run(&self, job: &Job<'_>) -> Result<Came, Error> {
        let directory = self.home().join("projects").join(&job.project.name);
        let summary = self.place.join("summary.json");
        #[expect(clippy::let_underscore_must_use, reason = "a first session has none to remove")]
        let _ = fs::remove_file(&summary);
        let mut line = format!("{} {}", self.sudo(), job.verb);
        if job.is_forced {
            line.push_str(" --force-baseline");
        }
        if let Some(task) = job.task {
            line.push_str(&format!(" --task {task}"));
        }
        line.push_str(&format!(
            " --summary-file {} -- {} {}",
            summary.display(),
            job.before,
            job.agent.program
        ));
        for argument in job.agent.arguments(&job.script.prompt) {
            line.push_str(&format!(" {}", quote(&argument)));
        }
        let model = Model::start(MODEL, job.script.clone(), job.agent.finish.clone())?;
        let began = Instant::now();
        let (status, terminal) = self.type_line(&directory, &line)?;
        let seconds = began.elapsed().as_secs_f64();
        let steps = model.sent();
        let report = fs::read(&summary).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        let report = report.unwrap_or_default();
        let done = self.account.bash(&directory, job.done, "the check");
        Ok(Came {
            verb: job.verb.to_owned(),
            task: job.task.map(str::to_owned),
            project: job.project.name.clone(),
            exit_status: status.map(code),
            seconds,
            steps: (steps.iter().flatten().count(), steps.len()),
            done: done.is_ok(),
            denials: report["denials"].as_array().cloned().unwrap_or_default(),
            baseline: report["baseline"].as_str().map(str::to_owned),
            verdict: report["verdict"].as_str().unwrap_or_default().to_owned(),
            terminal: last_lines(&terminal),
        })
    }

    /// `wardline train`, as the user types it: its exit status, and what it says.
    pub fn train(&self) -> Result<(Option<i32>, String), Error> {
        let (status, said) = self.type_line(self.home(), &format!("{} train", self.sudo()))?;
        Ok((status.map(code), said))
    }

    fn sudo(&self) -> String {
        format!("sudo {} --state-dir {}", self.program().display(), self.state().display())
    }

    /// Ends the sessions and the supervisor.
    fn stop(&self) {
        Wardline::new(self.program(), self.state()).stop();
    }
}

impl Drop for Residence {
    fn drop(&mut self) {
        self.stop();
        #[expect(clippy::let_underscore_must_use, reason = "what stays is in a directory of this run's own")]
        let _ = fs::remove_dir_all(&self.place);
    }
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

/// What a person still sees of a long output.
fn last_lines(text: &str) -> String {
    const LINES: usize = 40;
    let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches('\r')).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
