//! Listeners outside that the session reached, or was kept from: each is named.

use super::Live;
use crate::delegates::{Outsider, Who};
use crate::reason;
use crate::session::effect::Effect;
use crate::session::passed::Deed;
use crate::session::pipes::Opened;
use crate::session::standstill::Cause;
use event::{Event, Fate, Means, Mode, Object, Op, Outcome, Stage};
use models::Verdict;
use std::time::Instant;
use wire::{Delegate, Peer, PeerKind};

/// Peers that a report has; more are not told apart.
const PEERS_MAX: usize = 256;
/// Processes of the session whose connections wait for the name of who listens.
const MAKERS_MAX: usize = 256;

impl Live {
    /// Looks at who listens where the session has connected to, or has tried to. The effects are to be applied.
    pub(super) fn met(&mut self, event: &Event) -> Vec<Effect> {
        if event.op == Op::Open {
            if let Some(who) = self.peers.pipes.opened(event)
                && let Some(watch) = &self.delegates
            {
                watch.ask(who);
            }
            return Vec::new();
        }
        let (Op::Connect | Op::Send, Some(Object::Process { pid, inside: false, detail })) =
            (event.op, &event.second)
        else {
            return Vec::new();
        };
        let fate = match (event.fate(), event.outcome) {
            (Some(fate), _) => fate,
            (None, Outcome::Done(_)) => Fate::Happened,
            (None, _) => return Vec::new(),
        };
        let who = if *pid == 0 { Who::Socket(*detail) } else { Who::Process(*pid) };
        self.note_peer(who, &event.object, fate);
        let decided = event.decision.map(|made| made.reason);
        let makers: &[u32] = if decided.is_none() { &[event.pid] } else { &[] };
        if let Some(outsider) = self.shared.delegates.get(*pid) {
            let mut effects = self.judge(who, &outsider, makers);
            if let Some(agent) = outsider.delegate().filter(|_| decided == Some(reason::DELEGATE)) {
                effects.extend(self.reached_agent(event.time_ns, agent));
            }
            return effects;
        }
        if decided == Some(reason::DELEGATE) {
            // It has ended since.
            return self.reached_agent(event.time_ns, Delegate::gone(*pid)).into_iter().collect();
        }
        if let Some(watch) = self.delegates.as_ref().filter(|_| !self.peers.harmless.contains(&who)) {
            if self.peers.makers.len() < MAKERS_MAX {
                self.peers.makers.entry(who).or_default().extend(makers);
            }
            watch.ask(who);
        }
        Vec::new()
    }

    fn note_peer(&mut self, who: Who, object: &Object, fate: Fate) {
        let at = object.display();
        let place = self.peers.places.get(&(who, at.clone(), fate));
        if let Some(met) = place.and_then(|place| self.report.peers.get_mut(*place)) {
            met.times += 1;
        } else if self.report.peers.len() < PEERS_MAX {
            self.peers.places.insert((who, at.clone(), fate), self.report.peers.len());
            let pid = if let Who::Process(pid) = who { pid } else { 0 };
            self.report.peers.push(Peer { pid, at, fate, times: 1, program: None, kind: None });
        }
    }

    /// What became known of who listens, since the last call. The effects are to be applied.
    pub fn peers_named(&mut self) -> Vec<Effect> {
        let answers = self.delegates.as_ref().map(|watch| watch.answers()).unwrap_or_default();
        let mut effects = Vec::new();
        for (who, found) in answers {
            let makers = self.peers.makers.remove(&who).unwrap_or_default();
            let Some(outsider) = found else { continue };
            match self.peers.pipes.take(who) {
                Some(pipe) => effects.extend(self.pipe_leads_to(who, &pipe, &outsider)),
                None => effects.extend(self.judge(who, &outsider, &makers)),
            }
        }
        let now = Instant::now();
        while let Some((who, pipe)) = self.peers.pipes.unread(now) {
            effects.extend(self.pipe_leads_outside(who, &pipe));
        }
        effects
    }

