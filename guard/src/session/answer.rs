//! What is answered to a decision of the kernel side, and to a score.

use super::{Answer, Effect, Live};
use crate::control::Mode;
use crate::ladder::{self, Step};
use crate::reason;
use crate::report::{DENIALS_MAX, Denial};
use event::{Access, Class, Event, Means, Stage};
use models::{Score, Verdict};

impl Live {
    /// Notes what a stage decided of an operation.
    pub(super) fn decided(&mut self, event: &Event, effects: &mut Vec<Effect>) {
        let Some(decision) = event.decision else { return };
        if decision.stage == Stage::T0 && !self.looks.take(event, decision.reason) {
            self.report.t0_hits += 1;
        }
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
    pub(super) fn stopped(&mut self, stage: Stage, means: Means) {
        if self.report.stopped_by.is_none() {
            self.report.stopped_by = Some(stage);
            self.report.means = Some(means);
            self.report.operations_before_denial = self.tally.actions;
        }
    }

    /// Notes a score, and climbs the ladder.
    pub(super) fn scored(&mut self, event: &Event, class: Class, score: &Score, effects: &mut Vec<Effect>) {
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
            reasons.push(format!(
                "not everything was seen: the score is worth {:.0} %",
                score.confidence * 100.0
            ));
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
        let number = self.shared.reasons.allocate(policy, &reason::score_crossed(score.acting.p, &reasons));
        let reason = self.explained(number);
        effects.push(effect(Answer { time_ns: event.time_ns, access, number, reason }));
    }
}
