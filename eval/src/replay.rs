//! One recorded session under one baseline.

use event::open::is_compiled;
use event::{AgentName, Step, Tasks, Tier};
use models::{Baseline, DENIAL_BUDGET_BITS, Score, Scorer, Thresholds, Verdict, words};
use profiler::Reading;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use store::{Reader, Session};

/// Places that are named in a result; further ones are counted.
const PLACES_NAMED: usize = 20;

/// The lowest score of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// The score.
    pub score: Score,
    /// What it leads to.
    pub verdict: Verdict,
    /// Events before it.
    pub event: u64,
    /// Actions before it.
    pub action: u64,
    /// Time since the first event, ns.
    pub since_start_ns: u64,
}

/// What a session scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionScore {
    /// Its number in the store.
    pub session: i64,
    /// Agent of the baseline.
    pub agent: AgentName,
    /// Task of the baseline.
    pub task: Tasks,
    /// Its sessions taught the baseline: the score is then optimistic.
    pub trained_on: bool,
    /// Events.
    pub events: u64,
    /// Actions.
    pub actions: u64,
    /// Raw system calls.
    pub syscalls: u64,
    /// Records lost.
    pub lost: u64,
    /// Where it was least normal; `None` for a session without actions.
    pub peak: Option<Peak>,
    /// Where it was first acted upon.
    pub first_acted: Option<Peak>,
    /// Distinct places that the compiled baseline denies.
    pub denied: u64,
    /// The first of them: how they were reached for, where, and what they cost in bits.
    pub denied_places: Vec<(event::Reach, String, f64)>,
}

/// Scores a session; `segments` restricts it to these, and the scorer begins anew with each.
pub fn replay(
    reader: &Reader,
    session: &Session,
    baseline: &Arc<Baseline>,
    thresholds: Thresholds,
    segments: Option<&[u32]>,
) -> Result<SessionScore, store::Error> {
    let mut run = Run::new(session, baseline, thresholds);
    profiler::replay(reader, session, &mut |segment, reading| {
        if segments.is_none_or(|segments| segments.contains(&segment)) {
            run.enter(segment);
            run.take(reading);
        }
        ControlFlow::Continue(())
    })?;
    Ok(run.result)
}

struct Run<'b> {
    baseline: &'b Arc<Baseline>,
    tier: Tier,
    thresholds: Thresholds,
    scorer: Scorer,
    segment: Option<u32>,
    started_ns: Option<u64>,
    seen: HashSet<event::Place>,
    result: SessionScore,
}

impl<'b> Run<'b> {
    fn new(session: &'b Session, baseline: &'b Arc<Baseline>, thresholds: Thresholds) -> Self {
        let result = SessionScore {
            session: session.id.0,
            agent: baseline.agent.clone(),
            task: baseline.task.clone(),
            trained_on: baseline.provenance.used.contains(&session.id.0),
            events: 0,
            actions: 0,
            syscalls: 0,
            lost: 0,
            peak: None,
            first_acted: None,
            denied: 0,
            denied_places: Vec::new(),
        };
        let scorer = Scorer::new(Arc::clone(baseline));
        Self {
            baseline,
            tier: session.meta.tier,
            thresholds,
            scorer,
            segment: None,
            started_ns: None,
            seen: HashSet::new(),
            result,
        }
    }

    fn enter(&mut self, segment: u32) {
        if self.segment.replace(segment).is_some_and(|before| before != segment) {
            self.scorer = Scorer::new(Arc::clone(self.baseline));
        }
    }

    fn take(&mut self, reading: Reading<'_>) {
        match reading {
            Reading::Step(step) | Reading::Refused(step) => self.step(step),
            Reading::Syscall(call) => {
                self.result.syscalls += 1;
                self.scorer.push_syscall(call.tid, call.number, call.ret);
            }
            Reading::Loss(count) => {
                self.result.lost += count;
                self.scorer.note_loss(count);
            }
        }
    }

    fn step(&mut self, step: &Step) {
        let started = *self.started_ns.get_or_insert(step.time_ns);
        self.result.events += 1;
        self.result.actions += u64::from(step.action);
        self.deny(step);
        let Some(score) = self.scorer.push(step) else { return };
        let verdict = self.thresholds.verdict(&score);
        let acts = self.result.first_acted.is_none() && verdict >= Verdict::Restrict;
        let lowest = self.result.peak.as_ref().is_none_or(|peak| score.p < peak.score.p);
        if !acts && !lowest {
            return;
        }
        let peak = Peak {
            score,
            verdict,
            event: self.result.events,
            action: self.result.actions,
            since_start_ns: step.time_ns.saturating_sub(started),
        };
        if acts {
            self.result.first_acted = Some(peak.clone());
        }
        if lowest {
            self.result.peak = Some(peak);
        }
    }

    fn deny(&mut self, step: &Step) {
        for place in step.asked(self.tier) {
            let bits = self.baseline.models.novelty.first_touch_bits(place);
            if bits < DENIAL_BUDGET_BITS || !is_compiled(place) || !self.seen.insert(place.clone()) {
                continue;
            }
            self.result.denied += 1;
            if self.result.denied_places.len() < PLACES_NAMED {
                self.result.denied_places.push((place.reach, words(place), bits));
            }
        }
    }
}

/// What several sessions scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Sessions.
    pub sessions: u64,
    /// With an alert or more.
    pub alerted: u64,
    /// Acted upon.
    pub acted: u64,
    /// With something that the compiled baseline denies.
    pub denied: u64,
    /// Actions.
    pub actions: u64,
}

/// Sums up.
pub fn summarise(scores: &[SessionScore]) -> Summary {
    let mut summary = Summary::default();
    for score in scores {
        let verdict = score.peak.as_ref().map_or(Verdict::Allow, |peak| peak.verdict);
        summary.sessions += 1;
        summary.alerted += u64::from(verdict >= Verdict::Alert);
        summary.acted += u64::from(score.first_acted.is_some());
        summary.denied += u64::from(score.denied > 0);
        summary.actions += score.actions;
    }
    summary
}
