//! Reading one recorded session as the models do: decoded, tokenised, split by segment.

use event::{Captured, Step, Tokeniser};
use std::ops::ControlFlow;
use store::{Reader, Session};

/// What was read, with the segment that it belongs to.
#[derive(Clone, Copy, Debug)]
pub enum Reading<'r> {
    /// An event.
    Step(&'r Step),
    /// An event that Wardline refused.
    Refused(&'r Step),
    /// A raw system call.
    Syscall(event::Syscall),
    /// Records were lost here.
    Loss(u64),
}

/// Reads a whole session in order, and calls `each` with the segment and what was read until it breaks. The tokeniser
/// goes on from segment to segment, since what a session made itself stays its own. System calls and losses, which
/// carry no segment, belong to that of the latest event.
pub fn replay(
    reader: &Reader,
    session: &Session,
    each: &mut dyn FnMut(u32, Reading<'_>) -> ControlFlow<()>,
) -> Result<(), store::Error> {
    let mut tokeniser = Tokeniser::new(session.meta.context.clone());
    let mut segment = 0;
    reader.events(session.id, &mut |captured| match captured {
        Captured::Event(event) => {
            segment = event.segment;
            let step = tokeniser.read(&event);
            let refused = event.decision.is_some_and(|decision| decision.enforced);
            each(segment, if refused { Reading::Refused(&step) } else { Reading::Step(&step) })
        }
        Captured::Syscall(call) => each(segment, Reading::Syscall(call)),
        Captured::Loss(loss) => each(segment, Reading::Loss(loss.count)),
    })
}
