//! Answers to a decision of the kernel side, and to a score.

use super::Live;
use crate::ladder::{self, Step};
use crate::reason;
use crate::session::effect::{Answer, Effect};
use crate::session::passed::Deed;
use event::{Access, Alert, Class, Event, Fate, Means, Mode, Stage};
use models::{Score, Verdict};
use wire::{DENIALS_MAX, Denial};

impl Live {
    /// Notes what a stage decided of an operation.
    pub(super) fn decided(&mut self, event: &Event, effects: &mut Vec<Effect>) {
        let Some(decision) = event.decision else { return };
        if decision.stage == Stage::T0 && !self.looks.take(event, decision.reason) {
            self.report.t0_hits += 1;
        }
        // What failed by itself needed nobody to refuse it.
        let Some(fate) = event.fate() else { return };
        match fate {
            Fate::Refused => self.report.denied += 1,
            Fate::Stopped => self.report.stopped += 1,
            Fate::Happened => self.report.happened += 1,
        }
        if fate != Fate::Happened {
            self.stopped(decision.stage, decision.means);
        }
        let denial = Denial {
            time_ns: event.time_ns,
            stage: decision.stage,
            means: decision.means,
            op: event.op.name().into(),
            object: event.object.display(),
            pid: event.pid,
            fate,
            times: 1,
            number: decision.reason,
            reason: self.explained(decision.reason),
        };
        self.denials.note(&mut self.report.denials, &denial);
        effects.push(Effect::Denied(denial));
    }

    /// Whether what was learned says what it would refuse, and refuses nothing.
    pub(super) fn only_watches(&self) -> bool {
        self.armed.as_ref().is_some_and(|armed| armed.only_watches)
    }

    /// The words of a reason; each is kept once.
    pub(super) fn explained(&mut self, number: u32) -> String {
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
    pub(in crate::session) fn scored(
        &mut self,
        event: &Event,
        class: Class,
        score: &Score,
        effects: &mut Vec<Effect>,
    ) {
        let verdict = self.shared.thresholds.verdict(score);
        self.report.score = Some(self.report.score.map_or(score.p, |least| least.min(score.p)));
        let stronger = verdict > self.strongest;
        self.strongest = self.strongest.max(verdict);
        if verdict == Verdict::Allow {
            self.alerting = false;
            return;
        }
        if self.note_standing(score) {
            return;
        }
        let rest = match &self.scorer {
            Some(scorer) if !self.passed.is_empty() => {
                scorer.rest(score, |channel| self.passed.keeps(channel))
            }
            _ => score.clone(),
        };
        let step = ladder::step(self.shared.thresholds.verdict(&rest), self.shared.tier, event);
        let acts = !matches!(step, Step::Nothing | Step::Say);
        if self.alerting && !stronger && !(self.answered && acts) {
            return;
        }
        self.alerting = true;
        self.report.alerts += 1;
        let mut reasons = score.reasons.clone();
        if score.lossy {
            reasons.push(format!(
                "records are missing: confidence in the score is {:.0} %",
                score.confidence * 100.0
            ));
        }
        if let Some(recording) = &mut self.recording {
            recording.alert(Alert {
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
            _ if self.mode == Mode::Shadow || self.only_watches() => return,
            Step::Restrict(access) => (access, Effect::Restrict),
            Step::Freeze(access) => (access, Effect::Freeze),
            Step::Kill => (Access::all(), Effect::Kill),
        };
        if self.acted == Some(step) {
            return;
        }
        self.acted = Some(step);
        self.answered = false;
        self.crossed.get_or_insert((event.op, class));
        let policy = self.armed.as_ref().map_or(0, |armed| armed.policy.number);
        let number = self.shared.reasons.allocate(policy, &reason::score_crossed(&reasons));
        let reason = self.explained(number);
        let what = format!(
            "`{} {}` happened, and took the score past its threshold",
            event.op.name(),
            event.object.display()
        );
        let deed = Deed::of_score(&rest);
        effects.push(effect(Answer { time_ns: event.time_ns, access, number, reason, what, deed }));
    }
}
