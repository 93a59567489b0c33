//! One running session: what arrives is counted, written down, scored and answered.

mod answer;
mod change;
mod denials;
mod freeze;
pub(crate) mod itself;
mod judged;
mod keys;
pub(crate) mod lag;
mod looks;
pub mod names;
mod normal;
mod passed;
mod peers;
mod pipes;
mod recording;
mod stop;
mod sum;
mod tally;
#[cfg(test)]
mod tests;
mod undo;
mod watched;
pub(crate) mod whole;

use crate::delegates::Watch;
use crate::fanotify::Marks;
use crate::guard::Shared;
use crate::ladder::Step;
use crate::{cgroup::Cgroup, t0, t1};
use bstr::ByteSlice;
use collector::Dns;
use denials::Denials;
use event::{
    Access, Captured, Class, Event, Object, Op, Origin, Outcome, Segment, SessionMeta, Stage, Tokeniser,
    Unseen,
};
pub use freeze::Cause;
use freeze::Standstill;
use itself::{Itself, OwnFile};
use judged::Judged;
use lag::Lags;
use looks::Looks;
use models::{Baseline, Scorer, Verdict};
use names::Names;
use passed::Passed;
pub use passed::{Change, Deed};
use peers::Peers;
pub use recording::{Patience, Recording, Teller};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
pub(crate) use stop::no_session;
use tally::Tally;
pub use undo::Batch;
pub(crate) use undo::Undo;
pub(crate) use watched::Watched;
use whole::Whole;
use wire::{Denial, Mode, Peer, Report};

/// What is unseen of an attached session counts as so many lost records: the score's confidence begins at a fifth, and
/// needs more than six blocks of actions to be enough to act on.
const UNSEEN_RECORDS: u64 = 128;

/// What the supervisor has to do, or to show. Those that stop something are done by [`Live::apply`].
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A stage spoke against an operation.
    Denied(Denial),
    /// The score says something.
    Alert {
        /// CLOCK_BOOTTIME, ns.
        time_ns: u64,
        /// Its verdict.
        verdict: Verdict,
        /// Its p-value.
        p: f64,
        /// In plain words, the weightiest first.
        reasons: Vec<String>,
    },
    /// These accesses are to be refused from now on.
    Restrict(Answer),
    /// The session is to be frozen.
    Freeze(Answer),
    /// The session is to be killed.
    Kill(Answer),
    /// A key of the user was used for the session, or asked for in vain.
    Used {
        /// CLOCK_BOOTTIME, ns.
        time_ns: u64,
        /// What for, and what became of it.
        used: broker::Use,
    },
    /// A process outside of the session was reached, and nothing speaks against it, or not any more.
    Met {
        /// CLOCK_BOOTTIME, ns.
        time_ns: u64,
        /// Who, and where.
        peer: Peer,
    },
    /// What nothing could refuse has happened, as a change of a jewel: who did it is to be ended, or the session frozen.
    Stop {
        /// The process.
        pid: u32,
        /// The whole session, and frozen.
        freeze: bool,
        /// For what.
        cause: Cause,
    },
    /// An agent outside of the session was reached, or what no process of it may have is shared: the session is to be ended.
    End {
        /// CLOCK_BOOTTIME, ns.
        time_ns: u64,
        /// The agent's process.
        pid: u32,
        /// Why, and what to do.
        reason: String,
    },
}

/// What T2 answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// CLOCK_BOOTTIME of the operation that crossed, ns.
    pub time_ns: u64,
    /// Accesses that are taken away.
    pub access: Access,
    /// Number of the reason.
    pub number: u32,
    /// The reason in words.
    pub reason: String,
    /// The operation that crossed, in words.
    pub what: String,
    /// What is let pass if the session is frozen, and goes on.
    pub deed: Deed,
}

impl Answer {
    /// What the session is frozen for.
    fn cause(&self) -> Cause {
        let Answer { time_ns, reason, what, deed, .. } = self.clone();
        Cause { time_ns, stage: Some(Stage::T2), what, reason, deed }
    }
}

