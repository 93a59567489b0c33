//! A session, from the client's request to the report: everything is armed before the command's first instruction, and
//! nobody is inside any more when it is taken back.

use super::attach::{self, Taken};
use super::end::{self, Leaving};
use super::exchange::answer;
use super::lease::{self, Lease};
use super::machine::cgroup_prefix;
use super::peer::Peer;
use super::running::Running;
use super::sessions::Slot;
use super::shared::Shared;
use super::{admission, client, keys, rules, task};
use crate::broker::Broker;
use bstr::BString;
use event::{Context, Mode, SessionMeta};
use guard::cgroup::Cgroup;
use guard::session::{Recording, names};
use guard::{Opening, canary, repository};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use sys::clock::boot_ns;
use sys::process;
use wire::{self, Begin, Ready, Refused, Reply, Request, Why};

/// Serves a session's connection to its end.
pub(super) fn serve(
    shared: &Arc<Shared>,
    stream: &UnixStream,
    peer: &Arc<Peer>,
    begin: Begin,
    fds: Vec<OwnedFd>,
) -> Result<Option<Reply>, Refused> {
    let [held] = <[OwnedFd; 1]>::try_from(fds)
        .map_err(|_| Refused::new(Why::Protocol, "the command's pidfd is missing"))?;
    // Root begins sessions of others, whose homes they are.
    let of = if peer.is_root() { begin.uid } else { peer.uid };
    let asking = Arc::clone(peer);
    let admit = move || admission::admit(&asking, begin, &held).map(|begin| (begin, held));
    let (begin, held) = shared.armer.look(of, admit)?;
    // Ending just now: hanging up lets the client start another supervisor.
    let Some(slot) = shared.sessions.slot(peer.uid)?.map(Arc::new) else { return Ok(None) };
    let lease = Arc::new(lease::take(shared)?);
    if begin.attach {
        attach::check(&lease, peer, begin.pid)?;
    }
    let unproven = show_a_denial(shared, &lease, begin.mode)?;
    let mut opened = open(shared, &lease, &slot, &begin)?;
    opened.ready.notes.extend(unproven);
    let running = opened.running;
    keys::lend(shared, &lease, &running, begin.attach, &mut opened.ready);
    let mut taken = begin.attach.then(Taken::default);
    // Who writes a rule looks for running sessions afterwards: what was written before this one was one of them is taken here.
    let armed = take_rules_written_meanwhile(shared, &running).and_then(|notes| {
        opened.ready.notes.extend(notes);
        match &mut taken {
            Some(taken) => attach::take_in(&lease, &running, peer, begin.pid, taken),
            None => enter(&lease, &running, begin.pid, &held),
        }
    });
    if let Some(Taken { unseen, .. }) = &taken {
        running.with(|live| live.attached(*unseen));
        opened.ready.processes = unseen.processes;
    }
    let ready = armed.and_then(|()| wire::send(stream, &Reply::Ready(opened.ready), &[]).map_err(failed));
    if let Err(refused) = ready {
        // What ran before goes on.
        let leaving = taken.map_or(Leaving::Killed, |taken| attach::let_go(&lease, &running, &taken));
        end::close(shared, &lease, &running, leaving, None);
        return Err(refused);
    }
    tracing::info!(
        session = running.id(),
        uid = running.uid,
        mode = %begin.mode,
        pid = begin.pid,
        "armed"
    );
    let (leaving, status) = match taken {
        Some(taken) => (leave(shared, stream, peer, &lease, &running, begin.mode, &taken), None),
        // Anything but the end of the command is the end of the client: nobody would take the session's report.
        None => match client::next(shared, stream, peer, &lease.pump, &running) {
            Some(Request::Ended { status }) => (Leaving::Ended, Some(status)),
            _ => (Leaving::Killed, None),
        },
    };
    let finished = end::close(shared, &lease, &running, leaving, status);
    tracing::info!(session = running.id(), ?status, "over");
    // The slot is free, and the programs are detached, before the client hears of the end.
    drop(running);
    if lease.left(slot.number).is_empty() {
        // Detaching takes seconds on a slow machine, and with the last slot a supervisor is idle.
        drop(lease);
        drop(slot);
    } else {
        let outlasted = std::thread::Builder::new()
            .name("outlast".into())
            .spawn(move || attach::outlast(&lease, &slot, leaving));
        if let Err(error) = outlasted {
            tracing::error!(%error, "who is still inside is not waited for");
        }
    }
    if let Some(finished) = finished {
        answer(stream, &Reply::Finished(Box::new(finished)));
    }
    Ok(None)
}

