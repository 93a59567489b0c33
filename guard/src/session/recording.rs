//! What a session writes to the store: in batches, since a message for each system call would cost more than the call.

use event::{Captured, Loss, Segment, Summary};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Alert, SessionId, Writer, WriterMessage};

/// Captured things that one message carries: a hundredth of a second of a busy session.
const BATCH: usize = 512;

/// How long a message that is not full waits for more: the writer commits twice a second, and waking it for less takes time
/// from whoever is watched.
const HOLD: Duration = Duration::from_millis(50);

/// The store's side of a session.
pub struct Recording {
    writer: Arc<Writer>,
    id: SessionId,
    batch: Vec<Captured>,
    /// When the first of the batch came.
    since: Instant,
    explained: HashSet<u32>,
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
        if self.unstored > 0 {
            let (time_ns, count) = (super::boot_ns(), self.unstored);
            self.batch.push(Captured::Loss(Loss { time_ns, cpu: 0, kind: Loss::UNSTORED, count }));
        }
        self.flush();
        self.send(WriterMessage::End(self.id, summary));
    }

    /// What was only counted since the store's limit was met; `None`: all was handed on.
    pub(super) fn unstored(&self) -> Option<u64> {
        self.past.then_some(self.unstored)
    }

    /// The first error, if there was one: from then on nothing is written, and nothing else stops.
    pub(super) fn error(&self) -> Option<&store::Error> {
        self.failed.as_ref()
    }

    fn send(&mut self, message: WriterMessage) {
        if self.failed.is_none()
            && let Err(e) = self.writer.send(message)
        {
            tracing::error!(session = %self.id, error = %e, "the session is no longer written down");
            self.failed = Some(e);
        }
    }
}
