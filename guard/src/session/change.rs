//! Changes of a jewel that nothing could refuse beforehand: the tier `tracepoint` learns of them when they have happened.
//!
//! What was made is not undone. Who made it is ended, and where the change may be the whole of an attack (something was put
//! in a jewel's place, or a jewel was given another name), an enforced session is frozen, for its owner to look at.

use super::{Cause, Change, Deed, Effect, Live};
use crate::control::Mode;
use crate::{Error, reason};
use collector::Tier;
use event::{Decision, Event, Fate, Means, Op, Outcome, Stage, Told};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// How an operation is stopped that has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// Not at all.
    Pass,
    /// The process is ended.
    End,
    /// The session is frozen.
    Freeze,
}

impl Live {
    /// Settles what becomes of a change that the static stage forbids and that has happened. The effect is to be applied.
    pub(super) fn settle(&self, event: &mut Event) -> Option<Effect> {
        let decision = event.decision.as_mut()?;
        let happened = decision.stage == Stage::T0 && matches!(event.outcome, Outcome::Done(_));
        if self.shared.tier != Tier::Tracepoint || !happened || !is_change(event.op) {
            return None;
        }
        let after = after(event.op, decision.reason, self.mode);
        if after == After::Pass {
            event.decision = None;
            return None;
        }
        if !decision.enforced {
            return None;
        }
        let freeze = after == After::Freeze;
        decision.means = if freeze { Means::Freeze } else { Means::Kill };
        let (number, stage, means) = (decision.reason, decision.stage, decision.means);
        let change = Change::of(event, number);
        if freeze && self.passed.has(&change) {
            event.decision = event.decision.map(|decision| Decision { enforced: false, ..decision });
            return None;
        }
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

    /// Ends a process of the session.
    pub(super) fn end_process(&self, pid: u32) -> Result<(), Error> {
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let held = raw.map(|raw| pidfd_open(raw, PidfdFlags::empty()));
        let Some(Ok(held)) = held else { return Ok(()) };
        // The pidfd holds the number: who has it now is a member, or is somebody else and stays alive.
        if self.shared.list.member(pid)?.is_some_and(|member| member.session == self.slot) {
            let _ = pidfd_send_signal(held, Signal::KILL);
        }
        Ok(())
    }
}

/// Whether an operation changes a file by its path.
fn is_change(op: Op) -> bool {
    matches!(
        op,
        Op::Create
            | Op::Mkdir
            | Op::Rmdir
            | Op::Symlink
            | Op::Link
            | Op::Rename
            | Op::Unlink
            | Op::Truncate
            | Op::Chmod
            | Op::Chown
            | Op::Setxattr
            | Op::Removexattr
    )
}

fn after(op: Op, number: u32, mode: Mode) -> After {
    let jewel = reason::jewel(number);
    // Agents replace their own configuration by a rename, as a routine: ending them for it would end every session.
    if jewel.is_some_and(|jewel| jewel.is_of_agents()) {
        return After::Pass;
    }
    let may_be_all = matches!(op, Op::Create | Op::Symlink | Op::Link | Op::Rename);
    let is_routine = jewel.is_some_and(|jewel| jewel.is_of_git());
    // Nobody watches over a recording, who would thaw it.
    if may_be_all && !is_routine && mode == Mode::Enforce { After::Freeze } else { After::End }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::jewel::{JEWELS, Site};

    fn number(path: &'static str) -> u32 {
        let index = JEWELS.iter().position(|jewel| jewel.site == Site::Home(path));
        reason::of_jewel(index.expect("a jewel"))
    }

    #[test]
    fn what_may_be_a_whole_attack_freezes_and_the_rest_ends_its_process() {
        let unit = number(".config/systemd");
        assert_eq!(after(Op::Mkdir, unit, Mode::Enforce), After::End);
        for op in [Op::Rename, Op::Link, Op::Symlink, Op::Create] {
            assert_eq!(after(op, unit, Mode::Enforce), After::Freeze, "{op:?}");
            assert_eq!(after(op, unit, Mode::Record), After::End, "{op:?}");
            assert_eq!(after(op, number(".gitconfig"), Mode::Enforce), After::End, "{op:?}");
            assert_eq!(after(op, number(".claude.json"), Mode::Enforce), After::Pass, "{op:?}");
        }
        assert_eq!(after(Op::Rename, reason::OWN_FILE, Mode::Enforce), After::Freeze);
    }
}
