//! A recorder on its own thread, behind a bounded channel.

use crate::quota::{Past, Quota};
use crate::{Error, Recorder, Result, SessionId};
use event::{Alert, Captured, Segment, SessionMeta, Summary};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Messages that wait: batches of 512, so about a fifth of a second at 300,000 events a second, some 10 MB.
const CHANNEL_MESSAGES: usize = 128;

/// What a crash may cost.
const FLUSH_INTERVAL: Duration = Duration::from_millis(500);

/// Waits for another process's lock, each of ten seconds, after which the writer gives up.
const BUSY_TRIES: usize = 6;

/// What a [`Writer`] is told; the counterparts of the methods of [`Recorder`].
#[derive(Clone, Debug)]
pub enum WriterMessage {
    /// What the kernel said.
    Captured(SessionId, Captured),
    /// The same for many at once, which costs the channel only once.
    Batch(SessionId, Vec<Captured>),
    /// A segment began.
    Segment(SessionId, Segment),
    /// Something that the user should see.
    Alert(SessionId, Alert),
    /// What a reason number means.
    Reason(SessionId, u32, String),
    /// The session ended.
    End(SessionId, Summary),
}

enum Command {
    Message(WriterMessage),
    Begin(Box<SessionMeta>, SyncSender<Result<SessionId>>),
    Flush(SyncSender<Result<()>>),
    /// Sent by the drop of the writer, since clones of the sender's end may live in other threads' hands.
    Close,
}

/// Writes a store from a thread of its own, `store-writer`, which commits at least each 500 ms.
///
/// Shared by reference: every method but [`Writer::close`] takes `&self`. When the store is slower than its senders they wait,
/// or keep what there is no room for ([`Writer::try_send`]); nothing is thrown away here. The first error stops the thread and is returned by every later call.
pub struct Writer {
    path: PathBuf,
    commands: SyncSender<Command>,
    failed: Arc<OnceLock<Error>>,
    past: Arc<Past>,
    written: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Opens the store as [`Recorder::open`] does, and starts the thread.
    pub fn open(path: impl AsRef<Path>) -> Result<Writer> {
        Self::start(Recorder::open(path)?)
    }

    /// The same with a limit for its sessions.
    pub fn limited(path: impl AsRef<Path>, quota: Quota) -> Result<Writer> {
        let mut recorder = Recorder::open(path)?;
        recorder.set_quota(quota);
        Self::start(recorder)
    }

    /// Moves a recorder to a thread of its own.
    pub fn start(recorder: Recorder) -> Result<Writer> {
        let path = recorder.path().to_path_buf();
        let past = recorder.past();
        let (commands, receiver) = sync_channel(CHANNEL_MESSAGES);
        let failed = Arc::new(OnceLock::new());
        let written = Arc::new(AtomicU64::new(0));
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn({
                let (failed, written) = (Arc::clone(&failed), Arc::clone(&written));
                move || run(recorder, &receiver, &failed, &written)
            })
            .map_err(|error| Error::Io { path: path.clone(), detail: error.to_string() })?;
        Ok(Writer { path, commands, failed, past, written, thread: Some(thread) })
    }

    /// The store's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a session; committed on return.
    pub fn begin_session(&self, meta: SessionMeta) -> Result<SessionId> {
        self.ask(|reply| Command::Begin(Box::new(meta), reply))
    }

    /// Hands on a message, and waits for room where there is none. That it is accepted does not say that it is stored:
    /// [`Writer::flush`] and [`Writer::close`] do.
    pub fn send(&self, message: WriterMessage) -> Result<()> {
        self.command(Command::Message(message))
    }

    /// Hands on a message if there is room for it, and waits for nothing. `Some`: there is none, and here it is again.
    pub fn try_send(&self, message: WriterMessage) -> Result<Option<WriterMessage>> {
        if let Some(error) = self.failed.get() {
            return Err(error.clone());
        }
        match self.commands.try_send(Command::Message(message)) {
            Ok(()) => Ok(None),
            Err(TrySendError::Full(Command::Message(message))) => Ok(Some(message)),
            Err(_) => Err(self.ended()),
        }
    }

    /// Commits all that was sent before, by this thread or, in the order of the channel, by others.
    pub fn flush(&self) -> Result<()> {
        self.ask(Command::Flush)
    }

    /// Whether a session is past a limit: what was not decided about it is only counted.
    pub fn is_past(&self, id: SessionId) -> bool {
        self.past.has(id)
    }

