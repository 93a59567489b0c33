//! A session, from the client's request to the report: everything is armed before the command's first instruction, and
//! nobody is inside any more when it is taken back.

use super::Shared;
use super::machine::Lease;
use super::peer::{self, Peer};
use super::requests::answer;
use super::sessions::{Running, Slot};
use crate::cgroup::Cgroup;
use crate::control::{self, Begin, Finished, MAX_REQUEST_BYTES, Mode, Ready, Refused, Reply, Request, Why};
use crate::session::{Recording, boot_ns};
use crate::{Live, Opening, canary, workspace};
use bstr::{BString, ByteSlice};
use event::{Context, SessionMeta};
use models::Baseline;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use store::Writer;

/// What the command left running gets this long to end by itself.
const GRACE: Duration = Duration::from_secs(2);
/// How long killed processes may take to be gone.
const DEATH: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);
/// The task of a session of which none was said.
const UNKNOWN: &str = "unknown";

/// Serves a session's connection to its end.
pub(super) fn serve(
    shared: &Arc<Shared>,
    stream: &UnixStream,
    peer: &Peer,
    begin: Begin,
    fds: Vec<OwnedFd>,
) -> Result<Option<Reply>, Refused> {
    let [held] = <[OwnedFd; 1]>::try_from(fds)
        .map_err(|_| Refused::new(Why::Protocol, "the command's pidfd is missing"))?;
    admission::check(peer, &begin, &held)?;
    // Ending just now: hanging up lets the client start another supervisor.
    let Some(slot) = shared.sessions.slot()? else { return Ok(None) };
    let lease = shared.lease()?;
    let unproven = show_a_denial(shared, &lease, begin.mode)?;
    let mut opened = open(shared, &lease, &slot, peer, &begin)?;
    opened.ready.notes.extend(unproven);
    let running = opened.running;
    let armed = enter(&lease, &running, begin.pid, &held);
    let ready = armed.and_then(|()| {
        stream.set_read_timeout(None).map_err(failed)?;
        control::send(stream, &Reply::Ready(opened.ready), &[]).map_err(failed)
    });
    if let Err(refused) = ready {
        close(shared, &lease, &running, Leaving::Killed, None);
        return Err(refused);
    }
    tracing::info!(
        session = running.id(),
        uid = running.uid,
        mode = begin.mode.name(),
        pid = begin.pid,
        "armed"
    );
    // Anything but the end of the command is the end of the client: nobody would take the session's report.
    let status = match control::receive::<Request>(stream, MAX_REQUEST_BYTES) {
        Ok(Some((Request::Ended { status }, _))) => Some(status),
        _ => None,
    };
    let leaving = if status.is_some() { Leaving::Ended } else { Leaving::Killed };
    let finished = close(shared, &lease, &running, leaving, status);
    tracing::info!(session = running.id(), ?status, "over");
    // The slot is free, and the programs are detached, before the client hears of the end.
    drop((running, slot, lease));
    if let Some(finished) = finished {
        answer(stream, &Reply::Finished(Box::new(finished)));
    }
    Ok(None)
}

/// Has an operation refused before anything is called guarded. Where none is, nothing is enforced; a session that refuses
/// nothing by itself goes on, and is told.
fn show_a_denial(shared: &Shared, lease: &Lease, mode: Mode) -> Result<Option<String>, Refused> {
    let Some(slot) = shared.sessions.slot()? else { return Ok(None) };
    let shown = canary::refuses(&lease.kernel, slot.number);
    // Its records are of nobody's session, and must not become those of the next one in that slot.
    lease.pump.flush();
    let why = match shown {
        Ok(row) if row.prevented => return Ok(None),
        Ok(row) => row.note,
        Err(error) => error.to_string(),
    };
    let message = format!(
        "a probe was not refused, so that nothing is guarded here: {why}; `wardline doctor` says more"
    );
    match mode {
        Mode::Enforce => Err(Refused::new(Why::CannotProtect, message)),
        Mode::Record | Mode::Shadow => Ok(Some(message)),
    }
}

/// A session that is armed, with nobody inside yet.
struct Opened {
    running: Arc<Running>,
    ready: Ready,
}

fn open(shared: &Shared, lease: &Lease, slot: &Slot, peer: &Peer, begin: &Begin) -> Result<Opened, Refused> {
    let baseline = match begin.mode {
        Mode::Record => None,
        _ => shared.baseline(begin.uid, &begin.agent, &begin.task)?,
    };
    let meta = meta(lease, peer, begin);
    let writer = shared.writer(begin.uid)?;
    let number = writer.begin_session(meta.clone()).map_err(unwritable)?;
    let mut notes = Vec::new();
    let cgroup = match Cgroup::create(&format!("{}{}-{number}", shared.cgroup_prefix(), begin.uid)) {
        Ok(cgroup) => Some(cgroup),
        Err(error) => {
            notes.push(format!(
                "the session has no cgroup, so that it is stopped process by process: {error}"
            ));
            None
        }
    };
    let path = cgroup.as_ref().map(|cgroup| cgroup.path().as_os_str().as_bytes().into());
    let opening = Opening {
        session: number.to_string(),
        slot: slot.number,
        mode: begin.mode,
        meta,
        variables: begin.variables.clone(),
        baseline,
        cgroup,
        recording: Some(Recording::new(Arc::clone(&writer), number)),
    };
    let live = lease
        .guard
        .open(opening)
        .map_err(|e| Refused::new(Why::CannotProtect, format!("the session could not be armed: {e}")))?;
    notes.splice(0..0, live.notes());
    let ready = Ready {
        session: number.to_string(),
        tier: lease.kernel.tier().name().to_owned(),
        cgroup: path,
        notes,
    };
    let running = Arc::new(Running::new(slot.number, begin.uid, number, writer, live));
    shared.sessions.insert(Arc::clone(&running));
    lease.pump.wake();
    Ok(Opened { running, ready })
}