/// The rules may have become other ones while the session was armed; what is to be told. Under rules that cannot be obeyed nobody
/// enters.
fn take_rules_written_meanwhile(shared: &Shared, running: &Running) -> Result<Vec<String>, Refused> {
    let took =
        rules::take(shared, running).ok_or_else(|| Refused::new(Why::Failed, "the session is over"))?;
    took.became.map_err(|why| Refused::new(Why::Policy, why))?;
    Ok(took.warnings)
}

/// Waits until an attached session is left, and how. Without its client an enforced one is killed, as every other; one in
/// which nothing is refused goes on by itself.
fn leave(
    shared: &Shared,
    stream: &UnixStream,
    peer: &Peer,
    lease: &Lease,
    running: &Running,
    mode: Mode,
    taken: &Taken,
) -> Leaving {
    loop {
        return match (client::next(shared, stream, peer, &lease.pump, running), mode) {
            (Some(Request::Detach), _) => {
                if running.with(|live| live.is_frozen()).unwrap_or(false) {
                    let message = "the session is frozen, and would go on unguarded: thaw or kill it with `wardline stop-session`";
                    answer(stream, &Refused::new(Why::Policy, message).into());
                    continue;
                }
                attach::let_go(lease, running, taken)
            }
            (_, Mode::Record | Mode::Shadow) => attach::let_go(lease, running, taken),
            (Some(Request::Gone), _) => Leaving::Ended,
            _ => Leaving::Killed,
        };
    }
}