    /// How many messages are in the file: what was sent after them may be lost with this process.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// The error that stopped the writer, if one did.
    pub fn error(&self) -> Option<Error> {
        self.failed.get().cloned()
    }

    /// Commits what was sent and ends the thread.
    pub fn close(mut self) -> Result<()> {
        let flushed = self.flush();
        self.join();
        flushed
    }

    fn command(&self, command: Command) -> Result<()> {
        if let Some(error) = self.failed.get() {
            return Err(error.clone());
        }
        self.commands.send(command).map_err(|_| self.ended())
    }

    fn ask<T>(&self, command: impl FnOnce(SyncSender<Result<T>>) -> Command) -> Result<T> {
        let (reply, answer) = sync_channel(1);
        self.command(command(reply))?;
        answer.recv().map_err(|_| self.ended())?
    }

    fn ended(&self) -> Error {
        self.failed.get().cloned().unwrap_or_else(|| Error::Closed { path: self.path.clone() })
    }

    fn join(&mut self) {
        #[expect(clippy::let_underscore_must_use, reason = "an error says that the thread has ended already")]
        let _ = self.commands.send(Command::Close);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(path = %self.path.display(), "the writer of the store panicked");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.join();
        }
    }
}

/// The thread. Ends when it is told to, or at the first error, which it leaves in `failed`.
fn run(mut recorder: Recorder, commands: &Receiver<Command>, failed: &OnceLock<Error>, written: &AtomicU64) {
    let (mut flushed, mut taken) = (Instant::now(), 0);
    loop {
        let wait = FLUSH_INTERVAL.saturating_sub(flushed.elapsed());
        let (done, end) = match commands.recv_timeout(wait) {
            Ok(Command::Message(message)) => {
                taken += 1;
                (handle(&mut recorder, &message), false)
            }
            Ok(Command::Begin(meta, reply)) => {
                (answer(retry(|| recorder.begin_session(&meta)), &reply), false)
            }
            Ok(Command::Flush(reply)) => {
                let done = retry(|| recorder.flush());
                if done.is_ok() {
                    written.store(taken, Ordering::Release);
                }
                (answer(done, &reply), false)
            }
            Ok(Command::Close) | Err(RecvTimeoutError::Disconnected) => (retry(|| recorder.flush()), true),
            Err(RecvTimeoutError::Timeout) => (Ok(()), false),
        };
        let due = flushed.elapsed() >= FLUSH_INTERVAL;
        let done = if done.is_ok() && due { retry(|| recorder.flush()) } else { done };
        if due {
            flushed = Instant::now();
            if done.is_ok() {
                written.store(taken, Ordering::Release);
            }
        }
        if let Err(error) = done {
            // Set before the channel closes: whoever finds it closed finds the reason.
            #[expect(clippy::let_underscore_must_use, reason = "this thread alone sets it, and ends by it")]
            let _ = failed.set(error);
            return;
        }
        if end {
            return;
        }
    }
}

/// Sends a result to who asked; an error also ends the thread.
fn answer<T>(result: Result<T>, reply: &SyncSender<Result<T>>) -> Result<()> {
    let failed = result.as_ref().err().cloned();
    #[expect(clippy::let_underscore_must_use, reason = "who asked may have gone")]
    let _ = reply.send(result);
    failed.map_or(Ok(()), Err)
}

fn handle(recorder: &mut Recorder, message: &WriterMessage) -> Result<()> {
    match message {
        WriterMessage::Captured(id, captured) => retry(|| recorder.write(*id, captured)),
        WriterMessage::Batch(id, batch) => {
            batch.iter().try_for_each(|captured| retry(|| recorder.write(*id, captured)))
        }
        WriterMessage::Segment(id, segment) => retry(|| recorder.segment(*id, segment)),
        WriterMessage::Alert(id, alert) => retry(|| recorder.alert(*id, alert)),
        WriterMessage::Reason(id, number, text) => retry(|| recorder.reason(*id, *number, text)),
        WriterMessage::End(id, summary) => retry(|| recorder.end_session(*id, summary)),
    }
}

/// Repeats a call that found the store locked.
fn retry<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    let mut tries = 1;
    loop {
        match call() {
            Err(Error::Busy { .. }) if tries < BUSY_TRIES => tries += 1,
            result => return result,
        }
    }
}
