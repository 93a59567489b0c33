//! Sends a session's records in batches, since a message for each system call would cost more than the call.

use event::{Alert, Captured, Loss, Segment, Summary};
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use wire::teller::Order;

/// Captured things that one message carries: a hundredth of a second of a busy session.
const BATCH: usize = 512;

/// How long a message that is not full waits for more: the store is committed twice a second, and waking whoever writes for
/// less takes time from whoever is watched.
const HOLD: Duration = Duration::from_millis(50);

/// Messages that a session keeps while the teller takes none, and bytes of them. What comes then is counted, and not kept:
/// the teller may stand still for as long as it likes, and whoever decides waits for none.
const WAITING: usize = 1024;
const WAITING_BYTES: usize = 32 << 20;
/// Between two looks whether it takes something.
const PAUSE: Duration = Duration::from_millis(1);
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

/// How long tellers that are only busy are waited for: by all sessions together, so that however many there are, whoever
/// decides is not late.
#[derive(Default)]
pub struct Patience(Mutex<Waited>);

#[derive(Default)]
struct Waited {
    since: Option<Instant>,
    time: Duration,
}

impl Patience {
    /// What may be waited of any [`Patience::WINDOW`]: at most twice as long at a stretch, which is less than half of the
    /// deadline past which sessions stand still.
    const MOST: Duration = Duration::from_millis(50);
    const WINDOW: Duration = Duration::from_millis(250);

    /// Waits for a moment; `false`: it was waited for long enough.
    fn pause(&self) -> bool {
        let began = Instant::now();
        let mut waited = self.waited();
        if waited.since.is_none_or(|since| since.elapsed() >= Self::WINDOW) {
            *waited = Waited { since: Some(began), time: Duration::ZERO };
        }
        if waited.time >= Self::MOST {
            return false;
        }
        drop(waited);
        std::thread::sleep(PAUSE);
        self.waited().time += began.elapsed();
        true
    }

