//! Other rules for a session that runs: armed beside those that it obeys, and taken over in one step.

use crate::loans::{self, Loans};
use crate::obeyed::Obeyed;
use crate::session::whole::Whole;
use crate::session::{Live, Watched};
use crate::shared::Shared;
use crate::t1::hosts;
use crate::{Error, t0};
use abi::FileKey;
use collector::Tier;
use event::TaskName;
use policy::{Rules, Taken, Taking};
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use wire::Mode;

/// What arming other rules for a session that runs needs.
pub struct Renewing {
    shared: Arc<Shared>,
    slot: u32,
    mode: Mode,
    resolvers: Vec<IpAddr>,
    /// What it obeys, whatever its task.
    rules: Rules,
    guarded: Arc<t0::Guarded>,
    /// Files that it has made.
    made: HashSet<FileKey>,
}

/// Rules that are armed for a session that runs, and that it does not obey alone yet: what the old ones refuse is refused.
pub struct Renewed {
    obeyed: Obeyed,
    /// What it was armed beside.
    before: Arc<t0::Guarded>,
    rules: Rules,
    /// What the session began with goes on to hold.
    keeps: bool,
    kept: Vec<t0::Kept>,
    places: Option<t0::Places>,
    whole: Option<Whole>,
    loans: Option<Loans>,
}

/// Rules that no session obeys any more. They are taken back when it is dropped, which takes a while.
#[derive(Default)]
pub struct Released {
    _obeyed: Vec<Obeyed>,
    _loans: Option<Loans>,
    _whole: Option<Whole>,
}

impl Renewing {
    /// What becomes of the session's rules when others are to hold.
    pub fn take(&self, others: &Rules, how: Taking) -> Taken {
        self.rules.take(others, how)
    }

    /// Arms what was taken.
    pub fn renew(&self, taken: &Taken, task: &TaskName, how: Taking) -> Result<Renewed, Error> {
        let ends_loans = taken.rules.loans().any(|loan| loan.sites.is_empty());
        self.arm(taken.rules.clone(), task, how == Taking::Tighter && !ends_loans)
    }

    /// Whether other rules hold during a task.
    pub fn is_other_during(&self, task: &TaskName) -> bool {
        self.rules.of_task(task.as_str()) != self.guarded.rules
    }

    /// Arms the rules of another task.
    pub fn for_task(&self, task: &TaskName) -> Result<Renewed, Error> {
        self.arm(self.rules.clone(), task, false)
    }

    fn arm(&self, rules: Rules, task: &TaskName, keeps: bool) -> Result<Renewed, Error> {
        let (shared, before) = (&self.shared, &self.guarded);
        let guarded = t0::Guarded {
            rules: rules.of_task(task.as_str()),
            since: Some(t0::Since { rules: before.rules.clone(), made: self.made.clone() }),
            ..(**before).clone()
        };
        let obeyed = Obeyed::arm(shared, self.slot, guarded)?;
        let (mut kept, mut places) = (Vec::new(), None);
        if keeps_places(shared.tier, self.mode) {
            let guarded = &obeyed.guarded;
            kept = t0::keep(&*shared.list, &guarded.home, &guarded.rules, &obeyed.coverage().found);
            places = t0::Places::of(guarded);
        }
        let whole = Whole::of(shared, self.slot)?;
        let lends = loans::hosts(&obeyed.guarded.rules) != loans::hosts(&before.rules);
        let loans = match lends {
            true => Loans::arm(shared, &obeyed.guarded.rules, &self.resolvers, hosts::resolve)?,
            false => None,
        };
        if let Some(resolved) = loans.as_ref().and_then(Loans::hosts) {
            resolved.settle(hosts::FIRST_ANSWERS);
        }
        Ok(Renewed { obeyed, before: Arc::clone(before), rules, keeps, kept, places, whole, loans })
    }
}

/// Whether what cannot be refused is put back. Nothing freezes in the other modes.
pub(crate) fn keeps_places(tier: Tier, mode: Mode) -> bool {
    tier == Tier::Tracepoint && mode == Mode::Enforce
}

impl Live {
    /// What arming other rules for it needs.
    pub fn renewing(&self) -> Option<Renewing> {
        Some(Renewing {
            shared: Arc::clone(&self.shared),
            slot: self.slot,
            mode: self.mode,
            resolvers: self.meta.context.resolvers.clone(),
            rules: self.rules.clone(),
            guarded: Arc::clone(&self.obeyed.last()?.guarded),
            made: self.tokeniser.own().clone(),
        })
    }

    /// Whether it still obeys what rules were armed beside.
    pub(crate) fn is_before(&self, renewed: &Renewed) -> bool {
        self.obeyed.last().is_some_and(|obeyed| Arc::ptr_eq(&obeyed.guarded, &renewed.before))
    }

    /// Whether what it obeys is what its rules say during a task.
    pub(crate) fn obeys_rules_of(&self, task: &TaskName) -> bool {
        self.obeyed.last().is_none_or(|obeyed| obeyed.guarded.rules == self.rules.of_task(task.as_str()))
    }

    /// Obeys other rules, in one step: what the old ones alone refuse is open from now on. These are taken back when they are
    /// dropped.
    pub fn obey(&mut self, mut renewed: Renewed) -> Result<Released, Error> {
        if !self.is_before(&renewed) {
            return Err(Error::Renewed);
        }
        let mut loans = renewed.loans.take();
        if loans.is_some() {
            std::mem::swap(&mut self.loans, &mut loans);
            if let Err(e) = self.publish() {
                self.loans = loans;
                return Err(e);
            }
        }
        Ok(Released { _loans: loans, ..self.take_over(renewed) })
    }

    /// The same of rules that were armed beside what it obeys, and lend what these lend.
    pub(crate) fn take_over(&mut self, renewed: Renewed) -> Released {
        let Renewed { obeyed, rules, keeps, kept, places, whole, .. } = renewed;
        let watched = Watched::of(&obeyed.guarded.rules, &self.meta.context, &obeyed.coverage().repositories);
        self.watched = watched.after(&self.watched);
        if keeps_places(self.shared.tier, self.mode) {
            self.undo.keep(kept, places);
        }
        self.rules = rules;
        // What was labelled when the session began may have got another place since.
        let stay = usize::from(keeps).min(self.obeyed.len());
        let old = self.obeyed.split_off(stay);
        self.obeyed.push(obeyed);
        // What could not be kept whole ends the session, and is not forgotten.
        let whole = if self.is_whole() { std::mem::replace(&mut self.whole, whole) } else { whole };
        Released { _obeyed: old, _loans: None, _whole: whole }
    }
}
