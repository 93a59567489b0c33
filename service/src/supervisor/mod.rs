//! The supervisor: the one process of a machine with root's rights. It loads the kernel side with the first session,
//! guards every session, has a teller write down what they do, and answers the control socket.
//!
//! Threads: the pump empties the rings, and stays synchronous; the main thread accepts on the control socket, in a tokio
//! runtime; a connection is served on one of the runtime's blocking threads, since a session's connection lives as long
//! as the session and everything it asks for blocks on the kernel. A peer inside a session gets no thread: it is refused
//! where it is accepted.

mod admission;
mod armer;
mod attach;
mod begin;
mod calls;
mod client;
mod end;
mod exchange;
mod keys;
mod learn;
mod lease;
mod machine;
mod notices;
pub(crate) mod peer;
mod places;
mod pump;
mod requests;
mod retention;
mod rules;
mod running;
mod secrets;
mod sessions;
mod setup;
mod shared;
mod task;
mod tellers;
mod undo;

use crate::Error;
use crate::starter::Starter;
use armer::Armer;
use exchange::{SILENCE, UNREAD};
use learn::Learning;
use notices::Notices;
#[cfg(test)]
pub(crate) use notices::of_request;
use peer::Peer;
use places::PLACES;
pub use retention::Retention;
use sessions::Sessions;
pub use setup::{Baselines, Setup};
use shared::Shared;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tellers::Tellers;
use wire::{self, Refused, Reply, Why};

/// Processes and threads of a session, where nothing else is configured: no build has so many at a time, and the kernel side
/// knows four times as many processes, of all sessions together.
pub const PROCESSES_MAX: u32 = 16_384;

/// How often the main thread looks up from accepting: whether to end, and whether the keeper lives.
const TICK: Duration = Duration::from_millis(250);
/// Descriptors that it may have: root may raise the limit, and the kernel's own is a million.
const DESCRIPTORS: u64 = 1 << 18;
/// How long a supervisor that ends may take to detach its programs.
const HANDOVER: Duration = Duration::from_secs(8);

/// Serves until idle, told to stop, or for ever. Another supervisor of the same state directory is no error: then that
/// one serves.
pub fn serve(setup: Setup) -> Result<(), Error> {
    let Some(_lock) = lock(&setup)? else {
        tracing::debug!("another supervisor serves already");
        return Ok(());
    };
    #[expect(
        clippy::let_underscore_must_use,
        reason = "where it may not ask, the kernel may end it for want of memory, and the keeper ends the sessions"
    )]
    let _ = fs::write("/proc/self/oom_score_adj", "-1000");
    // Each session holds a hundred descriptors of what may have to be put back, and one of each object that it marks.
    let mut files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    files.maximum = files.maximum.map(|maximum| maximum.max(DESCRIPTORS));
    files.current = files.maximum;
    #[expect(clippy::let_underscore_must_use, reason = "fewer descriptors are fewer sessions")]
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, files);
    // Each session's threads would have memory of their own, and the allocator would keep it: a hundred MiB after some of them.
    // SAFETY: the call has no preconditions.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 2) };
    let starter = Arc::new(Starter::start(&setup.starter)?);
    calls::confine()?;
    let listeners = [listen(&setup.socket_of_root, 0o600)?, listen(&setup.socket, 0o666)?];
    let notices = Arc::new(Notices::default());
    let redactor = secrets::redactor(&setup.state)?;
    let shared = Arc::new(Shared {
        sessions: Arc::new(Sessions::new(Arc::clone(&notices), redactor)),
        notices,
        machine: Mutex::new(None),
        kernel: RwLock::new(None),
        starter,
        armer: Armer::default(),
        tellers: Tellers::default(),
        patience: Arc::default(),
        waiting: Mutex::default(),
        places: Arc::default(),
        learning: Learning::default(),
        stop: AtomicBool::new(false),
        setup,
    });
    tracing::info!(socket = %shared.setup.socket.display(), "serving");
    let accepted = accept_all(&shared, listeners);
    // From here on a client finds no socket and starts another supervisor, which waits for the lock's release.
    for socket in [&shared.setup.socket, &shared.setup.socket_of_root] {
        #[expect(clippy::let_underscore_must_use, reason = "a socket that is gone is not found either")]
        let _ = fs::remove_file(socket);
    }
    lease::unload(&shared);
    shared.notices.close();
    // A thread that a file system keeps from ending keeps what is shared.
    shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    tracing::info!("ended");
    accepted.map_err(|e| Error::file(&shared.setup.socket, "served", e))
}

