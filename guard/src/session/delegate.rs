//! An agent outside of the session was reached: what it does for the session is not guarded, so the session ends at once. The
//! kernel side refuses it where the process behind the socket was known; one that began just before is found here.

use super::{Effect, Live};
use crate::control::Mode;
use crate::delegates::Delegate;
use crate::reason;
use event::{Event, Means, Object, Op, Outcome, Stage};
use models::Verdict;

impl Live {
    /// Looks at who is behind a unix socket. The effect is to be applied.
    pub(super) fn delegated(&mut self, event: &Event) -> Option<Effect> {
        let (Op::Connect | Op::Send, Some(Object::Process { pid, inside: false, .. })) =
            (event.op, &event.second)
        else {
            return None;
        };
        if event.decision.is_some_and(|made| made.stage == Stage::T0 && made.reason == reason::DELEGATE) {
            // It may have ended since.
            let delegate = self.shared.delegates.get(*pid).unwrap_or_else(|| Delegate::gone(*pid));
            return self.reached(event.time_ns, delegate);
        }
        if let (Outcome::Done(_), Some(watch)) = (event.outcome, &self.delegates) {
            watch.ask(*pid);
        }
        None
    }

    /// One that was reached before it was known, since the last call. The effect is to be applied.
    pub fn delegate_reached(&mut self) -> Option<Effect> {
        let delegate = self.delegates.as_ref()?.reached()?;
        self.report.t0_hits += 1;
        self.stopped(Stage::T0, Means::Kill);
        self.reached(super::boot_ns(), delegate)
    }

    fn reached(&mut self, time_ns: u64, delegate: Delegate) -> Option<Effect> {
        if self.report.delegate.is_some() {
            return None;
        }
        let (pid, reason) = (delegate.pid, delegate.advice());
        self.report.delegate = Some(delegate);
        if self.mode == Mode::Shadow {
            return None;
        }
        self.strongest = self.strongest.max(Verdict::Kill);
        Some(Effect::End { time_ns, pid, reason })
    }
}
