//! The online score of one session.
#![expect(clippy::cast_possible_truncation, reason = "a step of a logarithm is small")]

use crate::baseline::Baseline;
use crate::calibration::{BLOCK_ACTIONS, Length, Weighed};
use crate::channel::{CHANNELS, COUNT};
use crate::channels::{Channels, Effect};
use crate::law::P;
use crate::reason::reasons;
use crate::score::{ChannelScore, Score};
use event::Step;
use std::sync::Arc;

/// Scores below this p carry reasons.
const REASONS_P: f64 = 0.1;

/// Scores one session, step by step. Deterministic: the same steps give the same scores.
#[derive(Clone, Debug)]
pub struct Scorer {
    baseline: Arc<Baseline>,
    channels: Channels,
    /// The steps of the p-value and of that of what may be acted upon, as they were told last.
    last: Option<((i32, bool), (i32, bool))>,
    /// The lowest p-value that was told.
    least: f64,
    before: f64,
    actions: u64,
    lost: f64,
    actions_since_loss: usize,
}

impl Scorer {
    /// For one session (or segment) under this baseline.
    pub fn new(baseline: Arc<Baseline>) -> Self {
        Self::after(baseline, 0.0)
    }

    /// For a further segment of a session whose segments before it had so many usual sessions' worth of chances: a session
    /// that changes its task often alarms no more often than one that does not.
    pub fn after(baseline: Arc<Baseline>, chances: f64) -> Self {
        let channels = Channels::new(Arc::clone(&baseline.models));
        Self {
            baseline,
            channels,
            last: None,
            least: f64::INFINITY,
            before: chances,
            actions: 0,
            lost: 0.0,
            actions_since_loss: BLOCK_ACTIONS,
        }
    }

    /// Scores under another baseline of the same task from now on. What was done so far stays as it was told.
    pub fn go_on_under(&mut self, baseline: Arc<Baseline>) {
        self.channels.go_on_under(Arc::clone(&baseline.models));
        self.baseline = baseline;
    }

    /// The baseline that it scores under.
    pub fn baseline(&self) -> &Arc<Baseline> {
        &self.baseline
    }

    /// The channels.
    pub fn channels(&self) -> &Channels {
        &self.channels
    }

    /// How many usual sessions' worth of chances to look unusual there were, those of segments before it among them.
    pub fn chances(&self) -> f64 {
        self.length().all()
    }

    fn length(&self) -> Length {
        Length { before: self.before, here: self.baseline.calibration.chances(self.actions) }
    }

    /// Takes in a step. A score, when an action changed it.
    pub fn push(&mut self, step: &Step) -> Option<Score> {
        let effect = self.channels.push(step);
        if !effect.action {
            return None;
        }
        let was_lossy = self.is_lossy();
        self.actions += 1;
        self.actions_since_loss = self.actions_since_loss.saturating_add(1);
        self.lost *= (-1.0 / BLOCK_ACTIONS as f64).exp2();
        self.changed(&effect, was_lossy)
    }

    /// A score where it is worth telling: it went a step up or down, or is the lowest so far.
    fn changed(&mut self, effect: &Effect, was_lossy: bool) -> Option<Score> {
        let block = self.channels.block().highest();
        let weighed = self.baseline.calibration.weigh(&block, self.length());
        let now = (step_of(weighed.p), step_of(weighed.acting));
        let is_low = weighed.p.p < self.least;
        self.least = self.least.min(weighed.p.p);
        let is_new = self.last.replace(now) != Some(now);
        let tells = is_new || is_low || was_lossy != self.is_lossy() || effect.counted;
        tells.then(|| self.score_of(&weighed, &block))
    }

    /// The highest values of the channels in the block that the session is in.
    pub fn block(&self) -> [f64; COUNT] {
        self.channels.block().highest()
    }

    /// The score as it stands.
    pub fn score(&self) -> Score {
        let block = self.channels.standing().highest();
        self.score_of(&self.baseline.calibration.weigh(&block, self.length()), &block)
    }

    /// A score as if the channels that `keeps` does not keep were usual. It says nothing where none is kept that speaks.
    pub fn rest(&self, score: &Score, keeps: impl Fn(&ChannelScore) -> bool) -> Score {
        let mut rest = score.clone();
        rest.channels.retain(keeps);
        let evidence = CHANNELS.map(|channel| {
            let of = |channels: &[ChannelScore]| {
                channels.iter().find(|of| of.name == channel.name).map(|of| of.evidence)
            };
            of(&rest.channels).or_else(|| of(&score.channels).map(|evidence| evidence.min(0.0)))
        });
        let speaks = rest.channels.iter().any(|channel| channel.evidence > 0.0);
        let weighed = speaks.then(|| self.baseline.calibration.read(evidence, self.length()));
        let (p, acting) = weighed.map_or((NOTHING, NOTHING), |weighed| (weighed.p, weighed.acting));
        (rest.p, rest.extrapolated, rest.acting) = (p.p, p.extrapolated, acting);
        rest
    }

    fn score_of(&self, weighed: &Weighed, block: &[f64; COUNT]) -> Score {
        let Weighed { evidence, p, acting } = *weighed;
        let units = self.baseline.calibration.units(block);
        let said = CHANNELS.iter().zip(block.iter().zip(units)).zip(evidence).enumerate();
        let channels: Vec<ChannelScore> = said
            .filter_map(|(at, ((channel, (&value, units)), evidence))| {
                let (evidence, (units, worse)) = (evidence?, units?);
                let counted = (evidence > 0.0).then(|| self.channels.counted(at)).flatten();
                let counted = counted.map(|group| group.words().to_owned());
                let name = channel.name.to_owned();
                Some(ChannelScore { name, value, units, worse, evidence, acts: channel.acts, counted })
            })
            .collect();
        let reasons = if p.p < REASONS_P { reasons(&channels, &self.channels) } else { Vec::new() };
        Score {
            p: p.p,
            extrapolated: p.extrapolated,
            acting,
            channels,
            reasons,
            confidence: BLOCK_ACTIONS as f64 / (BLOCK_ACTIONS as f64 + self.lost),
            lossy: self.is_lossy(),
        }
    }

    /// Takes in a raw system call of a thread: its number and what it returned.
    pub fn push_syscall(&mut self, tid: u32, number: u32, ret: i64) {
        self.channels.push_syscall(tid, number, ret);
    }

    /// Takes in a raw system call of a trace as it was written down: see [`crate::thread::syscall_symbol`].
    pub fn push_call(&mut self, tid: u32, symbol: u32) {
        self.channels.push_call(tid, symbol);
    }

    /// So many records were lost here. Streams do not go on across the gap, and the score is worth less for a while.
    pub fn note_loss(&mut self, count: u64) {
        self.channels.interrupt();
        self.lost += count as f64;
        self.actions_since_loss = 0;
    }

    fn is_lossy(&self) -> bool {
        self.actions_since_loss < BLOCK_ACTIONS
    }
}

/// The p-value of what says nothing.
const NOTHING: P = P { p: 1.0, extrapolated: false };

/// The step of a p-value, of which four halve it: within one, a score is what was told.
fn step_of(p: P) -> (i32, bool) {
    ((4.0 * p.p.log2()).floor() as i32, p.extrapolated)
}
