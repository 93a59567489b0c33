//! One connection: who asks for what, and may they.
//!
//! Tightening is open to the session's owner; so is loosening what was learned; root may both. Everybody who is inside a
//! session was refused before.

use super::exchange::{answer, next};
use super::peer::Peer;
use super::running::Running;
use super::shared::Shared;
use super::{begin, rules, task};
use crate::starter::Order;
use crate::teller;
use event::{SessionRef, TaskName};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use wire::{self, Action, Fold, GoOn, Notice, Patience, Refused, Reply, Request, Why};

/// How long sessions may take to end when the supervisor does.
const END: Duration = Duration::from_secs(15);
/// How long the processes of a killed session may take to end, and the pause between two looks at a session.
const DEATH: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);
/// How often a listener without notices is looked at: whether it is still there.
const TAIL_TICK: Duration = Duration::from_millis(500);
/// Equal notices within this time are told as one.
const FOLDED: Duration = Duration::from_secs(2);
/// Notices of the past that are told at most.
const PAST_MAX: usize = 10_000;

/// Serves one connection to its end; its request must be here by `until`.
pub(super) fn serve(shared: &Arc<Shared>, stream: &UnixStream, peer: &Arc<Peer>, until: Instant) {
    let (request, fds) = match next(shared, stream, peer, Patience::Until(until)) {
        Ok(Some(received)) => received,
        Ok(None) => return,
        Err(refused) => return answer(stream, &refused.into()),
    };
    tracing::debug!(pid = peer.pid, uid = peer.uid, request = name(&request), "request");
    let reply = match request {
        Request::Begin(begin) => begin::serve(shared, stream, peer, *begin, fds),
        Request::Tail { session, past } => tail(shared, stream, peer, session, past),
        Request::Stop { kill_sessions } => stop(shared, stream, peer, kill_sessions),
        Request::Sessions => Ok(Some(Reply::Sessions(shared.sessions.list(visible(peer))))),
        Request::Task { session, owner, task } => {
            named(shared, peer, session, owner).and_then(|running| switch(shared, &running, &task)).map(Some)
        }
        Request::Rules { session, owner } => take_rules(shared, peer, session, owner).map(Some),
        Request::StopSession { session, owner, action } => {
            named(shared, peer, session, owner).and_then(|running| act(shared, &running, action)).map(Some)
        }
        Request::Read { args } => read(shared, peer, args, fds).map(Some),
        Request::Ended { .. }
        | Request::Gone
        | Request::GoOn { .. }
        | Request::InTime
        | Request::Kill
        | Request::Detach => Err(Refused::new(Why::Protocol, "no session was begun on this connection")),
    };
    match reply {
        Ok(Some(reply)) => answer(stream, &reply),
        Ok(None) => {}
        Err(refused) => {
            tracing::info!(pid = peer.pid, uid = peer.uid, why = ?refused.why, "refused: {}", refused.message);
            answer(stream, &refused.into());
        }
    }
}

fn name(request: &Request) -> &'static str {
    match request {
        Request::Begin(_) => "begin",
        Request::Ended { .. } => "ended",
        Request::Gone => "gone",
        Request::GoOn { .. } => "go-on",
        Request::InTime => "in-time",
        Request::Kill => "kill",
        Request::Detach => "detach",
        Request::Task { .. } => "task",
        Request::Rules { .. } => "rules",
        Request::Tail { .. } => "tail",
        Request::Sessions => "sessions",
        Request::StopSession { .. } => "stop-session",
        Request::Stop { .. } => "stop",
        Request::Read { .. } => "read",
    }
}

/// Whose sessions a peer sees; `None`: everybody's.
fn visible(peer: &Peer) -> Option<u32> {
    (!peer.is_root()).then_some(peer.uid)
}

/// The running session that a peer names, if it is the peer's.
fn named(
    shared: &Shared,
    peer: &Peer,
    session: SessionRef,
    owner: Option<u32>,
) -> Result<Arc<Running>, Refused> {
    shared.sessions.find(session, whose(peer, owner)?)
}

