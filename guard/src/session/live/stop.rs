//! Stopping a session, and taking back what was armed for it.

use super::Live;
use crate::denylist::no_session;
use crate::session::effect::{Answer, Effect};
use crate::session::passed::Deed;
use crate::session::standstill::Cause;
use crate::{Error, cgroup};
use event::{Means, Mode, Stage};
use models::Verdict;
use rustix::process::Signal;
use std::time::{Duration, Instant};
use sys::clock::boot_ns;

/// How long the record of a change may take. It is on its way before the session stands still.
const UNTOLD: Duration = Duration::from_secs(2);

impl Live {
    /// Does what an effect asks for; those that only show something need nothing.
    pub fn apply(&mut self, effect: &Effect) -> Result<(), Error> {
        let (answer, means) = match effect {
            Effect::Denied(_) | Effect::Alert { .. } | Effect::Used { .. } | Effect::Met { .. } => {
                return Ok(());
            }
            Effect::End { .. } => return self.kill(),
            Effect::Stop { freeze: true, cause, .. } => return self.freeze(cause.clone()),
            Effect::Stop { pid, .. } => return self.end_process(*pid),
            Effect::Restrict(answer) => (answer, None),
            Effect::Freeze(answer) => (answer, Some(Means::Freeze)),
            Effect::Kill(answer) => (answer, Some(Means::Kill)),
        };
        let stopped = match means {
            None => Ok(()),
            Some(Means::Kill) => self.kill(),
            Some(_) => self.freeze(answer.cause()),
        };
        let restricted = self.restrict(answer);
        let latency = boot_ns().saturating_sub(answer.time_ns);
        self.report.t2_latency_ns.get_or_insert(latency);
        if let Some(means) = means {
            self.stopped(Stage::T2, means);
        }
        stopped.and(restricted)
    }

    /// Takes accesses away from the whole session, in the kernel.
    fn restrict(&self, answer: &Answer) -> Result<(), Error> {
        let list = &self.shared.list;
        let mut session = list.session(self.slot)?;
        session.restrict |= answer.access.bits();
        session.restrict_reason = answer.number;
        list.set_session(self.slot, &session)
    }

    /// Freezes a session that the kernel side has begun to hold, or ends it with the kernel side, unless it is only watched; what
    /// there is to show of it.
    pub fn answer_hold(&mut self) -> Result<Option<Effect>, Error> {
        let Some(held) = self.begins_to_be_held() else { return Ok(None) };
        if held == abi::REASON_SHARED {
            let reason = self.shared.reasons.explain(held);
            self.strongest = Verdict::Kill;
            self.notes.push(reason.clone());
            self.kill()?;
            return Ok(Some(Effect::End { time_ns: boot_ns(), pid: 0, reason }));
        }
        let cause = Cause {
            time_ns: boot_ns(),
            stage: Some(Stage::T0),
            what: String::new(),
            reason: self.shared.reasons.explain(held),
            deed: Deed::Single,
        };
        self.freeze(cause.clone())?;
        Ok(Some(Effect::Stop { pid: 0, freeze: true, cause }))
    }

    /// Notes that the kernel side has begun to hold the session, with the number of the reason; `None`: it has not, or that is known,
    /// or the record of the change for which it does is on its way.
    fn begins_to_be_held(&mut self) -> Option<u32> {
        let held = self.shared.list.held(self.slot);
        if held != abi::REASON_CHANGED {
            self.untold = None;
        }
        if held == 0 || self.held == held || self.held == abi::REASON_SHARED || self.mode == Mode::Shadow {
            return None;
        }
        if held == abi::REASON_CHANGED {
            let since = self.untold.get_or_insert_with(Instant::now);
            if self.standstill.is_some() || since.elapsed() < UNTOLD {
                return None;
            }
        }
        self.held = held;
        self.report.stopped += u64::from(held == abi::REASON_TYPED);
        Some(held)
    }

    /// The same of a session that ended before it was frozen.
    pub(super) fn ended_held(&mut self) {
        if let Some(held) = self.begins_to_be_held() {
            if held == abi::REASON_SHARED {
                self.strongest = Verdict::Kill;
            }
            self.stopped(Stage::T0, Means::Kill);
            self.notes.push(self.shared.reasons.explain(held));
        }
    }

    /// Kills the whole session: its cgroup at once, and then each member, since a cgroup kills no threads of a process whose
    /// first one has exited.
    pub fn kill(&self) -> Result<(), Error> {
        let killed = self.cgroup.as_ref().map_or(Ok(()), cgroup::Cgroup::kill);
        self.processes().into_iter().for_each(|pid| cgroup::signal(pid, Signal::KILL));
        killed
    }

    /// Processes inside.
    pub fn processes(&self) -> Vec<u32> {
        self.shared.list.members(self.slot)
    }

    /// Signals the members that the cgroup does not reach: root leaves one with a single write.
    pub(super) fn signal_strays(&self, signal: Signal) {
        let reached = self.cgroup.as_ref().map(cgroup::Cgroup::reached).unwrap_or_default();
        for pid in self.processes().into_iter().filter(|pid| !reached.contains(pid)) {
            cgroup::signal(pid, signal);
        }
    }

    /// Takes everything back. Goes on past an error, and reports the first.
    pub(super) fn disarm(&mut self) -> Result<(), Error> {
        let list = self.shared.list.clone();
        let session = list.set_session(self.slot, &no_session());
        list.lift(self.slot, true);
        self.armed = None;
        self.whole = None;
        self.obeyed.marks = None;
        session.and(self.shared.jewels.release(self.slot))
    }
}
