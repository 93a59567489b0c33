//! Joins the records of one operation. A hook sees the object and not the result; the end of the call sees the result; the
//! inodes that the call changed are told apart from the path that its caller claimed.
//!
//! Everything is kept by thread, whose records are in order, except for requests through io_uring. Must never use a claimed
//! path for more than to choose among objects that the kernel named.

mod objects;
mod requests;

use self::objects::{TOUCHED, resolve};
pub(crate) use self::requests::Sink;
use self::requests::{Pending, Requests, WAIT_NS};
use crate::decoded::{Decoded, RequestId, Touched};
use crate::sequence::Gap;
use bstr::BString;
use event::{Access, Captured, Event, Op, Outcome, Syscall};
use std::collections::{HashMap, HashSet, VecDeque};

/// Events that a thread holds: one call of io_uring submits thousands, and their outcomes are not its own.
const HELD: usize = 256;
/// Operations told as under way that may still be told to have failed: workers of io_uring end no call.
const UNDER_WAY: usize = 64;
/// `io_uring_enter`: what it returns is no operation's outcome.
const IO_URING_ENTER: u32 = 426;

/// What is known of one thread's running call.
#[derive(Default)]
struct Thread {
    /// Events in order; the flag says that one waits for its outcome.
    held: Vec<(u32, Box<Event>, bool)>,
    /// Told as under way.
    under_way: VecDeque<(u32, Box<Event>)>,
    /// Operations that the end of the call has told to have failed.
    failed: Vec<Op>,
    touched: Vec<Touched>,
}

/// What has something under way.
#[derive(Default)]
pub(crate) struct Join {
    threads: HashMap<u32, Thread>,
    requests: Requests,
    /// Records that are missing of this batch: a call that may have ended in one has no outcome, rather than that of the
    /// next call.
    gaps: Vec<Gap>,
}

impl Join {
    /// What is missing of the batch that comes now, up to [`Join::expire`].
    pub(crate) fn missing(&mut self, gaps: Vec<Gap>) {
        self.gaps = gaps;
    }

    /// The next record of a thread, at the time that it says.
    pub(crate) fn take(&mut self, slot: u32, tid: u32, decoded: Decoded, sink: &mut Sink<'_>) {
        match decoded {
            Decoded::Captured(Captured::Syscall(call)) => {
                if let Some(thread) = self.threads.get_mut(&tid) {
                    thread.end(Some(&call), &self.gaps, sink);
                    if thread.failed.is_empty() && thread.touched.is_empty() {
                        self.threads.remove(&tid);
                    }
                }
                sink(slot, Captured::Syscall(call));
            }
            Decoded::Captured(Captured::Event(event)) => {
                if event.op == Op::Exit && event.outcome == Outcome::Done(1) {
                    self.requests.leave(event.pid, sink);
                }
                let Some(thread) = self.threads.get_mut(&tid) else {
                    return sink(slot, Captured::Event(event));
                };
                if event.op == Op::Exit {
                    thread.end(None, &[], sink);
                    self.threads.remove(&tid);
                    return sink(slot, Captured::Event(event));
                }
                // What was decided is told in any case: it is another call's, of which the record is still to come.
                if event.decision.is_none() && thread.has_failed(&event) {
                    return;
                }
                thread.hold(slot, event, false, sink);
            }
            Decoded::Captured(other) => sink(slot, other),
            Decoded::Ended(call, event) => {
                self.take(slot, tid, Decoded::Captured(Captured::Syscall(call)), sink);
                self.take(slot, tid, Decoded::Captured(Captured::Event(event)), sink);
            }
            Decoded::Before(event) => self.threads.entry(tid).or_default().hold(slot, event, true, sink),
            // A message is handed on by itself.
            Decoded::Dns(..) | Decoded::Nothing => {}
            Decoded::Requested(event, request, hooked) => {
                self.requests.made(request, Pending::new(slot, event, hooked), sink);
            }
            Decoded::Completed(end, request, is_told) => {
                let failed = self.end_in_worker(request, &end, sink);
                let Some(event) = self.requests.ended(request, end, is_told) else { return };
                if failed.contains(&event.op) && event.decision.is_none() {
                    return;
                }
                match self.threads.get_mut(&event.tid) {
                    Some(thread) => thread.hold(slot, event, false, sink),
                    None => sink(slot, Captured::Event(event)),
                }
            }
            Decoded::Touched(touched) if touched.call & abi::CALL_OF_REQUEST != 0 => {
                self.requests.touched(touched);
            }
            Decoded::Touched(touched) => {
                let thread = self.threads.entry(tid).or_default();
                if thread.touched.first().is_some_and(|first| first.call != touched.call) {
                    thread.touched.clear();
                }
                if thread.touched.len() < TOUCHED {
                    thread.touched.push(touched);
                }
            }
            Decoded::Claimed(mut event, call) => {
                if let Some(thread) = self.threads.get_mut(&tid) {
                    let failed = matches!(event.outcome, Outcome::Failed(_));
                    if event.decision.is_none() && thread.has_failed(&event) {
                        return;
                    }
                    let mut touched = std::mem::take(&mut thread.touched);
                    touched.retain(|touched| touched.call == call);
                    if !failed {
                        resolve(&mut event, &touched);
                    }
                    return thread.hold(slot, event, false, sink);
                }
                sink(slot, Captured::Event(event));
            }
        }
    }

