//! What a session has written down: in batches, since a message for each system call would cost more than the call.

use event::{Alert, Captured, Loss, Segment, Summary};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::teller::Order;

/// Captured things that one message carries: a hundredth of a second of a busy session.
const BATCH: usize = 512;

/// How long a message that is not full waits for more: the store is committed twice a second, and waking whoever writes for
/// less takes time from whoever is watched.
const HOLD: Duration = Duration::from_millis(50);

/// Messages that a session keeps while the teller takes none: some 16 MB of operations. What comes then is counted, and not
/// kept: it may stand still for as long as it likes, and whoever decides waits for none.
const WAITING: usize = 64;
/// Between two looks whether it takes something.
const PAUSE: Duration = Duration::from_millis(1);
/// How long a teller that is only busy is waited for; far less than the deadline past which sessions stand still.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long the last messages of a session wait, when nobody decides about it any more.
const LAST: Duration = Duration::from_secs(10);

/// Who writes sessions down. It may be slow, stand still, end and come back: nothing here waits for it.
pub trait Teller: Send + Sync {
    /// Hands an order on. `Some`: there is no room, and here it is again.
    fn hand_on(&self, order: Order) -> Option<Order>;
    /// Whether a session has met the limit of the store: what was not decided about it is only counted.
    fn is_past(&self, session: i64) -> bool;
    /// Records of a session that were handed on, and may not have been written when the teller ended.
    fn lost(&self, session: i64) -> u64;
    /// Why nothing is written any more; `None`: it is, or will be.
    fn failure(&self) -> Option<String>;
}

/// What is to be told of a session.
pub struct Recording {
    teller: Arc<dyn Teller>,
    id: i64,
    batch: Vec<Captured>,
    /// When the first of the batch came.
    since: Instant,
    explained: HashSet<u32>,
    /// What the teller has no room for.
    waiting: VecDeque<Order>,
    /// The teller takes nothing, for longer than [`PATIENCE`].
    stalled: bool,
    /// What came while too much waited already.
    left_out: u64,
    /// What came past the limit of the store, and was only counted.
    unstored: u64,
    past: bool,
}

impl Recording {
    /// Of a session that has begun, by its number in the store.
    pub fn new(teller: Arc<dyn Teller>, id: i64) -> Self {
        let batch = Vec::with_capacity(BATCH);
        Self {
            teller,
            id,
            batch,
            since: Instant::now(),
            explained: HashSet::new(),
            waiting: VecDeque::new(),
            stalled: false,
            left_out: 0,
            unstored: 0,
            past: false,
        }
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
            self.send(Order::Captured(self.id, batch));
            self.past = self.teller.is_past(self.id);
        }
    }

    pub(crate) fn segment(&mut self, segment: Segment) {
        self.flush();
        self.send(Order::Segment(self.id, segment));
    }

    pub(super) fn alert(&mut self, alert: Alert) {
        self.send(Order::Alert(self.id, alert));
    }

    /// Keeps what a reason's number means, once.
    pub(super) fn reason(&mut self, number: u32, text: &str) {
        if self.explained.insert(number) {
            self.send(Order::Reason(self.id, number, text.to_owned()));
        }
    }

    /// Hands on the last of it. Nobody decides here any more, and so this may wait.
    pub(super) fn end(&mut self, summary: Summary) {
        self.flush();
        let count = self.missing();
        if count > 0 {
            let loss = Loss { time_ns: super::boot_ns(), cpu: 0, kind: Loss::UNSTORED, count };
            self.waiting.push_back(Order::Captured(self.id, vec![Captured::Loss(loss)]));
        }
        self.waiting.push_back(Order::End(self.id, summary));
        let until = Instant::now() + LAST;
        self.hand_on();
        while !self.waiting.is_empty() && Instant::now() < until {
            std::thread::sleep(PAUSE);
            self.hand_on();
        }
    }

    /// What was only counted since the store's limit was met; `None`: all was handed on.
    pub(super) fn unstored(&self) -> Option<u64> {
        self.past.then_some(self.unstored)
    }

    /// What was not kept since the teller took nothing.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// What a teller had taken when it ended, and may not have written.
    pub(super) fn lost(&self) -> u64 {
        self.teller.lost(self.id)
    }

    /// All that is not in the store, or may not be.
    pub(super) fn missing(&self) -> u64 {
        self.unstored + self.left_out + self.lost()
    }

    /// Why nothing more is written, if so: nothing else stops.
    pub(super) fn failure(&self) -> Option<String> {
        self.teller.failure()
    }

    fn send(&mut self, order: Order) {
        match &order {
            Order::Captured(_, batch) if self.waiting.len() >= WAITING => {
                self.left_out += batch.len() as u64;
            }
            Order::Alert(..) if self.waiting.len() >= WAITING => self.left_out += 1,
            _ => self.waiting.push_back(order),
        }
        self.hand_on();
    }

    /// Gives the teller what waits for it, as far as it takes it.
    fn hand_on(&mut self) {
        let mut waited = Duration::ZERO;
        while let Some(order) = self.waiting.pop_front() {
            let Some(order) = self.teller.hand_on(order) else {
                self.stalled = false;
                continue;
            };
            self.waiting.push_front(order);
            if self.stalled || waited >= PATIENCE {
                self.stalled = true;
                return;
            }
            std::thread::sleep(PAUSE);
            waited += PAUSE;
        }
    }
}
