//! Freezing a session, and letting it go on: who does, and how far.

use super::Live;
use crate::session::passed::Deed;
use crate::session::standstill::{Cause, Standstill};
use crate::{Error, cgroup};
use event::Means;
use models::Score;
use rustix::process::Signal;
use std::collections::HashMap;
use std::time::Instant;
use sys::clock::boot_ns;
use wire::{Freeze, Frozen, GoOn};

/// Things that are told of one freeze; more are let pass with them.
const TOLD_MAX: usize = 8;
/// Freezes that a report carries one by one.
const FREEZES_MAX: usize = 100;

impl Live {
    /// Has the whole session frozen, those included that left its cgroup, and does not wait: a process that a device or a file
    /// system keeps waiting stands still when it answers, and [`Live::check_freeze`] says what came of it. What froze it is
    /// told to whoever can answer.
    pub fn freeze(&mut self, cause: Cause) -> Result<(), Error> {
        let frozen = self.cgroup.as_ref().map_or(Ok(()), cgroup::Cgroup::begin_freeze);
        self.freezing = self.cgroup.as_ref().map(|_| Instant::now() + cgroup::SETTLE);
        self.signal_strays(Signal::STOP);
        self.freezes += 1;
        if let Some(stage) = cause.stage {
            self.stopped(stage, Means::Freeze);
        }
        if self.report.freezes.len() < FREEZES_MAX {
            self.report.freezes.push(Freeze {
                time_ns: cause.time_ns,
                stage: cause.stage,
                what: cause.what.clone(),
                reason: cause.reason.clone(),
                went_on: None,
            });
        }
        let list = &self.shared.list;
        let standstill = self.standstill.get_or_insert_with(|| Standstill {
            stage: cause.stage,
            what: Vec::new(),
            why: Vec::new(),
            deeds: Vec::new(),
            restricted: list.session(self.slot).map_or((0, 0), |s| (s.restrict, s.restrict_reason)),
        });
        for (told, text) in [(&mut standstill.what, cause.what), (&mut standstill.why, cause.reason)] {
            if !text.is_empty() && told.len() < TOLD_MAX && !told.contains(&text) {
                told.push(text);
            }
        }
        standstill.deeds.push(cause.deed);
        frozen
    }

    /// Lets those go on that the kernel side has made to stand still with the session.
    pub(super) fn let_go_on(&mut self) {
        let mut standing = HashMap::new();
        for pid in self.processes() {
            let member = self.shared.list.member(pid).ok().flatten();
            if let Some(member) = member.filter(|member| member.session == self.slot && member.stands != 0) {
                standing.insert(pid, member.stands);
                if self.gone_on.get(&pid) != Some(&member.stands) {
                    cgroup::signal(pid, Signal::CONT);
                }
            }
        }
        self.gone_on = standing;
    }

    /// Looks whether a session that was to be frozen stands still. An error: it does not in time.
    pub fn check_freeze(&mut self) -> Result<(), Error> {
        let (Some(until), Some(cgroup)) = (self.freezing, &self.cgroup) else { return Ok(()) };
        let (still, late) = (cgroup.is_still(), Instant::now() >= until);
        if still || late {
            self.freezing = None;
        }
        if still || !late { Ok(()) } else { Err(cgroup.unsettled()) }
    }

    /// Whether it is to be frozen, and not known to stand still.
    pub fn is_freezing(&self) -> bool {
        self.freezing.is_some()
    }

    /// Lets it go on: what froze it is let pass, and what was taken away for that is given back.
    pub fn thaw(&mut self, how: GoOn) -> Result<(), Error> {
        if let Some(standstill) = &self.standstill {
            let list = &self.shared.list;
            let mut session = list.session(self.slot)?;
            (session.restrict, session.restrict_reason) = standstill.restricted;
            list.set_session(self.slot, &session)?;
        }
        if let Some(standstill) = self.standstill.take() {
            self.passed.add(standstill.deeds, how);
            // What comes next is judged anew.
            (self.acted, self.answered) = (None, true);
            for freeze in self.report.freezes.iter_mut().rev().take_while(|freeze| freeze.went_on.is_none()) {
                freeze.went_on = Some(how);
            }
        }
        self.shared.list.lift(self.slot, false);
        (self.held, self.untold, self.freezing) = (0, None, None);
        self.let_go_on();
        let thawed = self.cgroup.as_ref().map_or(Ok(()), cgroup::Cgroup::thaw);
        self.signal_strays(Signal::CONT);
        thawed
    }

    /// What it had moved or replaced was put back, or could not be.
    pub fn was_put_back(&mut self, told: String) {
        if let Some(standstill) = &mut self.standstill
            && standstill.what.len() < TOLD_MAX
        {
            standstill.what.push(told.clone());
            self.freezes += 1;
        }
        self.notes.push(told);
    }

    /// What the score says while the session stands still is of what froze it. Whether it does.
    pub(super) fn note_standing(&mut self, score: &Score) -> bool {
        let Some(standstill) = &mut self.standstill else { return false };
        let deed = Deed::of_score(score);
        match standstill.deeds.iter_mut().find(|deed| matches!(deed, Deed::Score(_))) {
            Some(known) => *known = deed,
            None => standstill.deeds.push(deed),
        }
        true
    }

    /// Freezes it for its owner, who asked for that from outside.
    pub fn freeze_as_asked(&mut self) -> Result<(), Error> {
        self.freeze(Cause {
            time_ns: boot_ns(),
            stage: None,
            what: String::new(),
            reason: "it was asked for from outside, by `wardline stop-session --freeze`".to_owned(),
            deed: Deed::Single,
        })
    }

    /// Freezes it, since what answers for it has died.
    pub fn freeze_unguarded(&mut self) -> Result<(), Error> {
        self.freeze(Cause {
            time_ns: boot_ns(),
            stage: None,
            what: String::new(),
            reason: "nobody answers permission events any more, so nothing would be refused".to_owned(),
            deed: Deed::Unguarded,
        })
    }

    /// Whether it stands still.
    pub fn is_frozen(&self) -> bool {
        self.standstill.is_some() || self.cgroup.as_ref().is_some_and(cgroup::Cgroup::is_frozen)
    }

    /// How it stands still, for who can answer.
    pub fn frozen(&self) -> Option<Frozen> {
        let standstill = self.standstill.as_ref()?;
        Some(Frozen {
            number: self.freezes,
            session: self.id.clone(),
            agent: self.meta.agent.clone(),
            stage: standstill.stage,
            what: standstill.what.clone(),
            why: standstill.why.clone(),
            may_go_on: !standstill.deeds.contains(&Deed::Unguarded),
        })
    }
}
