//! One running session: what arrives is counted, written down, scored and answered.

mod recording;
mod stop;
mod tally;
#[cfg(test)]
mod tests;

use crate::control::Mode;
use crate::fanotify::Listener;
use crate::guard::Shared;
use crate::ladder::{self, Step};
use crate::report::{DENIALS_MAX, Denial, Repeated, Report};
use crate::{cgroup::Cgroup, reason, t0, t1};
use event::{Access, Captured, Class, Event, Means, Op, Segment, SessionMeta, Stage, Summary, Tokeniser};
use models::{Baseline, Score, Scorer, Verdict};
pub use recording::Recording;
pub(crate) use stop::{boot_ns, no_session};
use std::sync::Arc;
use tally::Tally;

/// What the supervisor has to do, or to show. Those that stop something are done by [`Live::apply`].
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// An operation was refused, or would have been.
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
}

/// One running session. Nobody needs to be inside yet: it is armed before anybody enters.
pub struct Live {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: String,
    pub(crate) slot: u32,
    pub(crate) mode: Mode,
    pub(crate) meta: SessionMeta,
    pub(crate) segment: Segment,
    pub(crate) cgroup: Option<Cgroup>,
    pub(crate) recording: Option<Recording>,
    pub(crate) jewels: Option<Listener>,
    pub(crate) armed: Option<Armed>,
    pub(crate) coverage: t0::Coverage,
    pub(crate) notes: Vec<String>,
    tokeniser: Tokeniser,
    scorer: Option<Scorer>,
    tally: Tally,
    report: Report,
    strongest: Verdict,
    /// The score is past the threshold of alerts just now: it is said once.
    alerting: bool,
    acted: Option<Step>,
    crossed: Option<(Op, Class)>,
    last_ns: u64,
}