/// One running session. Nobody needs to be inside yet: it is armed before anybody enters.
pub struct Live {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: String,
    pub(crate) slot: u32,
    pub(crate) mode: Mode,
    pub(crate) meta: SessionMeta,
    /// A baseline refuses whatever its trial says.
    pub(crate) force_baseline: bool,
    pub(crate) segment: Segment,
    pub(crate) cgroup: Option<Cgroup>,
    pub(crate) recording: Option<Recording>,
    pub(crate) jewels: Option<Marks>,
    pub(crate) armed: Option<Armed>,
    pub(crate) coverage: t0::Coverage,
    pub(crate) undo: Undo,
    pub(crate) watched: Watched,
    /// The session's own directory, for which no policy that was learned holds.
    pub(crate) directory: Option<PathBuf>,
    pub(crate) notes: Vec<String>,
    pub(crate) names: Names,
    pub(crate) whole: Option<Whole>,
    /// By when everything must stand still that is to be frozen.
    freezing: Option<Instant>,
    pub(crate) delegates: Option<Watch>,
    pub(crate) tokeniser: Tokeniser,
    pub(crate) scorer: Option<Scorer>,
    lags: Option<Lags>,
    tally: Tally,
    looks: Looks,
    itself: Itself,
    /// What it may replace.
    pub(crate) own_files: Vec<OwnFile>,
    judged: Judged,
    denials: Denials,
    peers: Peers,
    report: Report,
    strongest: Verdict,
    /// The score is past the threshold of alerts just now: it is said once.
    alerting: bool,
    acted: Option<Step>,
    /// The reason for which the kernel side holds it, as far as that was answered; 0: none was.
    held: u32,
    /// Since when the kernel side has it stand still for a change that no record has told yet.
    untold: Option<Instant>,
    standstill: Option<Standstill>,
    /// How often it was frozen, or more was told of a freeze.
    freezes: u32,
    passed: Passed,
    /// Its owner let something pass, and nothing was done since.
    answered: bool,
    /// Reasons of single operations that were made.
    explanations: u32,
    crossed: Option<(Op, Class)>,
    /// How often its processes stood still since the pump was late, and how late it was in all.
    late: (u32, Duration),
    last_ns: u64,
}

/// A policy in the kernel, and the marks that belong to it. It is taken back with it, when no session obeys it any more.
pub(crate) struct Armed {
    pub(crate) shared: Arc<Shared>,
    pub(crate) policy: t1::Policy,
    /// Held for its marks, which go with it.
    pub(crate) marks: Option<Marks>,
    /// Destinations that it knows by name; closed with it.
    pub(crate) hosts: Option<t1::hosts::Hosts>,
    /// It says what it would refuse, and so does the score.
    pub(crate) only_watches: bool,
}

impl Drop for Armed {
    fn drop(&mut self) {
        self.hosts = None;
        self.shared.reasons.release(self.policy.number);
        if let Err(e) = t1::disarm(&*self.shared.list, &self.policy) {
            tracing::error!(error = %e, policy = self.policy.number, "labels of a policy were left in the kernel");
        }
    }
}

impl Live {
    pub(crate) fn new(shared: Arc<Shared>, id: String, slot: u32, mode: Mode, meta: SessionMeta) -> Self {
        let segment = Segment { index: 0, task: meta.task.clone(), started_boot_ns: meta.started_boot_ns };
        Self {
            shared,
            id,
            slot,
            mode,
            segment,
            force_baseline: false,
            cgroup: None,
            recording: None,
            jewels: None,
            armed: None,
            coverage: t0::Coverage::default(),
            undo: Undo::default(),
            watched: Watched::default(),
            directory: None,
            notes: Vec::new(),
            names: Names::default(),
            whole: None,
            freezing: None,
            delegates: None,
            tokeniser: Tokeniser::guarding(meta.context.clone()),
            scorer: None,
            lags: None,
            tally: Tally::default(),
            looks: Looks::default(),
            itself: Itself::default(),
            own_files: Vec::new(),
            judged: Judged::default(),
            denials: Denials::default(),
            peers: Peers::default(),
            report: Report::default(),
            strongest: Verdict::Allow,
            alerting: false,
            acted: None,
            held: 0,
            untold: None,
            standstill: None,
            freezes: 0,
            passed: Passed::default(),
            answered: false,
            explanations: 0,
            crossed: None,
            late: (0, Duration::ZERO),
            last_ns: meta.started_boot_ns,
            meta,
        }
    }