    fn waited(&self) -> MutexGuard<'_, Waited> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is to be told of a session.
pub struct Recording {
    teller: Arc<dyn Teller>,
    id: i64,
    patience: Arc<Patience>,
    batch: Vec<Captured>,
    /// When the first of the batch came.
    since: Instant,
    explained: HashSet<u32>,
    /// What the teller has no room for, and how many bytes.
    waiting: VecDeque<Order>,
    waiting_bytes: usize,
    /// The teller took nothing when it was waited for last: it is not waited for again until it does.
    stalled: bool,
    /// What came while too much waited already.
    left_out: u64,
    /// What came past the limit of the store, and was only counted.
    unstored: u64,
    past: bool,
}

impl Recording {
    /// Of a session that has begun, by its number in the store.
    pub fn new(teller: Arc<dyn Teller>, id: i64, patience: Arc<Patience>) -> Self {
        let batch = Vec::with_capacity(BATCH);
        Self {
            teller,
            id,
            patience,
            batch,
            since: Instant::now(),
            explained: HashSet::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
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

    /// Hands on the last of it. Nobody decides here any more, and so this may wait. `false`: it was not taken in time.
    pub(super) fn end(&mut self, summary: Summary) -> bool {
        self.end_within(LAST, summary)
    }

    fn end_within(&mut self, limit: Duration, summary: Summary) -> bool {
        self.flush();
        let count = self.unstored + self.left_out;
        if count > 0 {
            let loss = Loss { time_ns: sys::clock::boot_ns(), cpu: 0, kind: Loss::UNSTORED, count };
            self.keep(Order::Captured(self.id, vec![Captured::Loss(loss)]));
        }
        self.keep(Order::End(self.id, summary));
        let until = Instant::now() + limit;
        // What others may be waited for is not spent here.
        self.stalled = true;
        self.hand_on();
        while !self.waiting.is_empty() && self.teller.failure().is_none() && Instant::now() < until {
            std::thread::sleep(PAUSE);
            self.stalled = true;
            self.hand_on();
        }
        self.waiting.is_empty()
    }

    /// What was only counted since the store's limit was met; `None`: all was handed on.
    pub(super) fn unstored(&self) -> Option<u64> {
        // The teller may have met it since it was handed the last of it.
        (self.past || self.teller.is_past(self.id)).then_some(self.unstored)
    }

    /// What was not kept since the teller took nothing.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// What a teller had taken when it ended, and may not have written.
    pub(super) fn lost(&self) -> u64 {
        self.teller.lost(self.id)
    }

    /// Why nothing more is written, if so: nothing else stops.
    pub(super) fn failure(&self) -> Option<String> {
        self.teller.failure()
    }

    /// What was not handed on. Of what was, the teller says what is missing.
    pub(super) fn missing(&self) -> u64 {
        self.unstored + self.left_out
    }

    fn send(&mut self, order: Order) {
        if self.waiting.len() >= WAITING || self.waiting_bytes >= WAITING_BYTES {
            self.left_out += if let Order::Captured(_, batch) = &order { batch.len() as u64 } else { 1 };
        } else {
            self.keep(order);
        }
        self.hand_on();
    }

    fn keep(&mut self, order: Order) {
        self.waiting_bytes += order.bytes();
        self.waiting.push_back(order);
    }

    /// Gives the teller what waits for it, as far as it takes it.
    fn hand_on(&mut self) {
        while let Some(order) = self.waiting.pop_front() {
            let bytes = order.bytes();
            let Some(order) = self.teller.hand_on(order) else {
                self.waiting_bytes -= bytes;
                self.stalled = false;
                continue;
            };
            self.waiting.push_front(order);
            if self.stalled || !self.patience.pause() {
                self.stalled = true;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::Syscall;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// One that takes nothing until it is told to.
    #[derive(Default)]
    struct Full(AtomicBool, Mutex<Vec<Order>>);

    impl Teller for Full {
        fn hand_on(&self, order: Order) -> Option<Order> {
            if !self.0.load(Ordering::Acquire) {
                return Some(order);
            }
            self.1.lock().unwrap().push(order);
            None
        }
        fn is_past(&self, _: i64) -> bool {
            false
        }
        fn lost(&self, _: i64) -> u64 {
            0
        }
        fn failure(&self) -> Option<String> {
            None
        }
    }

    fn call() -> Captured {
        Captured::Syscall(Syscall { time_ns: 1, tid: 1, number: 0, ret: 0, compat: false })
    }

    #[test]
    fn however_many_sessions_stall_all_together_are_waited_for_once() {
        let (full, patience) = (Arc::new(Full::default()), Arc::new(Patience::default()));
        let mut sessions: Vec<Recording> =
            (0..64).map(|id| Recording::new(full.clone(), id, patience.clone())).collect();
        let began = Instant::now();
        for recording in &mut sessions {
            (0..BATCH).for_each(|_| recording.take(call()));
        }
        let longest = began.elapsed();
        assert!(longest >= Patience::MOST, "{longest:?}");
        assert!(longest < Patience::MOST + Patience::WINDOW / 2, "{longest:?}");
    }

    #[test]
    fn what_finds_no_room_is_counted_and_told_at_the_end() {
        let full = Arc::new(Full::default());
        let mut recording = Recording::new(full.clone(), 1, Arc::default());
        let whole = WAITING * BATCH;
        (0..whole + 3 * BATCH).for_each(|_| recording.take(call()));
        recording.segment(Segment { index: 1, task: "t".parse().unwrap(), started_boot_ns: 0 });
        let left_out = 3 * BATCH as u64 + 1;
        assert_eq!(recording.left_out(), left_out);
        let mut end = || recording.end_within(Duration::from_millis(20), Summary::default());
        assert!(!end(), "nothing was taken, and that is said");
        full.0.store(true, Ordering::Release);
        assert!(end());
        assert_eq!((recording.waiting.len(), recording.waiting_bytes), (0, 0));
        let told = full.1.lock().unwrap();
        let lost = told.iter().find_map(|order| match order {
            Order::Captured(1, records) => match records[..] {
                [Captured::Loss(Loss { kind: Loss::UNSTORED, count, .. })] => Some(count),
                _ => None,
            },
            _ => None,
        });
        assert_eq!(lost, Some(left_out));
        assert!(matches!(told.last(), Some(Order::End(1, _))));
    }
}
