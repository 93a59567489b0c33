//! Segments of one task as a corpus to train on.

use crate::session::{Reading, replay};
use event::{Mode, Step};
use models::Allowed;
use models::corpus::{Corpus, Item};
use std::ops::ControlFlow;
use store::{Reader, Session};

/// Recorded sessions, each with the segments that had the task.
pub struct Recorded<'s> {
    reader: &'s Reader,
    sessions: Vec<(&'s Session, Vec<u32>)>,
    taken_back: Vec<Allowed>,
}

impl<'s> Recorded<'s> {
    /// The segments with this number of each session, as one stretch of work.
    pub fn new(reader: &'s Reader, sessions: Vec<(&'s Session, Vec<u32>)>) -> Self {
        Self { reader, sessions, taken_back: Vec::new() }
    }

    /// The same, without what sessions that were held to a baseline did where they were allowed to, and are no more: that they
    /// did it shows that it was allowed, and not that it is normal. What somebody recorded is.
    pub fn without(self, taken_back: Vec<Allowed>) -> Self {
        Self { taken_back, ..self }
    }

    fn is_taken_back(&self, session: &Session, step: &Step) -> bool {
        let covers = |allowed: &Allowed| {
            step.taught().any(|place| allowed.covers(&Allowed { place: place.clone(), below: false }))
        };
        session.meta.mode != Mode::Record && self.taken_back.iter().any(covers)
    }
}

/// A number that tells the workspace of a session from others: the same in every build, so that baselines can be merged.
pub fn workspace(session: &Session) -> u64 {
    let path = session.meta.context.workspaces.first().map_or(&[][..], |path| path.as_slice());
    let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(path).as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

impl Corpus for Recorded<'_> {
    type Error = store::Error;

    fn len(&self) -> usize {
        self.sessions.len()
    }

    fn workspace(&self, session: usize) -> u64 {
        self.sessions.get(session).map_or(0, |(session, _)| workspace(session))
    }

    fn replay(&self, session: usize, sink: &mut dyn FnMut(Item<'_>)) -> Result<(), store::Error> {
        let Some((session, segments)) = self.sessions.get(session) else { return Ok(()) };
        replay(self.reader, session, &mut |segment, reading| {
            if segments.contains(&segment) {
                match reading {
                    Reading::Step(step) if self.is_taken_back(session, step) => {}
                    Reading::Step(step) => sink(Item::Step(step)),
                    // It is nothing that the agent normally does.
                    Reading::Refused(_) => {}
                    Reading::Syscall(call) => {
                        sink(Item::Syscall { tid: call.tid, number: call.number, ret: call.ret });
                    }
                    Reading::Loss(count) => sink(Item::Loss(count)),
                }
            }
            ControlFlow::Continue(())
        })
    }
}