/// Puts the held command inside.
fn enter(lease: &Lease, running: &Running, pid: u32, held: &OwnedFd) -> Result<(), Refused> {
    let moved = running.with(|live| live.cgroup().map(|cgroup| cgroup.add(pid)));
    if let Some(Some(Err(error))) = moved {
        return Err(Refused::new(
            Why::Failed,
            format!("the command could not be put into its cgroup: {error}"),
        ));
    }
    lease.kernel.enroll(pid, running.slot).map_err(|e| {
        Refused::new(Why::Failed, format!("the command could not be put into the session: {e}"))
    })?;
    if !peer::is_alive(held) {
        // It was killed while it was held, and its end may have been missed.
        evict(lease, pid);
    }
    Ok(())
}

fn evict(lease: &Lease, pid: u32) {
    if let Err(error) = lease.kernel.evict(pid) {
        tracing::error!(pid, %error, "a process that is gone is still counted");
    }
}

/// What is said of the session.
fn meta(lease: &Lease, peer: &Peer, begin: &Begin) -> SessionMeta {
    let home =
        if peer.is_root() { begin.home.clone() } else { home_of(peer.uid).unwrap_or(begin.home.clone()) };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
    SessionMeta {
        agent: begin.agent.clone(),
        task: begin.task.clone(),
        command: begin.command.iter().map(ToString::to_string).collect(),
        context: Context {
            workspaces: begin.workspaces.clone(),
            home,
            agent_state: begin.agent_state.clone(),
            toolchains: begin.toolchains.clone(),
            uid: begin.uid,
        },
        mode: begin.mode.name().to_owned(),
        tier: lease.kernel.tier().name().to_owned(),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        started_unix_ns: i64::try_from(now).unwrap_or(i64::MAX),
        started_boot_ns: boot_ns(),
    }
}

/// The home that the password file knows.
fn home_of(uid: u32) -> Option<BString> {
    let account = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)).ok().flatten()?;
    let home = fs::canonicalize(&account.dir).unwrap_or(account.dir);
    Some(home.as_os_str().as_bytes().into())
}

impl Shared {
    /// The baseline of an agent at a task; of all its tasks where the task is unknown or has none.
    pub(super) fn baseline(
        &self,
        uid: u32,
        agent: &str,
        task: &str,
    ) -> Result<Option<Arc<Baseline>>, Refused> {
        let load = |task| {
            self.setup.baselines.load(uid, agent, task).map_err(|e| {
                Refused::new(Why::CannotProtect, format!("the baseline of `{agent}` cannot be armed: {e}"))
            })
        };
        let own = if task == UNKNOWN { None } else { load(Some(task))? };
        match own {
            Some(baseline) => Ok(Some(baseline)),
            None => load(None),
        }
    }

    /// Who writes the user's store: one thread for all their sessions.
    fn writer(&self, uid: u32) -> Result<Arc<Writer>, Refused> {
        let mut writers = self.writers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(writer) = writers.get(&uid).and_then(std::sync::Weak::upgrade) {
            return Ok(writer);
        }
        let directory = self.setup.state.join(uid.to_string());
        create_closed(&directory).map_err(failed)?;
        let writer = Arc::new(Writer::open(directory.join("sessions.db")).map_err(unwritable)?);
        writers.insert(uid, Arc::downgrade(&writer));
        Ok(writer)
    }

    /// Opens a new segment of a running session.
    pub(super) fn switch(&self, running: &Running, task: &str) -> Result<String, Refused> {
        if !is_tag(task) {
            return Err(Refused::new(Why::Protocol, "a task is a tag of letters, digits, `.`, `-` and `_`"));
        }
        let gone = || Refused::new(Why::NoSuchSession, "the session is over");
        let (agent, mode) = running.with(|live| (live.meta().agent.clone(), live.mode())).ok_or_else(gone)?;
        let baseline = if mode == Mode::Record { None } else { self.baseline(running.uid, &agent, task)? };
        let armed = baseline.is_some();
        running
            .with(|live| live.switch(task, baseline))
            .ok_or_else(gone)?
            .map_err(|e| Refused::new(Why::CannotProtect, format!("the old task stays: {e}")))?;
        let guarded = match (mode, armed) {
            (Mode::Record, _) => "",
            (_, true) => ", guarded by its baseline",
            (_, false) => ", without a baseline: T0 alone",
        };
        Ok(format!("session {}: the task is now `{task}`{guarded}", running.id()))
    }
}

fn create_closed(directory: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

fn path_of(path: &BString) -> PathBuf {
    PathBuf::from(path.to_os_str_lossy().into_owned())
}

fn failed(error: std::io::Error) -> Refused {
    Refused::new(Why::Failed, error.to_string())
}

fn unwritable(error: store::Error) -> Refused {
    Refused::new(Why::Failed, format!("the session cannot be written down: {error}"))
}
