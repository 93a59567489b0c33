//! A teller: the process that writes down what the sessions of one user do, as the supervisor tells it. It has root's uid,
//! since the store is root's, and none of root's capabilities: see [`confine`](confine::confine).
//!
//! It may be slow, stand still, and end. Nobody who decides waits for it: what it takes too late is counted and left out,
//! and what it had taken when it ended counts as lost, unless it had said that it was written.

mod confine;
mod kept;
pub mod process;
mod queue;

pub use kept::past;

use crate::Error;
use crate::starter::{self, Starter};
use guard::child::Child;
use queue::Queue;
use std::io::{self, ErrorKind, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use wire::Notice;
use wire::teller::{MAX_ORDER_BYTES, Order, Said, Start};

/// How long opening a store may take: an older one is migrated, and one that was left open is checked.
const OPENING: Duration = Duration::from_secs(120);
/// How long another process may hold the store, at the begin of a session.
const BEGINNING: Duration = Duration::from_secs(90);
/// How long what was told last may take to be written.
const ENDING: Duration = Duration::from_secs(10);
/// How long a killed process may take to be gone.
const DEATH: Duration = Duration::from_secs(1);
/// Between two tries to hand on what its socket has no room for.
const PATIENCE: Duration = Duration::from_millis(250);
/// Between two tries to start it again, at first and at most.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
const POLL: Duration = Duration::from_millis(2);

/// What is done with the pid of each new process, and of each that has ended.
type Protect = Box<dyn Fn(u32, bool) + Send + Sync>;

/// The supervisor's hold on a teller, which ends with it.
pub struct Teller {
    link: Arc<Link>,
    thread: Option<JoinHandle<()>>,
}

struct Link {
    starter: Arc<Starter>,
    start: Start,
    queue: Queue,
    /// The process that runs; 0: none.
    pid: AtomicU32,
    protect: Protect,
}

/// A teller that runs, and has opened the store.
struct Running {
    child: Child,
    stream: UnixStream,
}

impl Teller {
    /// Starts one; the store is open when this returns. `protect` is told of each of its processes.
    pub(crate) fn start(starter: &Arc<Starter>, start: Start, protect: Protect) -> Result<Self, Error> {
        let queue = Queue::default();
        let starter = Arc::clone(starter);
        let link = Arc::new(Link { starter, start, queue, pid: AtomicU32::new(0), protect });
        let running = link.spawn()?;
        let keeping = Arc::clone(&link);
        let thread = std::thread::Builder::new()
            .name("teller".into())
            .spawn(move || keeping.keep(running))
            .map_err(|e| Error::io("a thread could not be started", e))?;
        Ok(Self { link, thread: Some(thread) })
    }

    /// Its process; `None` while there is none.
    pub fn pid(&self) -> Option<u32> {
        Some(self.link.pid.load(Ordering::Acquire)).filter(|pid| *pid != 0)
    }

    /// Begins a session; its number.
    pub fn begin(&self, meta: event::SessionMeta) -> Result<i64, Error> {
        self.link.queue.begin(meta, BEGINNING)
    }

    /// Waits until all that was told before is written.
    pub fn flush(&self) -> Result<(), Error> {
        self.link.queue.flush(ENDING)
    }

    /// Keeps a notice. Never waits.
    pub fn notice(&self, notice: &Notice) {
        self.link.queue.notice(notice);
    }
}

impl guard::session::Teller for Teller {
    fn hand_on(&self, order: Order) -> Option<Order> {
        self.link.queue.hand_on(order)
    }

    fn is_past(&self, session: i64) -> bool {
        self.link.queue.is_past(session)
    }

    fn lost(&self, session: i64) -> u64 {
        self.link.queue.lost(session)
    }

    fn failure(&self) -> Option<String> {
        self.link.queue.failure()
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.link.queue.close(ENDING);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("what speaks with a teller panicked");
        }
    }
}

impl Link {
    /// Starts the process, and waits until the store is open.
    fn spawn(&self) -> Result<Running, Error> {
        let wrong = |e: io::Error| Error::io("what writes sessions down cannot be started", e);
        let (stream, other) = UnixStream::pair().map_err(wrong)?;
        let child = self.starter.child(&starter::Order::Teller, &[other.as_fd()]).map_err(wrong)?;
        drop(other);
        (self.protect)(child.id(), true);
        let heard = wire::send(&stream, &self.start, &[]).and_then(|()| {
            stream.set_read_timeout(Some(OPENING))?;
            let said = wire::receive::<Said>(&stream, MAX_ORDER_BYTES)?;
            stream.set_read_timeout(None)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(said)
        });
        let why = match heard {
            Ok(Some((Said::Ready, _))) => {
                self.pid.store(child.id(), Ordering::Release);
                return Ok(Running { child, stream });
            }
            Ok(Some((Said::Failed(why), _))) => Error::Teller(why),
            Ok(_) => wrong(wire::Error::Cut.into()),
            Err(e) => wrong(e.into()),
        };
        self.gone(child);
        Err(why)
    }