/// Whose sessions a peer means; `None`: everybody's.
fn whose(peer: &Peer, owner: Option<u32>) -> Result<Option<u32>, Refused> {
    if owner.is_some_and(|owner| !peer.is_root() && owner != peer.uid) {
        let message = "that session is another user's: only they and root may touch it";
        return Err(Refused::new(Why::NotOwner, message));
    }
    Ok(if peer.is_root() { owner } else { Some(peer.uid) })
}

/// Has sessions take the rules that hold now. That only closes.
fn take_rules(
    shared: &Shared,
    peer: &Peer,
    session: Option<SessionRef>,
    owner: Option<u32>,
) -> Result<Reply, Refused> {
    let sessions = match session {
        Some(session) => vec![named(shared, peer, session, owner)?],
        None => shared.sessions.of(whose(peer, owner)?),
    };
    Ok(Reply::Rules(sessions.iter().filter_map(|running| rules::take(shared, running)).collect()))
}

fn switch(shared: &Shared, running: &Running, task: &TaskName) -> Result<Reply, Refused> {
    let said = task::switch(shared, running, task)?;
    tracing::info!(session = running.id(), task = task.as_str(), "task switched");
    Ok(Reply::Rules(vec![said]))
}

fn act(shared: &Shared, running: &Running, action: Action) -> Result<Reply, Refused> {
    let (done, why) = match action {
        Action::Kill => ("killed", "by `wardline stop-session`"),
        Action::Freeze => ("frozen: `--thaw` lets it go on", "by `wardline stop-session --freeze`"),
        Action::Thaw(GoOn::Once) => (
            "goes on; the same does not freeze it again",
            "by `wardline stop-session --thaw`: what froze it does not freeze it again",
        ),
        Action::Thaw(GoOn::Session) => (
            "goes on; nothing freezes it any more",
            "by `wardline stop-session --thaw --for-session`: nothing freezes it any more",
        ),
    };
    shared.sessions.act(running, action, why)?;
    match action {
        Action::Kill => kill(running)?,
        // The thread that reads the rings looks whether it stands still, and kills what does not.
        Action::Freeze => {
            while running.with(|live| live.is_freezing()).unwrap_or(false) {
                std::thread::sleep(PAUSE);
            }
        }
        Action::Thaw(_) => {}
    }
    Ok(Reply::Done(format!("session {}: {done}", running.id())))
}

/// How many of its processes there are, and one of them; `None` where there is none.
fn left(running: &Running) -> Option<(usize, u32)> {
    let left = running.with(|live| live.processes())?;
    Some((left.len(), *left.first()?))
}

/// Kills until nobody is alive: a process may fork, or leave the cgroup, while it is being killed.
fn kill(running: &Running) -> Result<(), Refused> {
    let until = Instant::now() + DEATH;
    let mut failed = None;
    while let Some((count, first)) = left(running) {
        if Instant::now() >= until {
            let why = failed.map_or_else(String::new, |error: guard::Error| format!("; {error}"));
            let message = format!(
                "session {}: it has not ended: SIGKILL was sent to {} that it still has (the first is {first}){why}",
                running.id(),
                text::count(count as u64, "process")
            );
            return Err(Refused::new(Why::Failed, message));
        }
        std::thread::sleep(PAUSE);
        // Over meanwhile: then its own connection has seen to its end.
        failed = running.with(|live| live.kill()).and_then(Result::err);
    }
    Ok(())
}

/// Ends the supervisor. Its sessions would run unguarded, so that they end first, or keep it.
fn stop(
    shared: &Shared,
    stream: &UnixStream,
    peer: &Peer,
    kill_sessions: bool,
) -> Result<Option<Reply>, Refused> {
    if !peer.is_root() {
        return Err(Refused::new(
            Why::NotOwner,
            "only root may end the supervisor: use `sudo wardline stop`",
        ));
    }
    let running = shared.sessions.list(None).len();
    if running > 0 && !kill_sessions {
        let message = format!(
            "it has {}: end them first, or use `--kill-sessions`",
            text::count(running as u64, "running session")
        );
        return Err(Refused::new(Why::Busy, message));
    }
    shared.sessions.close();
    let until = Instant::now() + END;
    while !shared.sessions.is_empty() && Instant::now() < until {
        shared.sessions.kill_all();
        std::thread::sleep(Duration::from_millis(20));
    }
    answer(stream, &Reply::Done("the supervisor ended".to_owned()));
    // The connection stays open until everything is detached: the client waits for that.
    if let Ok(stream) = stream.try_clone() {
        shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
    }
    shared.stop.store(true, Ordering::Release);
    Ok(None)
}

