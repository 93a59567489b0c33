//! The way to the supervisor: its control socket, behind which root starts it on demand.

use crate::configuration;
use anyhow::{Context, Result, bail};
use command::{Exit, State};
use nix::unistd::Uid;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use wire::{self, MAX_REPLY_BYTES, Refused, Reply, Request, Why};

/// How long a supervisor may take until it answers: loading nothing, it takes milliseconds; the rest is for a machine
/// under load.
const START_TIMEOUT: Duration = Duration::from_secs(10);
const START_POLL: Duration = Duration::from_millis(10);

/// A running supervisor; `None` where there is none.
pub fn running(state: &State) -> Result<Option<UnixStream>> {
    // In a user namespace root is somebody else.
    if Uid::effective().is_root()
        && let Ok(stream) = UnixStream::connect(state.socket_of_root())
    {
        return Ok(Some(stream));
    }
    match UnixStream::connect(state.socket()) {
        Ok(stream) => Ok(Some(stream)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Err(Exit::Refused.error(format!(
            "`{}` may not be reached from here: a process inside a session cannot talk to Wardline",
            state.socket().display()
        ))),
        Err(e) => Err(e).with_context(|| format!("`{}` cannot be reached", state.socket().display())),
    }
}

/// Whether a running supervisor serves this process: who is inside a session is refused, before anything else is done.
pub fn is_served(state: &State) -> Result<()> {
    let Some(stream) = running(state)? else { return Ok(()) };
    try_ask(&stream, &Request::Sessions, &[]).map(drop)
}

/// A supervisor, started if none runs.
pub fn or_start(state: &State, verbose: u8) -> Result<UnixStream> {
    if let Some(stream) = running(state)? {
        return Ok(stream);
    }
    if !Uid::effective().is_root() {
        return Err(Exit::CannotProtect.error(
            "no supervisor runs, and only root can start one: use `sudo wardline`, or have root run `wardline supervisor --stay`",
        ));
    }
    state.create()?;
    // Whoever wrote it is told here: what the supervisor says goes to its log.
    configuration::read(&state.configuration())?;
    let mut supervisor = start(state, verbose)?;
    let started = Instant::now();
    while started.elapsed() < START_TIMEOUT {
        if let Some(stream) = running(state)? {
            return Ok(stream);
        }
        // One that lost the race against another ends well, and the other answers.
        if let Some(status) = supervisor.try_wait()?.filter(|status| !status.success()) {
            let log = last_line(state).unwrap_or_default();
            bail!("the supervisor ended at once ({status}): {log}\nits log is `{}`", state.log().display());
        }
        std::thread::sleep(START_POLL);
    }
    bail!(
        "the supervisor does not answer after {} s: see `{}`",
        START_TIMEOUT.as_secs(),
        state.log().display()
    )
}

fn start(state: &State, verbose: u8) -> Result<Child> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(state.log())
        .with_context(|| format!("`{}` cannot be written", state.log().display()))?;
    let mut command = Command::new("/proc/self/exe");
    command.args(state.arguments());
    for _ in 0..verbose {
        command.arg("-v");
    }
    command.arg("supervisor").arg("--log-to-stderr").current_dir("/").env_clear();
    for name in ["PATH", "RUST_BACKTRACE", "WARDLINE_WITHOUT_LSM"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("the supervisor cannot be started")
}

fn last_line(state: &State) -> Option<String> {
    const TAIL_BYTES: u64 = 4096;
    let mut log = std::fs::File::open(state.log()).ok()?;
    let length = log.metadata().ok()?.len();
    log.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES))).ok()?;
    let mut tail = Vec::new();
    log.read_to_end(&mut tail).ok()?;
    String::from_utf8_lossy(&tail).lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned)
}

/// One request and its reply; a refusal is an error with its exit code.
pub fn ask(stream: &UnixStream, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<Reply> {
    try_ask(stream, request, fds)?.context("the supervisor hung up")
}

/// The same; `None` when the supervisor hung up, as one does that ends just then.
pub fn try_ask(stream: &UnixStream, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<Option<Reply>> {
    match wire::send(stream, request, fds) {
        // A refusal may have been sent before the request was read.
        Err(e) if e.is_gone() => next(stream),
        Err(e) => Err(e).context("the supervisor cannot be told"),
        Ok(()) => next(stream),
    }
}

/// The next reply; `None` when the supervisor hung up.
pub fn next(stream: &UnixStream) -> Result<Option<Reply>> {
    match wire::receive::<Reply>(stream, MAX_REPLY_BYTES) {
        Ok(Some((Reply::Refused(refused), _))) => Err(self::refused(refused)),
        Ok(reply) => Ok(reply.map(|(reply, _)| reply)),
        Err(e) if e.is_gone() => Ok(None),
        Err(e) => Err(e).context("the supervisor's answer cannot be read"),
    }
}

/// The error that a refusal of the supervisor is.
fn refused(refused: Refused) -> anyhow::Error {
    let exit = match refused.why {
        Why::Inside | Why::NotOwner | Why::Policy | Why::Busy => Exit::Refused,
        Why::CannotProtect => Exit::CannotProtect,
        Why::NoSuchSession => Exit::Usage,
        Why::Protocol | Why::Failed => Exit::Failed,
    };
    exit.error(refused.message)
}
