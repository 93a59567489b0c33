//! The process itself: it obeys orders until the supervisor's end of its socket is closed, and then ends when all is written.

use super::confine::{confine, shut_in};
use super::kept::Kept;
use crate::Error;
use std::collections::HashSet;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::{Quota, SessionId, Writer, WriterMessage};
use wire::teller::{MAX_ORDER_BYTES, Order, Said, Start};

/// The store of a user, in the user's directory.
pub const STORE: &str = "sessions.db";
/// Between two looks at what is written, and at notices that are due.
const TICK: Duration = Duration::from_millis(100);

/// A teller's whole life. Its standard input is the supervisor.
pub fn run() -> Result<(), Error> {
    let wrong = |e: io::Error| Error::io("the supervisor cannot be heard", e);
    let control = io::stdin().as_fd().try_clone_to_owned().map_err(wrong)?;
    let control = UnixStream::from(control);
    let Some((start, _)) = wire::receive::<Start>(&control, MAX_ORDER_BYTES)? else {
        return Ok(());
    };
    #[expect(
        clippy::let_underscore_must_use,
        reason = "unlike who decides, it may be what the system ends when memory is short; where it cannot ask, it is not"
    )]
    let _ = std::fs::write("/proc/self/oom_score_adj", "0");
    let saying = Saying { control: Mutex::new(control.try_clone().map_err(wrong)?) };
    shut_in(&start.directory).map_err(|e| Error::file(&start.directory, "entered", e))?;
    let quota = Quota { session_bytes: start.session_bytes, day_bytes: start.day_bytes };
    let known = start.directory.join(STORE);
    let writer = match Writer::limited(Path::new("/").join(STORE), quota) {
        Ok(writer) => writer,
        Err(error) => {
            saying.say(&Said::Failed(error.at(&known).to_string()));
            return Ok(());
        }
    };
    let teller = Arc::new(Teller {
        writer,
        known: known.into(),
        kept: Mutex::new(Kept::new("/".into())),
        saying,
        past: Mutex::default(),
        over: AtomicBool::new(false),
    });
    let looking = Arc::clone(&teller);
    let looks = std::thread::Builder::new()
        .name("looks".into())
        .spawn(move || looking.look())
        .map_err(|e| Error::io("a thread could not be started", e))?;
    confine().map_err(|e| Error::io("what it need not do could not be given up", e))?;
    teller.saying.say(&Said::Ready);
    let mut heard = Ok(());
    loop {
        match wire::receive::<Order>(&control, MAX_ORDER_BYTES) {
            Ok(Some((order, _))) => {
                if let Err(error) = teller.obey(order) {
                    teller.fail(error);
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => {
                heard = Err(error.into());
                break;
            }
        }
    }
    teller.over.store(true, Ordering::Release);
    #[expect(clippy::let_underscore_must_use, reason = "a thread that panicked has said so")]
    let _ = looks.join();
    teller.end();
    heard
}

/// What is said to the supervisor; one who is gone hears nothing.
struct Saying {
    control: Mutex<UnixStream>,
}

impl Saying {
    fn say(&self, said: &Said) {
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        #[expect(clippy::let_underscore_must_use, reason = "a supervisor that is gone is heard by who reads")]
        let _ = wire::send(&control, said, &[]);
    }
}

struct Teller {
    writer: Writer,
    /// The store, as others know it.
    known: Box<Path>,
    kept: Mutex<Kept>,
    saying: Saying,
    /// Sessions that are past their limit, and of which that was said.
    past: Mutex<HashSet<i64>>,
    over: AtomicBool,
}

impl Teller {
    fn obey(&self, order: Order) -> store::Result<()> {
        let message = match order {
            Order::Begin(order, meta) => {
                let SessionId(number) = self.writer.begin_session(*meta)?;
                self.saying.say(&Said::Begun(order, number));
                return Ok(());
            }
            Order::Flush => {
                self.writer.flush()?;
                self.saying.say(&Said::Written(self.writer.written()));
                return Ok(());
            }
            Order::Notice(notice) => {
                self.kept().take(notice);
                return Ok(());
            }
            Order::Captured(id, records) => {
                let id = SessionId(id);
                self.writer.send(WriterMessage::Batch(id, records))?;
                // Found behind what was sent before: the writer has a thread of its own.
                if self.writer.is_past(id) && self.past().insert(id.0) {
                    self.saying.say(&Said::Past(id.0));
                }
                return Ok(());
            }
            Order::Segment(id, segment) => WriterMessage::Segment(SessionId(id), segment),
            Order::Alert(id, alert) => WriterMessage::Alert(SessionId(id), alert),
            Order::Reason(id, number, text) => WriterMessage::Reason(SessionId(id), number, text),
            Order::End(id, summary) => WriterMessage::End(SessionId(id), summary),
        };
        self.writer.send(message)
    }

    /// Says what is written, and keeps notices that are due, until it is over.
    fn look(&self) {
        let mut said = 0;
        while !self.over.load(Ordering::Acquire) {
            std::thread::sleep(TICK);
            let written = self.writer.written();
            if written != said {
                said = written;
                self.saying.say(&Said::Written(written));
            }
            if let Some(error) = self.writer.error() {
                return self.fail(error);
            }
            self.kept().look();
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn past(&self) -> std::sync::MutexGuard<'_, HashSet<i64>> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, error: store::Error) {
        self.saying.say(&Said::Failed(error.at(&self.known).to_string()));
    }

    /// Writes what waits.
    fn end(&self) {
        self.kept().rest();
        match self.writer.flush() {
            Ok(()) => self.saying.say(&Said::Written(self.writer.written())),
            Err(error) => self.fail(error),
        }
    }
}
