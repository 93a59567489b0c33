//! What a session writes to the store: in batches, since a message for each system call would cost more than the call.

use event::{Captured, Loss, Segment, Summary};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Alert, SessionId, Writer, WriterMessage};

/// Captured things that one message carries: a hundredth of a second of a busy session.
const BATCH: usize = 512;

/// How long a message that is not full waits for more: the writer commits twice a second, and waking it for less takes time
/// from whoever is watched.
const HOLD: Duration = Duration::from_millis(50);

/// Messages that a session keeps while the writer takes none: some 16 MB of operations. What comes then is counted, and not kept:
/// a disk may stand still for as long as it likes, and whoever decides waits for none.
const WAITING: usize = 64;
/// Between two looks whether it takes something.
const PAUSE: Duration = Duration::from_millis(1);
/// How long a writer that is only busy is waited for; far less than the deadline past which sessions stand still.
const PATIENCE: Duration = Duration::from_millis(50);

/// The store's side of a session.
pub struct Recording {
    writer: Arc<Writer>,
    id: SessionId,
    batch: Vec<Captured>,
    /// When the first of the batch came.
    since: Instant,
    explained: HashSet<u32>,
    /// What the writer has no room for.
    waiting: VecDeque<WriterMessage>,
    /// The writer takes nothing, for longer than [`PATIENCE`].
    stalled: bool,
    /// What came while too much waited already.
    left_out: u64,
    /// What came past the limit of the store, and was only counted.
    unstored: u64,
    past: bool,
    failed: Option<store::Error>,
}

impl Recording {
    /// Of a session that has begun.
    pub fn new(writer: Arc<Writer>, id: SessionId) -> Self {
        let batch = Vec::with_capacity(BATCH);
        Self {
            writer,
            id,
            batch,
            since: Instant::now(),
            explained: HashSet::new(),
            waiting: VecDeque::new(),
            stalled: false,
            left_out: 0,
            unstored: 0,
            past: false,
            failed: None,
        }
    }

    /// The session's number in the store.
    pub fn id(&self) -> SessionId {
        self.id
    }

    pub(super) fn take(&mut self, captured: Captured) {
        let decided = match &captured {
            Captured::Event(event) => event.decision.is_some(),
            Captured::Syscall(_) => false,
            Captured::Loss(_) => true,
        };
        if self.past && !decided {
            self.unstored += 1;
            return;
        }
        if self.batch.is_empty() {
            self.since = Instant::now();
        }
        self.batch.push(captured);
        if self.batch.len() >= BATCH {
            self.flush();
        }
    }

    /// Hands on what has waited for long enough.
    pub(super) fn flush_aged(&mut self) {
        if self.since.elapsed() >= HOLD {
            self.flush();
        }
        self.hand_on();
    }

    /// Hands on what waits.
    fn flush(&mut self) {
        if !self.batch.is_empty() {
            let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
            self.send(WriterMessage::Batch(self.id, batch));
            self.past = self.writer.is_past(self.id);
        }
    }

    pub(crate) fn segment(&mut self, segment: Segment) {
        self.flush();
        self.send(WriterMessage::Segment(self.id, segment));
    }

    pub(super) fn alert(&mut self, alert: Alert) {
        self.send(WriterMessage::Alert(self.id, alert));
    }

    /// Keeps what a reason's number means, once.
    pub(super) fn reason(&mut self, number: u32, text: &str) {
        if self.explained.insert(number) {
            self.send(WriterMessage::Reason(self.id, number, text.to_owned()));
        }
    }

    pub(super) fn end(&mut self, summary: Summary) {
        self.flush();
        let count = self.unstored + self.left_out;
        if count > 0 {
            let loss = Loss { time_ns: super::boot_ns(), cpu: 0, kind: Loss::UNSTORED, count };
            self.waiting.push_back(WriterMessage::Captured(self.id, Captured::Loss(loss)));
        }
        self.waiting.push_back(WriterMessage::End(self.id, summary));
        // Nobody decides here any more, and so this may wait for the disk.
        for message in std::mem::take(&mut self.waiting) {
            if self.failed.is_none()
                && let Err(e) = self.writer.send(message)
            {
                self.fail(e);
            }
        }
    }

    /// What was only counted since the store's limit was met; `None`: all was handed on.
    pub(super) fn unstored(&self) -> Option<u64> {
        self.past.then_some(self.unstored)
    }

    /// What was not kept since the writer took nothing.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The first error, if there was one: from then on nothing is written, and nothing else stops.
    pub(super) fn error(&self) -> Option<&store::Error> {
        self.failed.as_ref()
    }

    fn send(&mut self, message: WriterMessage) {
        if self.failed.is_some() {
            return;
        }
        match &message {
            WriterMessage::Batch(_, batch) if self.waiting.len() >= WAITING => {
                self.left_out += batch.len() as u64;
            }
            WriterMessage::Alert(..) if self.waiting.len() >= WAITING => self.left_out += 1,
            _ => self.waiting.push_back(message),
        }
        self.hand_on();
    }

    /// Gives the writer what waits for it, as far as it takes it.
    fn hand_on(&mut self) {
        let mut waited = Duration::ZERO;
        while let Some(message) = self.waiting.pop_front() {
            match self.writer.try_send(message) {
                Ok(None) => self.stalled = false,
                Ok(Some(message)) => {
                    self.waiting.push_front(message);
                    if self.stalled || waited >= PATIENCE {
                        self.stalled = true;
                        return;
                    }
                    std::thread::sleep(PAUSE);
                    waited += PAUSE;
                }
                Err(e) => self.fail(e),
            }
        }
    }

    fn fail(&mut self, e: store::Error) {
        tracing::error!(session = %self.id, error = %e, "the session is no longer written down");
        self.failed = Some(e);
        self.waiting.clear();
    }
}