/// Sends notices until one side hangs up.
fn tail(
    shared: &Shared,
    stream: &UnixStream,
    peer: &Peer,
    session: Option<SessionRef>,
    count: usize,
) -> Result<Option<Reply>, Refused> {
    let running = session.map(|session| named(shared, peer, session, None)).transpose();
    // Where none runs, the last one is that of which something was told last.
    let last = || teller::past(&shared.setup.state, visible(peer), None, 1).pop().map(|last| last.session);
    let name = match (&running, session) {
        (Ok(Some(running)), _) => Some(running.id()),
        (_, Some(SessionRef::Last)) => Some(last().unwrap_or_default()),
        (_, Some(SessionRef::Number(number))) => Some(number.to_string()),
        (_, None) => None,
    };
    // Listened from here on, so that nothing falls between the past and the present.
    let subscription = shared.notices.subscribe(visible(peer), name.clone());
    let past = teller::past(&shared.setup.state, visible(peer), name.as_deref(), count.min(PAST_MAX));
    // A session that is over has a past at least.
    if let Err(refused) = running
        && past.is_empty()
    {
        return Err(refused);
    }
    let is_over = session.is_some_and(|session| shared.sessions.find(session, visible(peer)).is_err());
    answer(stream, &Reply::Done(String::new()));
    let tell = |notices: Vec<Notice>| {
        notices.into_iter().all(|notice| wire::send(stream, &Reply::Notice(Box::new(notice)), &[]).is_ok())
    };
    if !tell(past) || is_over {
        return Ok(None);
    }
    let mut fold = Fold::new(FOLDED);
    loop {
        let heard = subscription.receiver.recv_timeout(TAIL_TICK);
        // It may have been taken into a session since.
        shared.check_outside(peer, &BTreeSet::new())?;
        let mut notices = fold.due(Instant::now());
        match heard {
            Ok(notice) => notices.extend(fold.take(notice, Instant::now())),
            Err(RecvTimeoutError::Timeout) if hung_up(stream) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                notices.extend(fold.rest());
                tell(notices);
                return Ok(None);
            }
        }
        if !tell(notices) {
            return Ok(None);
        }
        let missed = subscription.missed();
        if missed > 0 {
            tracing::warn!(missed, "a listener does not keep up");
        }
    }
}

/// Whether the peer is gone.
fn hung_up(stream: &UnixStream) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut fds = [PollFd::new(stream, PollFlags::IN)];
    poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
}

/// Runs a reading command for a user who may not open the store: what it prints goes to the user's own descriptors.
fn read(shared: &Shared, peer: &Peer, args: Vec<String>, fds: Vec<OwnedFd>) -> Result<Reply, Refused> {
    let [out, err] = <[OwnedFd; 2]>::try_from(fds)
        .map_err(|_| Refused::new(Why::Protocol, "standard output and standard error are missing"))?;
    let failed = |e: std::io::Error| match e.kind() {
        ErrorKind::InvalidInput => Refused::new(Why::Protocol, "that command is not for reading"),
        _ => Refused::new(Why::Failed, format!("the command could not be run: {e}")),
    };
    let order = Order::Read { args, uid: peer.uid };
    let mut child = shared.starter.child(&order, &[out.as_fd(), err.as_fd()]).map_err(failed)?;
    // What it prints has an end where it does.
    drop((out, err));
    let status = child.wait().map_err(failed)?;
    Ok(Reply::Exited(status.code().unwrap_or(i32::from(u8::MAX))))
}
