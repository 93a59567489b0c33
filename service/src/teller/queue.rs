//! The bounded queue of a teller, and the fate of its messages: senders never wait.

use crate::Error;
use event::{Captured, Loss};
use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use sys::clock::boot_ns;
use wire::Notice;
use wire::teller::{Order, Said};

/// Orders that wait: batches of 512, so about a fifth of a second at 300,000 events a second, some 10 MB; and their bytes, where
/// what is claimed is long.
const ORDERS: usize = 128;
const ORDERS_BYTES: usize = 64 << 20;
/// Notices that wait, and their bytes. The last of the room is for those which say how a session stands: it is seldom that
/// it changes, and whoever is refused without end pushes none of them out.
const NOTICES: usize = 4096;
const NOTICES_BYTES: usize = 8 << 20;
const NOTICES_OF_STATE: usize = 256;
/// What was sent, and not said to be written: the process commits twice a second, and one that never says so is sent no more.
const UNWRITTEN: usize = 4096;

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
    orders_bytes: usize,
    notices: VecDeque<Notice>,
    notices_bytes: usize,
    /// Notices for which there was no room.
    missed: u64,
    /// What was sent to the process that runs and is to be stored, and may not be in the store yet.
    unwritten: VecDeque<Sent>,
    /// So much the process that runs has written.
    written: u64,
    /// What was taken in ever, and of it written or lost.
    taken: u64,
    settled: u64,
    /// Sessions that began here, until their end is written.
    sessions: HashMap<i64, Of>,
    /// The number of the last order to begin a session; whether the process was told of it; and what came of it.
    begin: u64,
    beginning: bool,
    begun: Option<Result<i64, String>>,
    failed: Option<String>,
    gone: bool,
    closed: Option<Instant>,
}

/// What is known of a session.
#[derive(Default)]
struct Of {
    /// It has met the limit of the store.
    past: bool,
    /// Records that a process had taken when it ended, and may not have written; and how many of them its recording tells of.
    lost: u64,
    told: u64,
}

/// What was sent.
enum Sent {
    /// So many records of a session: too much to be kept.
    Records(i64, u64),
    /// What is sent again to the next process.
    Again(Order),
}

impl Sent {
    fn of(order: &Order) -> Self {
        match order {
            Order::Captured(session, records)
                if !records.iter().all(|one| matches!(one, Captured::Loss(_))) =>
            {
                Self::Records(*session, records.len() as u64)
            }
            other => Self::Again(other.clone()),
        }
    }
}

