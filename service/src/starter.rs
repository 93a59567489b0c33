//! The starter: a process that the supervisor starts before it gives up starting programs itself, and that starts its children
//! for it. It is told which of the six it is to be, never a program or a path of one, and hands over what they get as standard
//! input and output. They are the supervisor's own children (clone(2), `CLONE_PARENT`), which waits for them and ends them.
//!
//! It decides nothing, and ends with the supervisor. When it ends before, the supervisor could start nobody any more, and ends.

pub mod process;

use crate::Error;
use bstr::BString;
use event::AgentName;
use guard::child::Child;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use wire::Patience;

/// How long it may take to start one.
const START: Duration = Duration::from_secs(30);
/// Bytes of the longest message: as much as a request that it comes of.
const MAX_BYTES: usize = wire::MAX_REQUEST_BYTES + 4096;

/// Whom it is to start, with what is told to each.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Standard input: the supervisor; standard output: the map of members.
    Keeper { cgroups: BString, prefix: String, strays: u32 },
    /// Standard input: the supervisor; standard output: the group of marks.
    Doorkeeper { members: u32, program: u32, verdict: u32 },
    /// Standard input: the supervisor.
    Broker,
    /// Standard input: the supervisor.
    Teller,
    /// It learns what sessions of a user's agent taught.
    Train { uid: u32, agent: AgentName },
    /// Standard output and error: the user's.
    Read { args: Vec<String>, uid: u32 },
}

/// What became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Said {
    Started(u32),
    /// A child that could not become the program, and why.
    Failed(u32, i32),
    /// No child could be made, and why.
    NotMade(i32),
    /// It is nothing that is started.
    Refused,
}

/// The supervisor's hold on its starter, which ends with it.
pub(crate) struct Starter {
    pid: u32,
    process: Mutex<Child>,
    /// Held by who has one started.
    stream: Mutex<UnixStream>,
}

impl Starter {
    /// Starts it. `command` leads to [`process::run`].
    pub(crate) fn start(command: &[OsString]) -> Result<Self, Error> {
        let wrong = |e: io::Error| Error::io("what starts other processes cannot be started", e);
        let (program, args) = command.split_first().ok_or_else(|| wrong(ErrorKind::NotFound.into()))?;
        let (stream, other) = UnixStream::pair().map_err(wrong)?;
        let process = Command::new(program)
            .args(args)
            .stdin(OwnedFd::from(other))
            .stdout(Stdio::null())
            .current_dir("/")
            .spawn()
            .map_err(wrong)?;
        let pid = process.id();
        let process = Child::of(pid).ok_or_else(|| wrong(ErrorKind::NotFound.into()))?;
        Ok(Self { pid, process: Mutex::new(process), stream: Mutex::new(stream) })
    }

    fn process(&self) -> MutexGuard<'_, Child> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it still serves; one that was stopped goes on.
    pub(crate) fn look_after(&self) -> bool {
        if sys::process::is_stopped(self.pid) {
            tracing::warn!(pid = self.pid, "what starts other processes was stopped: it goes on");
            guard::cgroup::signal(self.pid, Signal::CONT);
        }
        matches!(self.process().try_wait(), Ok(None))
    }

    /// Has a child started. An answer that does not come in time is the starter's end.
    pub(crate) fn child(&self, order: &Order, fds: &[BorrowedFd<'_>]) -> io::Result<Child> {
        let said = self.ask(order, fds).inspect_err(|error| {
            tracing::error!(%error, "what starts other processes does not answer");
            #[expect(clippy::let_underscore_must_use, reason = "who is gone already needs no signal")]
            let _ = self.process().kill();
        })?;
        let child = |pid| Child::of(pid).ok_or_else(|| io::Error::from(ErrorKind::InvalidData));
        match said {
            Said::Started(pid) => child(pid),
            Said::Failed(pid, errno) => {
                child(pid)?.wait()?;
                Err(io::Error::from_raw_os_error(errno))
            }
            Said::NotMade(errno) => Err(io::Error::from_raw_os_error(errno)),
            Said::Refused => Err(ErrorKind::InvalidInput.into()),
        }
    }

    fn ask(&self, order: &Order, fds: &[BorrowedFd<'_>]) -> io::Result<Said> {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        wire::send(&stream, order, fds)?;
        let said = wire::receive_within::<Said>(&stream, MAX_BYTES, Patience::Until(Instant::now() + START))?;
        Ok(said.ok_or(ErrorKind::UnexpectedEof)?.message)
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        let process = self.process.get_mut().unwrap_or_else(PoisonError::into_inner);
        #[expect(clippy::let_underscore_must_use, reason = "who is gone already needs no signal")]
        let _ = process.kill();
        #[expect(clippy::let_underscore_must_use, reason = "an error says that nobody is left to wait for")]
        let _ = process.wait();
    }
}
