//! A decoded ring record.

use crate::heard::Dns;
use abi::Header;
use event::{Access, Captured, Event, File, Object, Op, Outcome};

/// What a record says, as `join` needs it.
#[derive(Debug, PartialEq)]
pub(crate) enum Decoded {
    /// All that there is to say.
    Captured(Captured),
    /// What a call has done, and the end of the call.
    Ended(event::Syscall, Box<Event>),
    /// A hook told it before it happened: how it came out is told by the end of the call.
    Before(Box<Event>),
    /// Only the caller's path names the object; with the call, where what it changed was looked for.
    Claimed(Box<Event>, u64),
    /// A request through io_uring was made: how it comes out is told by its end. Where a hook tells its success, it is only
    /// told to have failed.
    Requested(Box<Event>, RequestId, bool),
    /// A request has ended: when and how, with what was decided of what it has changed, and without its object. The flag
    /// says that another record has told it.
    Completed(Box<Event>, RequestId, bool),
    /// What a call or a request has changed.
    Touched(Touched),
    /// A DNS message; a question is an operation besides.
    Dns(Dns, Option<Box<Event>>),
    /// A packet that names nothing.
    Nothing,
}

/// Which request through io_uring: when it was made, and by which process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RequestId {
    /// `Claimed::call`
    pub(crate) call: u64,
    /// Process.
    pub(crate) pid: u32,
}

/// A file that a call, or a request through io_uring, has changed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Touched {
    /// Process.
    pub(crate) pid: u32,
    /// Which call or request.
    pub(crate) call: u64,
    /// As it stands when the call ends, rather than while it changed it.
    pub(crate) after: bool,
    /// The file.
    pub(crate) file: File,
}

/// An event with nothing but its head.
pub(crate) fn event(header: &Header, op: Op, object: Object, outcome: Outcome) -> Event {
    Event {
        time_ns: header.time_ns,
        segment: header.segment,
        pid: header.tgid,
        tid: header.tid,
        outcome,
        ..Event::of(op, Access::empty(), object)
    }
}

pub(crate) fn captured(event: Event) -> Option<Decoded> {
    Some(Decoded::Captured(Captured::Event(Box::new(event))))
}