    /// Somebody outside has a named pipe that the session has opened.
    fn pipe_leads_to(&mut self, who: Who, pipe: &Opened, outsider: &Outsider) -> Vec<Effect> {
        if outsider.kind == PeerKind::Own {
            return Vec::new();
        }
        self.note_peer(who, &pipe.object, Fate::Happened);
        let mut effects = self.judge(who, outsider, &[]);
        if outsider.kind != PeerKind::System && !pipe.writers.is_empty() {
            let what = format!("what `{}` (process {}) reads was written", outsider.program, outsider.pid);
            effects.extend(self.reached(who, what, reason::PIPE, &pipe.writers));
        }
        effects
    }

    /// Nobody inside has read what was written into a named pipe, which is there to be written only where somebody reads.
    fn pipe_leads_outside(&mut self, who: Who, pipe: &Opened) -> Vec<Effect> {
        self.note_peer(who, &pipe.object, Fate::Happened);
        self.reached(who, format!("{} was written", pipe.object.display()), reason::PIPE, &pipe.writers)
    }

    /// The session is over: whoever was to read what it has written was not inside.
    pub(super) fn end_pipes(&mut self) {
        for (who, pipe) in self.peers.pipes.take_unread() {
            self.pipe_leads_outside(who, &pipe);
        }
    }

    /// Names the peers of a process, tells of those that were not told of yet, and stops who has reached what works for others
    /// before it was known.
    fn judge(&mut self, who: Who, outsider: &Outsider, makers: &[u32]) -> Vec<Effect> {
        let mut effects = Vec::new();
        let places = self.peers.places.iter().filter(|((of, ..), _)| *of == who).map(|(_, place)| *place);
        for place in places.collect::<Vec<_>>() {
            let Some(peer) = self.report.peers.get_mut(place).filter(|peer| peer.kind.is_none()) else {
                continue;
            };
            peer.pid = outsider.pid;
            peer.program = Some(outsider.program.clone());
            peer.kind = Some(outsider.kind.clone());
            if let Some(recording) = &mut self.recording {
                match who {
                    Who::Process(pid) => recording.reason(reason::of_outsider(pid, 0), &outsider.program),
                    Who::Socket(socket) => {
                        recording.reason(reason::of_outsider(0, socket), &outsider.program);
                    }
                    Who::Pipe(..) => {}
                }
            }
            if peer.fate == Fate::Happened && matches!(outsider.kind, PeerKind::Other | PeerKind::Helper(_)) {
                effects.push(Effect::Met { time_ns: sys::clock::boot_ns(), peer: peer.clone() });
            }
        }
        match &outsider.kind {
            PeerKind::Agent(_) | PeerKind::Helper(_) if makers.is_empty() => {}
            PeerKind::Agent(_) => {
                self.report.t0_hits += 1;
                self.stopped(Stage::T0, Means::Kill);
                let agent = outsider.delegate();
                effects.extend(agent.and_then(|agent| self.reached_agent(sys::clock::boot_ns(), agent)));
            }
            PeerKind::Helper(work) => {
                let what = format!("`{}` (process {}) was reached", outsider.program, outsider.pid);
                effects.extend(self.reached(who, what, reason::of_work(*work), makers));
            }
            PeerKind::System | PeerKind::Other | PeerKind::Own => {
                if self.peers.harmless.len() < PEERS_MAX {
                    self.peers.harmless.insert(who);
                }
            }
        }
        effects
    }

    /// A helper was reached before it was known, or somebody by a pipe: who has done so is ended, and had it until then.
    fn reached(&mut self, who: Who, what: String, number: u32, makers: &[u32]) -> Vec<Effect> {
        self.report.t0_hits += 1;
        if self.mode == Mode::Shadow {
            return Vec::new();
        }
        let places = self.peers.places.iter().filter(|((of, ..), _)| *of == who).map(|(_, place)| *place);
        for place in places.collect::<Vec<_>>() {
            if let Some(peer) = self.report.peers.get_mut(place).filter(|peer| peer.fate == Fate::Happened) {
                peer.fate = Fate::Stopped;
            }
        }
        self.stopped(Stage::T0, Means::Kill);
        self.report.stopped += makers.len() as u64;
        let cause = Cause {
            time_ns: sys::clock::boot_ns(),
            stage: Some(Stage::T0),
            what,
            reason: self.explained(number),
            deed: Deed::Single,
        };
        makers.iter().map(|pid| Effect::Stop { pid: *pid, freeze: false, cause: cause.clone() }).collect()
    }

    fn reached_agent(&mut self, time_ns: u64, delegate: Delegate) -> Option<Effect> {
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