    /// Ends a process, and says how it ended. One that a disk keeps from ending is waited for by nobody who has something
    /// else to do.
    fn gone(&self, mut child: Child) -> Option<ExitStatus> {
        #[expect(clippy::let_underscore_must_use, reason = "who is gone already needs no signal")]
        let _ = child.kill();
        wait_until(&mut child, Some(Instant::now() + DEATH));
        (self.protect)(child.id(), false);
        let ended = child.try_wait().ok().flatten();
        if ended.is_none() {
            let reaped = std::thread::Builder::new().name("teller-ends".into()).spawn(move || child.wait());
            if let Err(error) = reaped {
                tracing::error!(%error, "a teller that does not end is not waited for");
            }
        }
        ended
    }

    /// Hands on what is told, and starts the process again when it has ended, until it is to end or cannot write any more.
    fn keep(self: Arc<Self>, mut running: Running) {
        let mut pause = AGAIN.0;
        loop {
            let began = Instant::now();
            self.serve(&mut running);
            self.pid.store(0, Ordering::Release);
            let pid = running.child.id();
            let ended = self.gone(running.child);
            if self.queue.is_done() {
                return;
            }
            if began.elapsed() > AGAIN.1 {
                pause = AGAIN.0;
            }
            tracing::error!(pid, status = ?ended, "a teller is gone: it is started again");
            running = loop {
                std::thread::sleep(pause);
                pause = (pause * 2).min(AGAIN.1);
                match self.spawn() {
                    Ok(running) => break running,
                    // Nothing of it is left to be written.
                    Err(_) if self.queue.is_done() => return,
                    Err(error) => tracing::error!(%error, "a teller could not be started"),
                }
            };
        }
    }

    /// Speaks with one process until it has ended, or is to end.
    fn serve(self: &Arc<Self>, running: &mut Running) {
        let Ok(hearing) = running.stream.try_clone() else { return };
        let heard = Arc::clone(self);
        let listener = std::thread::Builder::new().name("teller-hears".into()).spawn(move || {
            while let Ok(Some((said, _))) = wire::receive::<Said>(&hearing, MAX_ORDER_BYTES) {
                heard.queue.hear(said);
            }
            heard.queue.gone();
            #[expect(
                clippy::let_underscore_must_use,
                reason = "a write that waits for room ends; who is gone is shut already"
            )]
            let _ = hearing.shutdown(Shutdown::Both);
        });
        let Ok(listener) = listener else { return self.queue.gone() };
        while let Some(order) = self.queue.next() {
            if let Err(error) = self.hand_over(&running.stream, &order) {
                tracing::debug!(%error, "a teller takes nothing any more");
                break;
            }
        }
        // It ends by itself then, when all is written.
        #[expect(clippy::let_underscore_must_use, reason = "who is gone is shut already")]
        let _ = running.stream.shutdown(Shutdown::Write);
        if self.queue.closed_until().is_none() {
            #[expect(clippy::let_underscore_must_use, reason = "who is gone is shut already")]
            let _ = running.stream.shutdown(Shutdown::Both);
        }
        wait_until(&mut running.child, self.queue.closed_until());
        #[expect(clippy::let_underscore_must_use, reason = "who is gone already needs no signal")]
        let _ = running.child.kill();
        #[expect(clippy::let_underscore_must_use, reason = "who is gone is shut already")]
        let _ = running.stream.shutdown(Shutdown::Both);
        #[expect(clippy::let_underscore_must_use, reason = "a thread that panicked has said so")]
        let _ = listener.join();
        self.queue.lose();
    }

    /// Writes a whole frame, however long its reader takes, unless it is to end and does not.
    fn hand_over(&self, mut stream: &UnixStream, order: &Order) -> io::Result<()> {
        let frame = match order {
            Order::Captured(..) => wire::terse(order)?,
            _ => wire::named(order)?,
        };
        let mut sent = 0;
        while let Some(rest) = frame.get(sent..).filter(|rest| !rest.is_empty()) {
            match stream.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => sent += bytes,
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if self.queue.closed_until().is_some_and(|until| Instant::now() >= until) {
                        return Err(e);
                    }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// Waits until then for the end of a process.
fn wait_until(child: &mut Child, until: Option<Instant>) {
    while until.is_some_and(|until| Instant::now() < until) && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(POLL);
    }
}
