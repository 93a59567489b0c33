//! A trace under a baseline: the channels' values after every action, kept, so that every calibration, threshold and
//! choice of channels is read off one replay.

use crate::metrics::alarm::Point;
use crate::metrics::operating::Track;
use crate::trace::{Record, Trace};
use event::open::is_compiled;
use event::{Reach, Stage};
use models::calibration::Calibration;
use models::channel::CHANNELS;
use models::{Baseline, DENIAL_BUDGET_BITS, Score, Scorer, Verdict, words};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The channels after one action.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// CLOCK_BOOTTIME, ns.
    pub time_ns: u64,
    /// Events up to and with it.
    pub event: u64,
    /// The highest in the block that the session is in, in the order of [`CHANNELS`].
    pub values: [f64; CHANNELS.len()],
}

/// A first touch that the compiled baseline denies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Touch {
    /// CLOCK_BOOTTIME, ns.
    pub time_ns: u64,
    /// Events up to and with it.
    pub event: u64,
    /// Actions up to and with it.
    pub action: u64,
    /// What it costs.
    pub bits: f64,
    /// How the place was reached for.
    pub reach: Reach,
    /// The place.
    pub place: String,
}

/// A score that is worth telling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// CLOCK_BOOTTIME, ns.
    pub time_ns: u64,
    /// Events up to and with it.
    pub event: u64,
    /// Actions up to and with it.
    pub action: u64,
    /// What it leads to.
    pub verdict: Verdict,
    /// The score with its channels and reasons.
    pub score: Score,
}

/// A trace under a baseline.
#[derive(Clone, Debug)]
pub struct Scored {
    /// After every action; the n-th is that after n + 1 actions.
    pub samples: Vec<Sample>,
    /// First touches that are denied, each place once.
    pub touches: Vec<Touch>,
    /// The costliest first touch that is not denied: bits and place.
    pub nearly: Option<(f64, Reach, String)>,
    /// The lowest score from the onset on (of a clean session: from its beginning).
    pub lowest: Option<Moment>,
    /// The first score there at or below the threshold of alerts.
    pub alerted: Option<Moment>,
}

/// Which stages count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stages {
    /// The static deny-list, as it decided while recording.
    pub t0: bool,
    /// The compiled baseline.
    pub t1: bool,
    /// The score.
    pub t2: bool,
}

impl Stages {
    /// All of them.
    pub const ALL: Stages = Stages { t0: true, t1: true, t2: true };
    /// The score alone.
    pub const T2: Stages = Stages { t0: false, t1: false, t2: true };
}

/// What a stage's denial counts as, as a p: T0's are certain.
const T0_P: f64 = 0.0;

/// Scores a trace. `from_ns`: where what is worth telling begins.
pub fn score(
    trace: &Trace,
    baseline: &Arc<Baseline>,
    thresholds: models::Thresholds,
    from_ns: u64,
) -> Scored {
    let mut scorer = Scorer::new(Arc::clone(baseline));
    let mut scored =
        Scored { samples: Vec::new(), touches: Vec::new(), nearly: None, lowest: None, alerted: None };
    let mut seen = std::collections::HashSet::new();
    let (mut event, mut action) = (0, 0);
    for record in &trace.records {
        let step = match record {
            Record::Syscall { tid, number, ret } => {
                scorer.push_syscall(*tid, *number, *ret);
                continue;
            }
            Record::Loss(count) => {
                scorer.note_loss(*count);
                continue;
            }
            Record::Step(step) => step,
        };
        event += 1;
        action += u64::from(step.action);
        let time_ns = step.time_ns;
        for place in step.asked(trace.tier).filter(|place| seen.insert((*place).clone())) {
            let bits = baseline.models.novelty.first_touch_bits(place);
            if bits >= DENIAL_BUDGET_BITS && is_compiled(place) {
                let (reach, place) = (place.reach, words(place));
                scored.touches.push(Touch { time_ns, event, action, bits, reach, place });
            } else if bits < DENIAL_BUDGET_BITS
                && time_ns >= from_ns
                && scored.nearly.as_ref().is_none_or(|nearly| bits > nearly.0)
            {
                scored.nearly = Some((bits, place.reach, words(place)));
            }
        }
        let score = scorer.push(step);
        if step.action {
            scored.samples.push(Sample { time_ns, event, values: scorer.block() });
        }
        if let Some(score) = score.filter(|_| time_ns >= from_ns) {
            let verdict = thresholds.verdict(&score);
            if scored.lowest.as_ref().is_none_or(|lowest| score.p < lowest.score.p) {
                let moment = Moment { time_ns, event, action, verdict, score: score.clone() };
                scored.lowest = Some(moment);
            }
            if scored.alerted.is_none() && score.p <= thresholds.alert {
                scored.alerted = Some(Moment { time_ns, event, action, verdict, score });
            }
        }
    }
    scored
}

impl Scored {
    /// The running p under a calibration and some of the stages. A denial of T1 counts as 2^-bits, which is the share of
    /// sessions that the baseline allows to reach such a place for the first time.
    pub fn track(
        &self,
        trace: &Trace,
        calibration: &Calibration,
        stages: Stages,
        attack: bool,
        onset_ns: Option<u64>,
    ) -> Track {
        let mut points = Vec::new();
        if stages.t2 {
            points.extend(self.samples.iter().enumerate().map(|(at, sample)| {
                let action = at as u64 + 1;
                let p = calibration.weigh(&sample.values, calibration.chances(action)).p.p;
                Point { time_ns: sample.time_ns, event: sample.event, action, p }
            }));
        }
        if stages.t1 {
            points.extend(self.touches.iter().map(|touch| Point {
                time_ns: touch.time_ns,
                event: touch.event,
                action: touch.action,
                p: (-touch.bits).exp2(),
            }));
        }
        if stages.t0 {
            points.extend(trace.said.iter().filter(|said| said.stage == Stage::T0).map(|said| Point {
                time_ns: said.time_ns,
                event: trace.events_until(said.time_ns),
                action: trace.actions_until(said.time_ns),
                p: T0_P,
            }));
        }
        points.sort_by(|a, b| a.time_ns.cmp(&b.time_ns).then(a.p.total_cmp(&b.p)));
        Track { points, span_ns: trace.span_ns, onset_ns, attack }
    }
}

/// What a certain denial counts as, in bits: beyond every p that is ever given.
const CERTAIN_BITS: f64 = 64.0;

/// A p as a score that is higher the more suspicious it is, in bits.
pub fn bits(p: f64) -> f64 {
    (-p.log2()).clamp(0.0, CERTAIN_BITS)
}