/// A policy in the kernel, and the marks that belong to it.
pub(crate) struct Armed {
    pub(crate) policy: t1::Policy,
    /// Held for its marks, which go with it.
    pub(crate) listener: Option<Listener>,
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
            cgroup: None,
            recording: None,
            jewels: None,
            armed: None,
            coverage: t0::Coverage::default(),
            notes: Vec::new(),
            tokeniser: Tokeniser::new(meta.context.clone()),
            scorer: None,
            tally: Tally::default(),
            report: Report::default(),
            strongest: Verdict::Allow,
            alerting: false,
            acted: None,
            crossed: None,
            last_ns: meta.started_boot_ns,
            meta,
        }
    }

    /// Scores under this baseline from now on.
    pub(crate) fn score_under(&mut self, baseline: Option<Arc<Baseline>>) {
        self.scorer = baseline.map(Scorer::new);
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

    /// Alerts so far.
    pub fn alerts(&self) -> u64 {
        self.report.alerts
    }

    /// What the user should know.
    pub fn notes(&self) -> Vec<String> {
        self.coverage.warnings.iter().chain(&self.notes).cloned().collect()
    }

    /// Whether everything that answers permission events still does. Where it does not, the session must be stopped.
    pub fn is_guarded(&self) -> bool {
        let listeners = self.jewels.iter().chain(self.armed.iter().filter_map(|armed| armed.listener.as_ref()));
        listeners.into_iter().all(Listener::alive)
    }

    /// Takes in what the kernel said, in its order.
    pub fn receive(&mut self, captured: Captured) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.tally.take(&captured, &self.meta.context);
        match &captured {
            Captured::Event(event) => {
                self.last_ns = self.last_ns.max(event.time_ns);
                let class = Class::of(&event.object, &self.meta.context);
                self.decided(event, &mut effects);
                let step = self.tokeniser.read(event);
                if let Some(score) = self.scorer.as_mut().and_then(|scorer| scorer.push(&step)) {
                    self.scored(event, class, &score, &mut effects);
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

    /// Hands on what waits to be written: after each reading of the rings.
    pub fn flush(&mut self) {
        if let Some(recording) = &mut self.recording {
            recording.flush();
        }
    }

    /// Notes what a stage decided of an operation.
    fn decided(&mut self, event: &Event, effects: &mut Vec<Effect>) {
        let Some(decision) = event.decision else { return };
        self.report.t0_hits += u64::from(decision.stage == Stage::T0);
        if decision.refused {
            self.report.denied += 1;
            self.stopped(decision.stage, decision.means);
        } else {
            self.report.would_deny += 1;
        }
        let denial = Denial {
            time_ns: event.time_ns,
            stage: decision.stage,
            means: decision.means,
            op: event.op.name().into(),
            object: event.object.display(),
            pid: event.pid,
            refused: decision.refused,
            number: decision.reason,
            reason: self.explained(decision.reason),
        };
        if self.report.denials.len() < DENIALS_MAX {
            self.report.denials.push(denial.clone());
        }
        effects.push(Effect::Denied(denial));
    }

    /// The words of a reason; each is kept once.
    fn explained(&mut self, number: u32) -> String {
        let text = self.shared.reasons.explain(number);
        if let Some(recording) = &mut self.recording {
            recording.reason(number, &text);
        }
        if !self.report.reasons.contains(&text) && self.report.reasons.len() < DENIALS_MAX {
            self.report.reasons.push(text.clone());
        }
        text
    }

    /// Something was refused or stopped: the first time decides what the report says.
    fn stopped(&mut self, stage: Stage, means: Means) {
        if self.report.stopped_by.is_none() {
            self.report.stopped_by = Some(stage);
            self.report.means = Some(means);
            self.report.operations_before_denial = self.tally.actions;
        }
    }

    /// Notes a score, and climbs the ladder.
    fn scored(&mut self, event: &Event, class: Class, score: &Score, effects: &mut Vec<Effect>) {
        let verdict = self.shared.thresholds.verdict(score);
        self.report.score = Some(self.report.score.map_or(score.p, |least| least.min(score.p)));
        let stronger = verdict > self.strongest;
        self.strongest = self.strongest.max(verdict);
        if verdict == Verdict::Allow {
            self.alerting = false;
            return;
        }
        let step = ladder::step(verdict, self.shared.tier, event);
        if self.alerting && !stronger {
            return;
        }
        self.alerting = true;
        self.report.alerts += 1;
        let mut reasons = score.reasons.clone();
        if score.lossy {
            reasons.push(format!("records were lost: the score is worth {:.0} %", score.confidence * 100.0));
        }
        if let Some(recording) = &mut self.recording {
            recording.alert(store::Alert {
                time_ns: event.time_ns,
                segment: event.segment,
                stage: Stage::T2,
                verdict: verdict.name().into(),
                p: Some(score.p),
                reasons: reasons.clone(),
            });
        }
        effects.push(Effect::Alert { time_ns: event.time_ns, verdict, p: score.p, reasons: reasons.clone() });
        let (access, effect): (Access, fn(Answer) -> Effect) = match step {
            Step::Nothing | Step::Say => return,
            _ if self.mode == Mode::Shadow => return,
            Step::Restrict(access) => (access, Effect::Restrict),
            Step::Freeze(access) => (access, Effect::Freeze),
            Step::Kill => (Access::all(), Effect::Kill),
        };
        if self.acted == Some(step) {
            return;
        }
        self.acted = Some(step);
        self.crossed.get_or_insert((event.op, class));
        let policy = self.armed.as_ref().map_or(0, |armed| armed.policy.number);
        let number = self.shared.reasons.allocate(policy, &reason::score_crossed(score.p, &reasons));
        let reason = self.explained(number);
        effects.push(effect(Answer { time_ns: event.time_ns, access, number, reason }));
    }

    /// What the session amounted to so far.
    fn summed_up(&self, exit_status: Option<i32>) -> Report {
        let tally = &self.tally;
        let mut report = self.report.clone();
        report.session = self.id.clone();
        report.agent = self.meta.agent.clone();
        report.task = self.segment.task.clone();
        report.mode = self.mode.name().into();
        report.tier = self.shared.tier.name().into();
        (report.events, report.syscalls, report.lost) = (tally.events, tally.syscalls, tally.lost);
        (report.unresolved, report.execs) = (tally.unresolved, tally.execs);
        (report.files, report.hosts, report.programs) = (tally.files(), tally.hosts(), tally.programs());
        report.exit_status = exit_status;
        report.duration_ns = self.last_ns.saturating_sub(self.meta.started_boot_ns);
        report.notes = self.notes();
        if report.stopped_by.is_none() {
            report.operations_before_denial = tally.actions;
        }
        report.repeated = self.crossed.map(|kind| Repeated {
            op: kind.0.name().into(),
            class: kind.1.name().into(),
            passed: tally.passed(kind),
        });
        report.verdict = match self.strongest {
            Verdict::Allow | Verdict::Alert if report.denied > 0 => "deny".into(),
            verdict => verdict.name().into(),
        };
        report.fanotify = self.jewels.as_ref().map(Listener::latency);
        if let Some(e) = self.recording.as_ref().and_then(Recording::error) {
            report.notes.push(format!("the session was not written down to its end: {e}"));
        }
        report
    }

    /// The session is over, and nobody is inside any more: takes back what was armed, and sums up.
    pub fn finish(mut self, exit_status: Option<i32>) -> (Report, Summary) {
        let report = self.summed_up(exit_status);
        let summary = Summary {
            exit_status,
            events: report.events,
            syscalls: report.syscalls,
            lost: report.lost,
            files: report.files,
            hosts: report.hosts,
            programs: report.programs,
            execs: report.execs,
            denied: report.denied,
            t0_hits: report.t0_hits,
            alerts: report.alerts,
            unresolved: report.unresolved,
            score: report.score,
            verdict: report.verdict.clone(),
            duration_ns: report.duration_ns,
        };
        if let Some(recording) = &mut self.recording {
            recording.end(summary.clone());
        }
        (report, summary)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Err(e) = self.disarm() {
            tracing::error!(session = %self.id, error = %e, "entries of a session that is over were left in the kernel");
        }
    }
}
