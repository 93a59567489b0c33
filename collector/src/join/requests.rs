//! Requests through io_uring, from when they are made to when they have ended: another thread may do what they ask for, and
//! none of its calls ends with them.

use super::objects::{TOUCHED, resolve};
use crate::decoded::{RequestId, Touched};
use event::{Captured, Event, Loss, Outcome};
use std::collections::BTreeMap;

/// So long an operation waits for its outcome, ns; then it is told as under way, and once more should it fail.
pub(super) const WAIT_NS: u64 = 100_000_000;
/// Where events go, with the slot of their session.
pub(crate) type Sink<'a> = dyn FnMut(u32, Captured) + 'a;

/// So many are remembered at once: what is older is told as under way, or, where only its failure would be told, counted as
/// lost.
const REMEMBERED: usize = 4096;

/// A request that has not ended.
pub(super) struct Pending {
    slot: u32,
    event: Box<Event>,
    touched: Vec<Touched>,
    /// A hook tells it where it succeeds.
    hooked: bool,
    /// It was told as under way.
    told: bool,
}

impl Pending {
    pub(super) fn new(slot: u32, event: Box<Event>, hooked: bool) -> Self {
        Self { slot, event, touched: Vec::new(), hooked, told: false }
    }

    /// Tells it as under way: it took too long, or its end is not told. What was decided for that holds of what has changed
    /// something by now.
    fn tell(&mut self, sink: &mut Sink<'_>) {
        if !self.hooked && !self.told {
            let mut event = self.event.clone();
            event.outcome = Outcome::Done(0);
            if self.touched.is_empty() {
                event.decision = None;
            }
            resolve(&mut event, &self.touched);
            sink(self.slot, Captured::Event(event));
        }
        self.told = true;
        self.touched = Vec::new();
    }
}

/// The requests that have not ended, in the order in which they were made.
#[derive(Default)]
pub(super) struct Requests(BTreeMap<RequestId, Pending>);

impl Requests {
    pub(super) fn made(&mut self, request: RequestId, pending: Pending, sink: &mut Sink<'_>) {
        if self.0.len() >= REMEMBERED
            && let Some((_, mut oldest)) = self.0.pop_first()
        {
            oldest.tell(sink);
            if oldest.hooked {
                let (time_ns, kind) = (oldest.event.time_ns, u32::from(abi::kind::CLAIMED));
                sink(oldest.slot, Captured::Loss(Loss { time_ns, cpu: 0, kind, count: 1 }));
            }
        }
        self.0.insert(request, pending);
    }

    /// The thread that made a request.
    pub(super) fn maker(&self, request: RequestId) -> Option<u32> {
        self.0.get(&request).map(|pending| pending.event.tid)
    }

    pub(super) fn touched(&mut self, touched: Touched) {
        let request = RequestId { call: touched.call, pid: touched.pid };
        if let Some(pending) = self.0.get_mut(&request)
            && pending.touched.len() < TOUCHED
        {
            pending.touched.push(touched);
        }
    }

    /// What an end makes known. `end` has no object; what was decided is told all the same, of a request that is not known
    /// any more, too.
    pub(super) fn ended(&mut self, request: RequestId, end: Box<Event>, is_told: bool) -> Option<Box<Event>> {
        let Some(Pending { mut event, touched, told, .. }) = self.0.remove(&request) else {
            return end.decision.is_some().then_some(end);
        };
        let is_done = matches!(end.outcome, Outcome::Done(_));
        if is_told || is_done && told && end.decision.is_none() {
            return None;
        }
        if is_done {
            resolve(&mut event, &touched);
        }
        (event.time_ns, event.outcome, event.decision) = (end.time_ns, end.outcome, end.decision);
        Some(event)
    }

    /// The process has ended, and its requests with it.
    pub(super) fn leave(&mut self, pid: u32, sink: &mut Sink<'_>) {
        self.0.retain(|request, pending| {
            if request.pid == pid {
                pending.tell(sink);
            }
            request.pid != pid
        });
    }

    /// Tells what has taken too long.
    pub(super) fn expire(&mut self, now_ns: u64, sink: &mut Sink<'_>) {
        for pending in self.0.values_mut() {
            if now_ns.saturating_sub(pending.event.time_ns) <= WAIT_NS {
                break;
            }
            if !pending.told {
                pending.tell(sink);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
