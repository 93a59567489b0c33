//! What waits for a teller, and what became of what it took. Bounded: who tells waits for nothing.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use wire::Notice;
use wire::teller::{Order, Said};

/// Orders that wait: batches of 512, so about a fifth of a second at 300,000 events a second, some 10 MB.
const ORDERS: usize = 128;
/// Notices that wait.
const NOTICES: usize = 4096;

/// What waits, and who waits for an answer.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Something is to be sent, or it is to end.
    ready: Condvar,
    /// Something was heard.
    heard: Condvar,
    /// One session begins at a time: the answer is its own.
    beginning: Mutex<()>,
}

#[derive(Default)]
struct State {
    orders: VecDeque<Order>,
    notices: VecDeque<Notice>,
    /// Notices for which there was no room.
    missed: u64,
    /// What was sent to the process that runs and is to be stored, and may not be in the store yet.
    unwritten: VecDeque<Sent>,
    /// So much the process that runs has written.
    written: u64,
    /// What was taken in ever, and of it written or lost.
    taken: u64,
    settled: u64,
    lost: HashMap<i64, u64>,
    past: HashSet<i64>,
    /// A session is to begin, and the process was told; and what came of it.
    beginning: bool,
    begun: Option<Result<i64, String>>,
    failed: Option<String>,
    gone: bool,
    closed: Option<Instant>,
}

/// What was sent.
enum Sent {
    /// So many records of a session: too much to be kept.
    Records(i64, u64),
    /// What is sent again to the next process.
    Again(Order),
}

const ENDED: &str = "what writes sessions down has just ended: try again";
const CLOSED: &str =
    "what writes sessions down did not answer in time: its disk stands still, or it was stopped";

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an order in. `Some`: there is no room, and here it is again.
    pub(super) fn hand_on(&self, order: Order) -> Option<Order> {
        let mut state = self.state();
        if state.failed.is_some() {
            return None;
        }
        if state.orders.len() >= ORDERS {
            return Some(order);
        }
        state.take(order);
        drop(state);
        self.ready.notify_one();
        None
    }

    pub(super) fn notice(&self, notice: &Notice) {
        let mut state = self.state();
        if state.notices.len() < NOTICES {
            state.notices.push_back(notice.clone());
        } else {
            state.missed += 1;
            if state.missed == 1 {
                tracing::error!("notices come faster than they are written: some are not kept");
            }
        }
        drop(state);
        self.ready.notify_one();
    }

    /// Begins a session, and waits for its number.
    pub(super) fn begin(&self, meta: event::SessionMeta, limit: Duration) -> Result<i64, String> {
        let _alone = self.beginning.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state();
        state.begun = None;
        state.orders.push_back(Order::Begin(Box::new(meta)));
        self.ready.notify_one();
        self.wait(state, limit, |state| state.begun.take())?
    }

    /// Waits until all that was taken in before is written or lost.
    pub(super) fn flush(&self, limit: Duration) -> Result<(), String> {
        let mut state = self.state();
        let target = state.taken;
        state.orders.push_back(Order::Flush);
        self.ready.notify_one();
        self.wait(state, limit, |state| (state.settled >= target).then_some(()))
    }

    fn wait<T>(
        &self,
        mut state: MutexGuard<'_, State>,
        limit: Duration,
        answer: impl Fn(&mut State) -> Option<T>,
    ) -> Result<T, String> {
        let until = Instant::now() + limit;
        loop {
            if let Some(answer) = answer(&mut state) {
                return Ok(answer);
            }
            if let Some(why) = &state.failed {
                return Err(why.clone());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(CLOSED.to_owned());
            }
            state = self.heard.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The next order for the process that runs; `None`: it has ended, or is to end.
    pub(super) fn next(&self) -> Option<Order> {
        let mut state = self.state();
        loop {
            if state.gone || state.failed.is_some() {
                return None;
            }
            if let Some(notice) = state.notices.pop_front() {
                return Some(Order::Notice(notice));
            }
            if let Some(order) = state.orders.pop_front() {
                state.beginning |= matches!(order, Order::Begin(_));
                if order.is_stored() {
                    let sent = match &order {
                        Order::Captured(session, records) => Sent::Records(*session, records.len() as u64),
                        other => Sent::Again(other.clone()),
                    };
                    state.unwritten.push_back(sent);
                }
                return Some(order);
            }
            if state.closed.is_some() {
                return None;
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes in what the process said.
    pub(super) fn hear(&self, said: Said) {
        let mut state = self.state();
        match said {
            Said::Ready => {}
            Said::Begun(number) => {
                (state.beginning, state.begun) = (false, Some(Ok(number)));
            }
            Said::Written(count) => {
                while state.written < count && state.unwritten.pop_front().is_some() {
                    state.written += 1;
                    state.settled += 1;
                }
            }
            Said::Past(session) => {
                state.past.insert(session);
            }
            Said::Failed(why) => {
                tracing::error!(%why, "sessions are no longer written down");
                state.failed = Some(why);
                state.orders.clear();
            }
        }
        drop(state);
        self.heard.notify_all();
        self.ready.notify_all();
    }

    /// The process has ended.
    pub(super) fn gone(&self) {
        self.state().gone = true;
        self.ready.notify_all();
    }

    /// Nobody says any more what became of what was sent: records are lost, and what is little waits for the next process.
    pub(super) fn lose(&self) {
        let mut state = self.state();
        (state.gone, state.written) = (false, 0);
        if std::mem::take(&mut state.beginning) {
            state.begun = Some(Err(ENDED.to_owned()));
        }
        for sent in std::mem::take(&mut state.unwritten).into_iter().rev() {
            match sent {
                Sent::Records(session, count) => {
                    *state.lost.entry(session).or_default() += count;
                    state.settled += 1;
                }
                Sent::Again(order) => state.orders.push_front(order),
            }
        }
        drop(state);
        self.heard.notify_all();
    }

    pub(super) fn is_past(&self, session: i64) -> bool {
        self.state().past.contains(&session)
    }

    pub(super) fn lost(&self, session: i64) -> u64 {
        self.state().lost.get(&session).copied().unwrap_or(0)
    }

    pub(super) fn failure(&self) -> Option<String> {
        self.state().failed.clone()
    }

    /// Takes nothing any more, and has so long for what waits.
    pub(super) fn close(&self, limit: Duration) {
        self.state().closed = Some(Instant::now() + limit);
        self.ready.notify_all();
    }

    /// By when all is to be written; `None`: it goes on.
    pub(super) fn closed_until(&self) -> Option<Instant> {
        self.state().closed
    }

    /// Whether no other process is needed.
    pub(super) fn is_done(&self) -> bool {
        let state = self.state();
        state.failed.is_some()
            || state.closed.is_some_and(|until| state.orders.is_empty() || Instant::now() >= until)
    }
}

impl State {
    fn take(&mut self, order: Order) {
        self.taken += u64::from(order.is_stored());
        self.orders.push_back(order);
    }
}