/// Has an operation refused before anything is called guarded. Where none is, nothing is enforced; a session that refuses
/// nothing by itself goes on, and is told.
fn show_a_denial(shared: &Shared, lease: &Lease, mode: Mode) -> Result<Option<String>, Refused> {
    let Some(slot) = shared.sessions.slot(0)? else { return Ok(None) };
    let missing = canary::missing(&lease.kernel, slot.number, lease.guard.group());
    // Its records are of nobody's session, and must not become those of the next one in that slot.
    lease.pump.flush();
    let why = match missing {
        Ok(None) => return Ok(None),
        Ok(Some(row)) => format!("{}: {}", row.operation, row.note),
        Err(error) => error.to_string(),
    };
    let message = format!(
        "a probe was not refused, so that nothing is guarded here ({why}); `wardline doctor` says more"
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

fn open(shared: &Shared, lease: &Arc<Lease>, slot: &Arc<Slot>, begin: &Begin) -> Result<Opened, Refused> {
    let (uid, agent) = (begin.uid, begin.agent.clone());
    let path = |bytes: &BString| PathBuf::from(OsStr::from_bytes(bytes));
    let workspaces: Vec<PathBuf> = begin.workspaces.iter().map(path).collect();
    let read = move || {
        repository::of_session(uid, agent.as_str(), &workspaces)
            .map_err(|trouble| Refused::new(Why::Policy, trouble.to_string()))
    };
    let (rules, mut notes) = shared.armer.look(begin.uid, read)?;
    // Whom processes are connected to that run already, nobody knows.
    let rules = if begin.attach { rules.lending_nothing() } else { rules };
    let baseline = match begin.mode {
        Mode::Record => None,
        _ => task::baseline(shared, begin.uid, &begin.agent, &begin.task, None)?,
    };
    let mut command = begin.command.clone();
    shared.sessions.redactor().arguments(&mut command, false);
    let meta = meta(lease, begin, &command);
    let teller = shared.tellers.of(begin.uid, &shared.setup, &shared.starter, &lease.kernel)?;
    let number = teller.begin(meta.clone()).map_err(unwritable)?;
    let (broker, key_files) = keys::open(shared, lease, slot, begin, &mut notes);
    let cgroup = match Cgroup::create(&format!("{}{}-{number}", cgroup_prefix(), begin.uid)) {
        Ok(cgroup) => Some(cgroup),
        Err(error) => {
            notes.push(format!(
                "the session has no cgroup, so that it is stopped process by process: {error}"
            ));
            None
        }
    };
    if let Some(Err(error)) = cgroup.as_ref().map(|cgroup| cgroup.limit_processes(shared.setup.processes_max))
    {
        tracing::info!(%error, "the session may have as many processes as its user");
    }
    let path = cgroup.as_ref().map(|cgroup| cgroup.path().as_os_str().as_bytes().into());
    let opening = Opening {
        session: number.to_string(),
        slot: slot.number,
        mode: begin.mode,
        rules,
        force: begin.force,
        meta,
        variables: begin.variables.clone(),
        way: begin.way.clone(),
        key_files,
        directory: broker.as_ref().map(|broker| broker.directory().to_owned()),
        baseline,
        force_baseline: begin.force_baseline,
        cgroup,
        confinement: begin.confinement,
        recording: Some(Recording::new(Arc::clone(&teller) as _, number, Arc::clone(&shared.patience))),
    };
    // Its number may be another process' afterwards.
    let broker_pid = broker.as_ref().map(Broker::pid);
    let without_broker = |refused: Refused| {
        broker_pid.map(|pid| lease.kernel.unprotect(pid));
        refused
    };
    // What is armed too late is taken back before its slot is another's, and the kernel side detached.
    let held = (Arc::clone(slot), Arc::clone(lease));
    let arm = move || match held.1.guard.open(opening) {
        Ok(live) => Ok((live, held)),
        Err(e) => Err(Refused::new(Why::CannotProtect, format!("the session could not be armed: {e}"))),
    };
    let (live, _) = shared.armer.look(begin.uid, arm).map_err(without_broker)?;
    notes.splice(0..0, live.notes());
    let ready = Ready {
        session: number.to_string(),
        tier: lease.kernel.tier(),
        cgroup: path,
        processes: 0,
        variables: Vec::new(),
        confinement: live.confinement(),
        notes,
    };
    let running = Running::new(slot.number, begin.uid, number, teller, live, broker)
        .map_err(|e| Refused::new(Why::Failed, e.to_string()))
        .map_err(without_broker)?;
    let running = Arc::new(running);
    shared.sessions.insert(Arc::clone(&running));
    lease.pump.wake();
    Ok(Opened { running, ready })
}

/// Puts the held command inside.
fn enter(lease: &Lease, running: &Running, pid: u32, held: &OwnedFd) -> Result<(), Refused> {
    let cgroup = running.with(|live| live.cgroup().cloned()).flatten();
    if let Some(Err(error)) = cgroup.map(|cgroup| cgroup.add(pid)) {
        return Err(Refused::new(
            Why::Failed,
            format!("the command could not be put into its cgroup: {error}"),
        ));
    }
    let is_agent = running.with(|live| live.begins_with(pid)).unwrap_or(false);
    let enrolled = lease.kernel.enroll(pid, running.slot);
    let enrolled = enrolled.and_then(|()| if is_agent { lease.kernel.begins_with(pid) } else { Ok(()) });
    enrolled.map_err(|e| {
        Refused::new(Why::Failed, format!("the command could not be put into the session: {e}"))
    })?;
    if !process::is_held_alive(held) {
        // It was killed while it was held, and its end may have been missed.
        end::evict(lease, pid);
    }
    Ok(())
}

/// What is said of the session; `command` is without its secrets.
fn meta(lease: &Lease, begin: &Begin, command: &[BString]) -> SessionMeta {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
    SessionMeta {
        agent: begin.agent.clone(),
        task: begin.task.clone(),
        command: command.iter().map(ToString::to_string).collect(),
        context: Context {
            workspaces: begin.workspaces.clone(),
            home: begin.home.clone(),
            agent_state: begin.agent_state.clone(),
            toolchains: begin.toolchains.clone(),
            uid: begin.uid,
            resolvers: names::configured(),
        },
        mode: begin.mode,
        tier: lease.kernel.tier(),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        started_unix_ns: i64::try_from(now).unwrap_or(i64::MAX),
        started_boot_ns: boot_ns(),
    }
}

fn failed(error: impl std::error::Error) -> Refused {
    Refused::new(Why::Failed, error.to_string())
}

fn unwritable(why: impl std::fmt::Display) -> Refused {
    Refused::new(Why::Failed, format!("the session cannot be written down: {why}"))
}
