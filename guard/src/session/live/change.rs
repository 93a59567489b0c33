//! Changes of a jewel that nothing could refuse beforehand: the tier `tracepoint` learns of them when they have happened.
//!
//! Who made it is ended, and where the change may be the whole of an attack (something was put in a jewel's place, or a jewel
//! was given another name), an enforced session is frozen, for its owner to look at. What it moved or replaced is put back
//! then, and what it removed, or whose permissions it changed, when it is over (`undo`).

use super::Live;
use crate::Error;
use crate::session::effect::Effect;
use crate::session::itself::of_its_own;
use crate::session::passed::{Change, Deed};
use crate::session::standstill::Cause;
use event::{Decision, Event, Fate, Means, Mode, Op, Outcome, Stage, Tier, Told};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

impl Live {
    /// Settles what becomes of a change that the static stage forbids and that has happened. The effect is to be applied.
    pub(super) fn settle(&mut self, event: &mut Event) -> Option<Effect> {
        if self.shared.tier == Tier::Lsm {
            self.tell_own(event);
            return None;
        }
        let decision = event.decision?;
        let happened = decision.stage == Stage::T0 && matches!(event.outcome, Outcome::Done(_));
        if !happened || !event.op.is_change() {
            return None;
        }
        // Agents replace their own configuration so, as a routine: ending them for it would end every session.
        if let Some(file) = self.itself.replaced(event, &self.own_files) {
            self.lift_change(decision);
            event.decision = None;
            self.replaced_own(file);
            return None;
        }
        let decision = event.decision.as_mut()?;
        if !decision.enforced {
            return None;
        }
        let (freeze, stood) = (freezes(event.op, self.mode), *decision);
        decision.means = if freeze { Means::Freeze } else { Means::Kill };
        let (number, stage, means) = (decision.reason, decision.stage, decision.means);
        let change = Change::of(event, number);
        if freeze && self.passed.has(&change) {
            self.lift_change(stood);
            event.decision = event.decision.map(|decision| Decision { enforced: false, ..decision });
            return None;
        }
        self.undo.note(event, freeze);
        let (op, object) = (event.op.name(), event.object.display());
        let told = Told { fate: Fate::Stopped, stage, means, op, object: &object, times: 1 };
        let cause = Cause {
            time_ns: event.time_ns,
            stage: Some(stage),
            what: told.to_string(),
            reason: self.shared.reasons.explain(number),
            deed: Deed::Change(change),
        };
        Some(Effect::Stop { pid: event.pid, freeze, cause })
    }

    /// Lets the session go on that the kernel side has made to stand still for a change, unless another one holds it, too.
    fn lift_change(&mut self, decision: Decision) {
        if decision.means == Means::Freeze {
            self.shared.list.lift_change(self.slot);
            if self.shared.list.held(self.slot) == 0 {
                self.let_go_on();
            }
        }
    }

    /// Tells of a file of the agent's own that was replaced. Where the kernel refuses, it lets nobody but the agent itself.
    fn tell_own(&mut self, event: &Event) {
        let went_on = event.decision.is_none() && matches!(event.outcome, Outcome::Done(_));
        if let Some(file) = of_its_own(event, &self.own_files).filter(|_| went_on) {
            self.replaced_own(file);
        }
    }

    fn replaced_own(&mut self, file: &str) {
        let note =
            format!("{} itself replaced `~/{file}`, which no other program may change", self.agent_itself());
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Ends a process of the session.
    pub(super) fn end_process(&self, pid: u32) -> Result<(), Error> {
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let held = raw.map(|raw| pidfd_open(raw, PidfdFlags::empty()));
        let Some(Ok(held)) = held else { return Ok(()) };
        // The pidfd holds the number: who has it now is a member, or is somebody else and stays alive.
        if self.shared.list.member(pid)?.is_some_and(|member| member.session == self.slot) {
            return match pidfd_send_signal(held, Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => Ok(()),
                Err(error) => Err(Error::io("a process of the session could not be ended", error)),
            };
        }
        Ok(())
    }
}

/// Whether the session stands still after an operation: it may be the whole of an attack, since something took the place of a
/// jewel, or of a directory above one, or a jewel got another name. Nobody watches over a recording, who would thaw it.
fn freezes(op: Op, mode: Mode) -> bool {
    mode == Mode::Enforce && matches!(op, Op::Create | Op::Symlink | Op::Link | Op::Rename | Op::Mount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_whole_attack_freezes_and_the_rest_ends_its_process() {
        for op in [Op::Mkdir, Op::Unlink, Op::Chmod, Op::Truncate] {
            assert!(!freezes(op, Mode::Enforce), "{op:?}");
        }
        for op in [Op::Rename, Op::Link, Op::Symlink, Op::Create, Op::Mount] {
            assert!(freezes(op, Mode::Enforce), "{op:?}");
            assert!(!freezes(op, Mode::Record), "{op:?}");
        }
    }
}
