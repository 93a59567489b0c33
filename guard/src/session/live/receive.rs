//! Counts, records, scores and answers each event.

use super::Live;
use crate::loans::Loans;
use crate::session::effect::Effect;
use crate::session::way::{Turn, Way};
use crate::t1;
use bstr::ByteSlice;
use collector::Dns;
use event::{Captured, Class, Event, Mode, Object, Op, Origin, Outcome, Unseen};

/// What is unseen of an attached session counts as so many lost records: the score's confidence begins at a fifth, and
/// needs more than six blocks of actions to be enough to act on.
const UNSEEN_RECORDS: u64 = 128;

impl Live {
    /// Takes in what the kernel said, in its order.
    pub fn receive(&mut self, mut captured: Captured) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut stop = None;
        if let Captured::Event(event) = &mut captured {
            if let Some(decision) = &mut event.decision {
                decision.reason = self.shared.reasons.asked(decision.reason, event.access);
            }
            if (self.mode == Mode::Shadow || self.only_watches()) && self.judged.is_told_later(event) {
                return effects;
            }
            self.name(event);
            self.follow(event);
            self.explain_operation(event);
            stop = self.settle(event);
            self.watch(event);
            self.label_made(event);
        }
        self.tally.take(&captured, &self.meta.context);
        match &captured {
            Captured::Event(event) => {
                self.last_ns = self.last_ns.max(event.time_ns);
                let is_look = self.looks.at_keys(event, &self.meta.context);
                if !is_look {
                    self.decided(event, &mut effects);
                }
                effects.extend(stop);
                effects.extend(self.met(event));
                // Others may get a baseline with their next task, and the tokeniser must have seen all before.
                if self.mode != Mode::Record || self.scorer.is_some() {
                    let step = self.tokeniser.read(event);
                    let scorer = self.scorer.as_mut().filter(|_| !is_look);
                    if let Some(score) = scorer.and_then(|scorer| scorer.push(&step)) {
                        let class = Class::of(&event.object, &self.meta.context);
                        self.scored(event, class, &score, &mut effects);
                    }
                    if let (Some(_), Some(lags)) = (&self.scorer, &mut self.lags) {
                        lags.note(event.time_ns);
                    }
                }
            }
            Captured::Syscall(call) => {
                if let Some(scorer) = &mut self.scorer {
                    scorer.push_syscall(call.tid, call.number, call.ret);
                }
            }
            Captured::Loss(loss) => {
                let turns = self.way.as_mut().map_or_else(Vec::new, |way| way.unseen(loss.time_ns));
                let told = self.turn(turns);
                self.warn(told);
                if let Some(scorer) = &mut self.scorer {
                    scorer.note_loss(loss.count);
                }
            }
        }
        if let Some(recording) = &mut self.recording {
            recording.take(captured);
        }
        effects
    }

    /// Follows who is the agent itself, and tells the kernel side.
    fn follow(&mut self, event: &Event) {
        let turns = self.way.as_mut().map_or_else(Vec::new, |way| way.note(event));
        let mut told = self.turn(turns);
        let before = self.itself.first();
        let agent = self.way.as_ref().and_then(|way| way.agent.as_deref());
        let started = self.itself.note(event, agent.unwrap_or(self.meta.agent.as_str()));
        let list = &self.shared.list;
        if let Some(pid) = started {
            // Behind a launcher the kernel side may not have known whose child it is when it was made.
            told = told.and(match self.way {
                Some(_) => list.begin_itself(pid, false),
                None => list.confirm_itself(pid),
            });
        }
        if let Some(pid) = before.filter(|_| self.itself.first() != before) {
            told = told.and(list.end_itself(pid));
        }
        self.warn(told);
    }

    /// What the kernel side was not told keeps the agent from its own files, and opens nothing.
    fn warn(&self, told: Result<(), crate::Error>) {
        if let Err(error) = told {
            tracing::warn!(session = %self.id, %error, "the agent itself cannot replace its own files");
        }
    }

    /// Takes in what the way to the agent has come to.
    fn turn(&mut self, turns: Vec<Turn>) -> Result<(), crate::Error> {
        let list = &self.shared.list;
        let mut told = Ok(());
        for turn in turns {
            match turn {
                Turn::Agent(started, is_script) => {
                    self.itself.is_who(&started, is_script);
                    told = told.and(list.begin_itself(started.pid, is_script));
                }
                Turn::Left(pid) => {
                    self.itself.is_nobody();
                    told = told.and(list.end_itself(pid));
                }
                Turn::Lost(note) => self.notes.push(note),
            }
        }
        told
    }

    /// Takes in a DNS message of the session.
    pub fn hear(&mut self, dns: &Dns) {
        if let Some(name) = self.names.hear(dns) {
            let loans = self.loans.as_ref().and_then(Loans::hosts);
            self.hosts().into_iter().chain(loans).for_each(|hosts| hosts.want(&name));
        }
    }

    /// Destinations that the armed policy knows by name.
    pub(super) fn hosts(&self) -> Option<&t1::hosts::Hosts> {
        self.armed.as_ref()?.hosts.as_ref()
    }

    /// Gives an address its name. One that was refused is a reason to resolve the name again.
    fn name(&mut self, event: &mut Event) {
        let Object::Address(address) = &mut event.object else { return };
        match (event.op, &mut address.host) {
            (Op::ServerName, Some(host)) => {
                self.names.claim(address.ip, &host.name);
                host.shared = self.names.is_shared(address.ip);
            }
            (Op::Connect | Op::Send, host) => {
                let hosts = self.armed.as_ref().and_then(|armed| armed.hosts.as_ref());
                let resolved = |name: &str| hosts.is_some_and(|hosts| hosts.is_resolved(name, address.ip));
                *host = self.names.host(address.ip, resolved);
                let loans = self.loans.as_ref().and_then(Loans::hosts);
                if let (Some(host), Some(_)) = (host, event.decision) {
                    hosts.into_iter().chain(loans).for_each(|hosts| hosts.want(&host.name));
                }
            }
            _ => {}
        }
    }

    /// Labels a directory that the armed policy awaits, as soon as it is told of it or of something in it.
    fn label_made(&mut self, event: &Event) {
        let Some(armed) = self.armed.as_mut().filter(|armed| !armed.policy.awaited.is_empty()) else {
            return;
        };
        let Object::File(file) = &event.object else { return };
        if file.origin != Origin::Trusted || !matches!(event.outcome, Outcome::Done(_)) {
            return;
        }
        let above = file.path.rsplit_once_str("/").map_or(&b""[..], |(above, _)| above);
        for path in [file.path.as_bstr(), above.as_bstr()] {
            if !armed.policy.awaited.contains_key(path) {
                continue;
            }
            // What was told of may be the making itself, before it; or it is gone again.
            let found = t1::Real::new(self.shared.list.clone()).remembered(path);
            let Some(made) = found.filter(t1::Entry::is_dir) else { continue };
            if let Err(e) = t1::label_made(&*self.shared.list, &mut armed.policy, path, made.key) {
                tracing::warn!(session = %self.id, error = %e, path = %path, "what is made in a directory is not told apart");
            }
        }
    }

    /// Tells of what happened at places that are watched.
    pub(super) fn watch(&mut self, event: &Event) {
        let told = self.watched.told_of(event);
        self.notes.extend(told);
    }

    /// The session was attached to processes that ran before: the score is worth less for a while.
    pub fn attached(&mut self, unseen: Unseen) {
        self.report.unseen = Some(unseen);
        if let Some(scorer) = &mut self.scorer {
            scorer.note_loss(UNSEEN_RECORDS);
        }
    }
}