/// Takes the lock; `None`: another supervisor serves. One that is just ending is waited for.
fn lock(setup: &Setup) -> Result<Option<File>, Error> {
    let path = &setup.lock;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| Error::file(path, "opened", e))?;
    let until = Instant::now() + HANDOVER;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) if UnixStream::connect(&setup.socket_of_root).is_ok() => {
                return Ok(None);
            }
            Err(fs::TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(10))
            }
            Err(e) => return Err(Error::file(path, "locked", std::io::Error::from(e))),
        }
    }
}

/// Binds a socket: who may ask for what is decided by who asks. Root has one of its own, so that however many connections of others
/// wait to be accepted, root's does not wait behind them.
fn listen(path: &Path, mode: u32) -> Result<UnixListener, Error> {
    #[expect(
        clippy::let_underscore_must_use,
        reason = "the lock is held: what lies there is of a supervisor that was killed, and what is in the way is told below"
    )]
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path).map_err(|e| Error::file(path, "bound", e))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .and_then(|()| listener.set_nonblocking(true))
        .map_err(|e| Error::file(path, "set up", e))?;
    Ok(listener)
}

/// Accepts until idle or told to stop: root's first.
fn accept_all(shared: &Arc<Shared>, listeners: [UnixListener; 2]) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(PLACES)
        .thread_name("peer")
        .build()?;
    let ended = runtime.block_on(async {
        let [of_root, of_all] = listeners.map(tokio::net::UnixListener::from_std);
        let (of_root, of_all) = (of_root?, of_all?);
        let mut tick = tokio::time::interval(TICK);
        let mut busy = Instant::now();
        let mut pruned: Option<Instant> = None;
        while !shared.stop.load(Ordering::Acquire) {
            let accepted = tokio::select! {
                biased;
                accepted = of_root.accept() => Some(accepted),
                // However many connect, what is looked after is looked after.
                _ = tick.tick() => None,
                accepted = of_all.accept() => Some(accepted),
            };
            if let Some(Ok(stream)) = accepted.map(|it| it.and_then(|(stream, _)| stream.into_std())) {
                accept(shared, stream);
                busy = Instant::now();
            }
            lease::look_after_starter(shared);
            lease::look_after_keeper(shared);
            lease::look_after_doorkeeper(shared);
            shared.tellers.look_after();
            let learns = shared.learning.look_after();
            if !shared.sessions.is_empty() || !shared.armer.is_idle() {
                busy = Instant::now();
            } else if learns && busy.elapsed() >= learn::QUIET {
                shared.learning.go_on(&shared.starter);
            } else if busy.elapsed() >= retention::QUIET
                && pruned.is_none_or(|pruned| pruned.elapsed() >= retention::INTERVAL)
            {
                pruned = Some(Instant::now());
                let shared = Arc::clone(shared);
                tokio::task::spawn_blocking(move || shared.setup.retention.keep_to(&shared.setup.state));
            }
            if !learns
                && shared.setup.idle.is_some_and(|idle| busy.elapsed() >= idle)
                && shared.sessions.close_if_empty()
            {
                tracing::info!("no session for a while");
                break;
            }
        }
        Ok(())
    });
    // Clients that still wait see their connection close.
    runtime.shutdown_background();
    ended
}

/// Gives a connection a thread, unless its peer is inside a session or there are too many.
fn accept(shared: &Arc<Shared>, stream: UnixStream) {
    let until = Instant::now() + SILENCE;
    let refuse = |refused: Refused| {
        #[expect(clippy::let_underscore_must_use, reason = "a client that is gone needs no answer")]
        let _ = wire::send(&stream, &Reply::from(refused), &[]);
    };
    let prepared = stream
        .set_nonblocking(false)
        .and_then(|()| stream.set_write_timeout(Some(UNREAD)))
        .and_then(|()| Ok(rustix::net::sockopt::set_socket_passcred(&stream, true)?));
    let peer = match Peer::of(&stream) {
        Ok(peer) if prepared.is_ok() => peer,
        _ => return,
    };
    if let Err(refused) = shared.check_outside(&peer, &BTreeSet::new()) {
        return refuse(refused);
    }
    let Some(place) = shared.places.take(peer.uid) else {
        return refuse(Refused::new(
            Why::Busy,
            "too many connections: end some of yours (each session and each `wardline tail` has one), or try again",
        ));
    };
    let serving = Arc::clone(shared);
    tokio::task::spawn_blocking(move || {
        requests::serve(&serving, &stream, &Arc::new(peer), until);
        drop(place);
    });
}