    /// A request has ended. Where another thread than its maker did it, that is a worker, which does one at a time: what
    /// hooks have told there has come out so. Returns what is told by that to have failed.
    fn end_in_worker(&mut self, request: RequestId, end: &Event, sink: &mut Sink<'_>) -> Vec<Op> {
        if self.requests.maker(request).is_none_or(|maker| maker == end.tid) {
            return Vec::new();
        }
        let Some(worker) = self.threads.get_mut(&end.tid) else { return Vec::new() };
        let ret = match end.outcome {
            Outcome::Done(value) => value,
            Outcome::Failed(errno) => -i64::from(errno),
        };
        let (time_ns, tid) = (end.time_ns, end.tid);
        let call = Syscall { time_ns, tid, number: u32::MAX, compat: false, ret };
        worker.end(Some(&call), &self.gaps, sink);
        std::mem::take(&mut worker.failed)
    }

    /// Tells what has waited too long, when everything up to `now_ns` was read.
    pub(crate) fn expire(&mut self, now_ns: u64, sink: &mut Sink<'_>) {
        let gaps = std::mem::take(&mut self.gaps);
        self.requests.expire(now_ns, sink);
        self.threads.retain(|_, thread| {
            if !gaps.is_empty() {
                thread.forget(&gaps, sink);
            }
            let old = |event: &Event| now_ns.saturating_sub(event.time_ns) > WAIT_NS;
            if thread.held.first().is_some_and(|(_, event, _)| old(event)) {
                thread.tell_held(sink);
            }
            let empty = thread.held.is_empty() && thread.under_way.is_empty();
            !(empty && thread.failed.is_empty() && thread.touched.is_empty())
        });
    }
}

impl Thread {
    /// Tells an event now, or behind those that wait.
    fn hold(&mut self, slot: u32, event: Box<Event>, waits: bool, sink: &mut Sink<'_>) {
        if waits || !self.held.is_empty() {
            self.held.push((slot, event, waits));
            if self.held.len() >= HELD {
                self.tell_held(sink);
            }
        } else {
            sink(slot, Captured::Event(event));
        }
    }

    /// Tells what may have ended in a gap, and does not expect its end any more.
    fn forget(&mut self, gaps: &[Gap], sink: &mut Sink<'_>) {
        let may_have = |event: &Event| may_have_ended(event, u64::MAX, gaps);
        if self.held.iter().any(|(_, event, waits)| *waits && may_have(event)) {
            self.tell_held(sink);
        }
        self.under_way.retain(|(_, event)| !may_have(event));
        self.failed.clear();
    }

    /// Tells everything that waits as under way.
    fn tell_held(&mut self, sink: &mut Sink<'_>) {
        for (slot, event, waits) in std::mem::take(&mut self.held) {
            if waits {
                if self.under_way.len() >= UNDER_WAY {
                    self.under_way.pop_front();
                }
                self.under_way.push_back((slot, event.clone()));
            }
            sink(slot, Captured::Event(event));
        }
    }

    fn fail(&mut self, op: Op) {
        if !self.failed.contains(&op) {
            self.failed.push(op);
        }
    }

    /// Whether the end of the call has told this failure already.
    fn has_failed(&self, event: &Event) -> bool {
        matches!(event.outcome, Outcome::Failed(_)) && self.failed.contains(&event.op)
    }

    /// The call has ended, or the thread with it.
    fn end(&mut self, call: Option<&Syscall>, gaps: &[Gap], sink: &mut Sink<'_>) {
        self.failed.clear();
        let returned = call.filter(|call| call.compat || call.number != IO_URING_ENTER).map(|call| call.ret);
        let ended_ns = call.map_or(u64::MAX, |call| call.time_ns);
        let ret_of = |event: &Event| returned.filter(|_| !may_have_ended(event, ended_ns, gaps));
        let held = std::mem::take(&mut self.held);
        let made: HashSet<BString> = held
            .iter()
            .filter(|(_, event, _)| opened_new(event))
            .filter_map(|(_, event, _)| event.object.file().map(|file| file.path.clone()))
            .collect();
        for (slot, mut event, waits) in held {
            if !waits {
                sink(slot, Captured::Event(event));
                continue;
            }
            // The open that made it says so itself.
            if event.op == Op::Create && event.object.file().is_some_and(|file| made.contains(&file.path)) {
                continue;
            }
            event.outcome = outcome(&event, ret_of(&event));
            if matches!(event.outcome, Outcome::Failed(_)) {
                self.fail(event.op);
            }
            sink(slot, Captured::Event(event));
        }
        for (slot, mut event) in std::mem::take(&mut self.under_way) {
            event.outcome = outcome(&event, ret_of(&event));
            if let (Outcome::Failed(_), Some(call)) = (event.outcome, call) {
                self.fail(event.op);
                event.time_ns = call.time_ns;
                sink(slot, Captured::Event(event));
            }
        }
    }
}

/// Whether the call of an event may have ended before `until_ns` in records that are missing.
fn may_have_ended(event: &Event, until_ns: u64, gaps: &[Gap]) -> bool {
    gaps.iter().any(|gap| event.time_ns < gap.to_ns && gap.from_ns < until_ns)
}

fn opened_new(event: &Event) -> bool {
    event.op == Op::Open && event.access.contains(Access::NEW)
}

/// How an operation came out, by what its call returned.
fn outcome(event: &Event, ret: Option<i64>) -> Outcome {
    match ret {
        // The connection is under way.
        Some(ret) if ret == -i64::from(libc::EINPROGRESS) => Outcome::Done(0),
        Some(ret @ -4095..=-1) => Outcome::Failed(i32::try_from(-ret).unwrap_or(i32::MAX)),
        Some(ret) if event.op != Op::MapExec => Outcome::Done(ret),
        _ => Outcome::Done(0),
    }
}

#[cfg(test)]
mod tests;