const ENDED: &str = "what writes sessions down has just ended: try again";
const TWICE: &str = "what writes sessions down gave a session the number of another one";
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
        if state.orders.len() >= ORDERS || state.orders_bytes >= ORDERS_BYTES {
            return Some(order);
        }
        state.take(order);
        drop(state);
        self.ready.notify_one();
        None
    }

    pub(super) fn notice(&self, notice: &Notice) {
        let mut state = self.state();
        let reserve = if notice.is_of_state() { 0 } else { NOTICES_OF_STATE };
        let room = state.notices.len() < NOTICES - reserve;
        if room && (notice.is_of_state() || state.notices_bytes < NOTICES_BYTES) {
            state.notices_bytes += notice.bytes();
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
    pub(super) fn begin(&self, meta: event::SessionMeta, limit: Duration) -> Result<i64, Error> {
        let _alone = self.beginning.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state();
        (state.begun, state.beginning) = (None, false);
        state.begin += 1;
        let order = Order::Begin(state.begin, Box::new(meta));
        state.push(order);
        self.ready.notify_one();
        self.wait(state, limit, |state| state.begun.take())?.map_err(Error::Teller)
    }

    /// Waits until all that was taken in before is written or lost.
    pub(super) fn flush(&self, limit: Duration) -> Result<(), Error> {
        let mut state = self.state();
        let target = state.taken;
        state.push(Order::Flush);
        self.ready.notify_one();
        self.wait(state, limit, |state| (state.settled >= target).then_some(()))
    }

    fn wait<T>(
        &self,
        mut state: MutexGuard<'_, State>,
        limit: Duration,
        answer: impl Fn(&mut State) -> Option<T>,
    ) -> Result<T, Error> {
        let until = Instant::now() + limit;
        loop {
            if let Some(answer) = answer(&mut state) {
                return Ok(answer);
            }
            if let Some(why) = &state.failed {
                return Err(Error::Teller(why.clone()));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Teller(CLOSED.to_owned()));
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
                state.notices_bytes -= notice.bytes();
                return Some(Order::Notice(notice));
            }
            if state.unwritten.len() < UNWRITTEN
                && let Some(order) = state.pop()
            {
                return Some(order);
            }
            let now = Instant::now();
            let wait = match state.closed {
                Some(until) if state.orders.is_empty() || now >= until => return None,
                Some(until) => until - now,
                None => Duration::MAX,
            };
            state = self.ready.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes in what the process said.
    pub(super) fn hear(&self, said: Said) {
        let mut state = self.state();
        match said {
            Said::Ready => {}
            // Another one is what nobody waits for any more.
            Said::Begun(begin, number) if begin == state.begin && state.beginning => {
                let known = state.sessions.contains_key(&number);
                state.sessions.entry(number).or_default();
                let begun = if known { Err(TWICE.to_owned()) } else { Ok(number) };
                (state.beginning, state.begun) = (false, Some(begun));
            }
            Said::Begun(..) => {}
            Said::Written(count) => {
                while state.written < count
                    && let Some(sent) = state.unwritten.pop_front()
                {
                    state.written += 1;
                    state.settled += 1;
                    if let Sent::Again(Order::End(session, _)) = sent {
                        state.sessions.remove(&session);
                    }
                }
            }
            Said::Past(session) => {
                if let Some(of) = state.sessions.get_mut(&session) {
                    of.past = true;
                }
            }
            Said::Failed(why) => {
                tracing::error!(%why, "sessions are no longer written down");
                state.failed = Some(why);
                state.orders.clear();
                state.orders_bytes = 0;
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
                    if let Some(of) = state.sessions.get_mut(&session) {
                        of.lost += count;
                    }
                    state.settled += 1;
                }
                Sent::Again(order) => state.push_front(order),
            }
        }
        drop(state);
        self.heard.notify_all();
    }

    pub(super) fn is_past(&self, session: i64) -> bool {
        self.state().sessions.get(&session).is_some_and(|of| of.past)
    }

    pub(super) fn lost(&self, session: i64) -> u64 {
        self.state().sessions.get(&session).map_or(0, |of| of.lost)
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
        self.push(order);
    }

    fn push(&mut self, order: Order) {
        self.orders_bytes += order.bytes();
        self.orders.push_back(order);
    }

    fn push_front(&mut self, order: Order) {
        self.orders_bytes += order.bytes();
        self.orders.push_front(order);
    }

    /// The next order that is to be sent. Before a session's end goes what was lost of it until now.
    fn pop(&mut self) -> Option<Order> {
        let mut order = self.orders.pop_front()?;
        self.orders_bytes -= order.bytes();
        if let Order::End(session, summary) = &mut order
            && let Some(of) = self.sessions.get_mut(session)
            && of.lost > of.told
        {
            let count = of.lost - std::mem::replace(&mut of.told, of.lost);
            let loss = Loss { time_ns: boot_ns(), cpu: 0, kind: Loss::UNSTORED, count };
            summary.lost += count;
            let first = Order::Captured(*session, vec![Captured::Loss(loss)]);
            self.taken += 1;
            self.push_front(order);
            order = first;
        }
        self.beginning |= matches!(order, Order::Begin(begin, _) if begin == self.begin);
        if order.is_stored() {
            self.unwritten.push_back(Sent::of(&order));
        }
        Some(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::{SessionMeta, Summary, Syscall};
    use std::sync::Arc;
    use wire::Kind;

    const SOON: Duration = Duration::from_secs(20);

    fn meta() -> SessionMeta {
        SessionMeta {
            agent: "a".parse().unwrap(),
            task: "t".parse().unwrap(),
            mode: event::Mode::Record,
            tier: event::Tier::Lsm,
            ..SessionMeta::default()
        }
    }

    fn records(session: i64, count: usize) -> Order {
        let call = Captured::Syscall(Syscall { time_ns: 1, tid: 1, number: 0, ret: 0, compat: false });
        Order::Captured(session, vec![call; count])
    }

    /// Begins a session, which the process gives this number.
    fn begun(queue: &Arc<Queue>, number: i64) -> Result<i64, String> {
        let beginning = Arc::clone(queue);
        let thread = std::thread::spawn(move || beginning.begin(meta(), SOON));
        let Some(Order::Begin(begin, _)) = queue.next() else { panic!("no session is to begin") };
        // What comes of an earlier one is another session's.
        queue.hear(Said::Begun(begin - 1, 99));
        queue.hear(Said::Begun(begin, number));
        thread.join().unwrap().map_err(|error| error.to_string())
    }

    #[test]
    fn a_number_is_the_answer_to_its_own_order_and_no_two_sessions_have_one() {
        let queue = Arc::new(Queue::default());
        assert!(queue.begin(meta(), Duration::ZERO).is_err(), "nobody answers");
        assert!(matches!(queue.next(), Some(Order::Begin(1, _))));
        assert_eq!(begun(&queue, 7), Ok(7));
        assert_eq!(begun(&queue, 7), Err(TWICE.to_owned()));
        queue.hear(Said::Past(8));
        queue.hear(Said::Past(7));
        assert_eq!((queue.is_past(7), queue.is_past(8)), (true, false));
        assert_eq!(queue.state().sessions.len(), 1);
    }

    #[test]
    fn what_is_lost_behind_the_end_of_a_session_is_told_before_it() {
        let queue = Arc::new(Queue::default());
        assert_eq!(begun(&queue, 7), Ok(7));
        assert!(queue.hand_on(records(7, 5)).is_none());
        assert!(queue.hand_on(Order::End(7, Summary { lost: 1, ..Summary::default() })).is_none());
        assert_eq!(queue.next(), Some(records(7, 5)));
        assert!(matches!(queue.next(), Some(Order::End(7, summary)) if summary.lost == 1));
        // The process ends, and another one after it.
        for _ in 0..2 {
            queue.lose();
            let loss = queue.next();
            let Some(Order::Captured(7, told)) = &loss else { panic!("{loss:?}") };
            assert!(matches!(told[..], [Captured::Loss(Loss { kind: Loss::UNSTORED, count: 5, .. })]));
            assert!(matches!(queue.next(), Some(Order::End(7, summary)) if summary.lost == 6));
        }
        queue.hear(Said::Written(2));
        queue.flush(Duration::ZERO).unwrap();
        assert!(queue.state().sessions.is_empty());
    }

    #[test]
    fn one_that_says_nothing_is_sent_no_more_and_fills_nothing() {
        let queue = Arc::new(Queue::default());
        assert_eq!(begun(&queue, 1), Ok(1));
        for _ in 0..UNWRITTEN {
            assert!(queue.hand_on(records(1, 1)).is_none());
            assert!(queue.next().is_some());
        }
        let taken = (0..2 * ORDERS).take_while(|_| queue.hand_on(records(1, 1)).is_none()).count();
        assert_eq!(taken, ORDERS);
        queue.close(Duration::ZERO);
        assert_eq!(queue.next(), None);
        let long = Queue::default();
        let line = "x".repeat(8 << 20);
        let taken =
            (0..ORDERS).take_while(|_| long.hand_on(Order::Reason(1, 1, line.clone())).is_none()).count();
        assert_eq!(taken, ORDERS_BYTES / line.len());
    }

    #[test]
    fn however_much_is_refused_what_a_session_stands_still_for_is_told() {
        let queue = Queue::default();
        let notice = |kind| crate::supervisor::of_request("7", kind, "no");
        for _ in 0..2 * NOTICES {
            queue.notice(&notice(Kind::Denial));
        }
        queue.notice(&notice(Kind::Frozen));
        let told: Vec<Kind> = queue.state().notices.iter().map(|notice| notice.kind).collect();
        assert_eq!((told.len(), told.last()), (NOTICES - NOTICES_OF_STATE + 1, Some(&Kind::Frozen)));
    }
}