    /// Scores under this baseline from now on.
    pub(crate) fn score_under(&mut self, baseline: Option<Arc<Baseline>>) {
        self.scorer = baseline.map(Scorer::new);
        if self.scorer.is_some() && self.lags.is_none() {
            self.lags = Lags::new();
        }
        self.alerting = false;
    }

    /// Whether a score is kept.
    pub fn is_scored(&self) -> bool {
        self.scorer.is_some()
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its place among the running sessions.
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// What it is for.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What was said about it when it began.
    pub fn meta(&self) -> &SessionMeta {
        &self.meta
    }

    /// The segment that runs.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Its cgroup.
    pub fn cgroup(&self) -> Option<&Cgroup> {
        self.cgroup.as_ref()
    }

    /// What was labelled by T0.
    pub fn coverage(&self) -> &t0::Coverage {
        &self.coverage
    }

    /// Operations refused so far.
    pub fn denied(&self) -> u64 {
        self.report.denied
    }

    /// Operations that happened so far, and that something was stopped for.
    pub fn stopped_operations(&self) -> u64 {
        self.report.stopped
    }

    /// Alerts so far.
    pub fn alerts(&self) -> u64 {
        self.report.alerts
    }

    /// Adds to what the user should know.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// What the user should know.
    pub fn notes(&self) -> Vec<String> {
        let hosts = self.hosts().map(t1::hosts::Hosts::notes).unwrap_or_default();
        let (times, late) = self.late;
        let late = (times > 0).then(|| {
            let often = if times == 1 { "once".into() } else { format!("{times} times") };
            format!(
                "it stood still {often}, for {:.1} s in all, because Wardline was late: nothing ran unguarded",
                late.as_secs_f32()
            )
        });
        self.coverage.warnings.iter().chain(&self.notes).cloned().chain(hosts).chain(late).collect()
    }

    /// Its processes stood still, since the pump was late.
    pub fn stood_still(&mut self, late: Duration) {
        if self.mode != Mode::Shadow {
            self.late = (self.late.0.saturating_add(1), self.late.1 + late);
        }
    }

    /// Whether every jewel that somebody outside writes was closed before. Where one was not, the session must be stopped.
    pub fn is_whole(&self) -> bool {
        self.whole.as_ref().is_none_or(Whole::is_whole)
    }

    /// Whether everything that answers permission events still does. Where it does not, the session must be stopped.
    pub fn is_guarded(&self) -> bool {
        let marks = self.jewels.iter().chain(self.armed.iter().filter_map(|armed| armed.marks.as_ref()));
        marks.into_iter().all(Marks::alive)
    }

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
            if let Some(pid) = self.itself.note(event, &self.meta.agent)
                && let Err(e) = self.shared.list.confirm_itself(pid)
            {
                tracing::warn!(session = %self.id, error = %e, "what the agent's script started cannot replace the agent's own files");
            }
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

    /// Takes in a DNS message of the session.
    pub fn hear(&mut self, dns: &Dns) {
        if let Some(name) = self.names.hear(dns)
            && let Some(hosts) = self.hosts()
        {
            hosts.want(&name);
        }
    }

    /// Destinations that the armed policy knows by name.
    fn hosts(&self) -> Option<&t1::hosts::Hosts> {
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
                if let (Some(hosts), Some(host), Some(_)) = (hosts, host, event.decision) {
                    hosts.want(&host.name);
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

    /// The process that it begins with.
    pub fn begins_with(&mut self, pid: u32) {
        self.itself.begins_with(pid);
    }

    /// The session was attached to processes that ran before: the score is worth less for a while.
    pub fn attached(&mut self, unseen: Unseen) {
        self.report.unseen = Some(unseen);
        if let Some(scorer) = &mut self.scorer {
            scorer.note_loss(UNSEEN_RECORDS);
        }
    }

    /// Hands on what has waited to be written: after each reading of the rings.
    pub fn flush_aged(&mut self) {
        if let Some(recording) = &mut self.recording {
            recording.flush_aged();
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Err(e) = self.disarm() {
            tracing::error!(session = %self.id, error = %e, "entries of a session that is over were left in the kernel");
        }
    }
}
