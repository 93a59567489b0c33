//! The online score of one session.

use crate::baseline::Baseline;
use crate::calibration::{BLOCK_ACTIONS, P};
use crate::channel::{CHANNELS, Channels, Effect};
use crate::reason::Evidence;
use crate::score::{CERTAIN, ChannelScore, Score};
use event::Step;
use std::sync::Arc;

/// Scores below this p carry reasons.
const REASONS_P: f64 = 0.1;

/// Scores one session, step by step. Deterministic: the same steps give the same scores.
#[derive(Clone, Debug)]
pub struct Scorer {
    baseline: Arc<Baseline>,
    channels: Channels,
    evidence: Evidence,
    /// The smallest p, and that of what may be acted upon, as they were told last.
    last: Option<(P, P)>,
    actions: u64,
    lost: f64,
    actions_since_loss: usize,
}

impl Scorer {
    /// For one session (or segment) under this baseline.
    pub fn new(baseline: Arc<Baseline>) -> Self {
        let channels = Channels::new(Arc::clone(&baseline.models));
        Self {
            baseline,
            channels,
            evidence: Evidence::default(),
            last: None,
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

    /// Takes in a step. A score, when an action changed it.
    pub fn push(&mut self, step: &Step) -> Option<Score> {
        let effect = self.channels.push(step);
        self.evidence.push(step, &effect);
        if !effect.action {
            return None;
        }
        let was_lossy = self.is_lossy();
        self.actions += 1;
        self.actions_since_loss = self.actions_since_loss.saturating_add(1);
        self.lost *= (-1.0 / BLOCK_ACTIONS as f64).exp2();
        self.changed(&effect, was_lossy)
    }

    fn changed(&mut self, effect: &Effect, was_lossy: bool) -> Option<Score> {
        let p = self.baseline.calibration.p(self.channels.values(), self.actions);
        let least = least(&p);
        let unchanged = self.last == Some(least) && was_lossy == self.is_lossy() && effect.group.is_none();
        self.last = Some(least);
        (!unchanged).then(|| self.score_of(&p))
    }

    /// The score as it stands.
    pub fn score(&self) -> Score {
        self.score_of(&self.baseline.calibration.p(self.channels.values(), self.actions))
    }

    fn score_of(&self, p: &[Option<P>]) -> Score {
        let (least, acting) = least(p);
        let channels: Vec<ChannelScore> = CHANNELS
            .iter()
            .zip(self.channels.values())
            .zip(p)
            .filter_map(|((channel, &value), p)| {
                let P { p, extrapolated } = (*p)?;
                let counts = channel.name == "volume" && p < REASONS_P;
                let counted = counts.then(|| self.counted()).flatten();
                Some(ChannelScore { name: channel.name.to_owned(), value, p, extrapolated, counted })
            })
            .collect();
        let reasons = if least.p < REASONS_P {
            self.evidence.reasons(&channels, self.channels.tally(), &self.baseline.models)
        } else {
            Vec::new()
        };
        Score {
            p: least.p,
            extrapolated: least.extrapolated,
            acting,
            channels,
            reasons,
            confidence: BLOCK_ACTIONS as f64 / (BLOCK_ACTIONS as f64 + self.lost),
            lossy: self.is_lossy(),
        }
    }

    /// What the volume speaks of.
    fn counted(&self) -> Option<String> {
        let group = self.baseline.models.volume.surprise(self.channels.tally()).1?;
        Some(group.words().to_owned())
    }

    /// Takes in a raw system call of a thread: its number and what it returned.
    pub fn push_syscall(&mut self, tid: u32, number: u32, ret: i64) {
        self.channels.push_syscall(tid, number, ret);
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

/// The smallest p of the channels, and the smallest of what may be acted upon: see [`Channel::acts`].
///
/// [`Channel::acts`]: crate::channel::Channel::acts
fn least(p: &[Option<P>]) -> (P, P) {
    let smaller = |least: P, p: P| if p.p < least.p { p } else { least };
    CHANNELS.iter().zip(p).fold((CERTAIN, CERTAIN), |(all, acting), (channel, p)| match *p {
        Some(p) if channel.acts || !p.extrapolated => (smaller(all, p), smaller(acting, p)),
        Some(p) => (smaller(all, p), acting),
        None => (all, acting),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_order_extrapolates_is_not_acted_upon() {
        let p = |p, extrapolated| P { p, extrapolated };
        let of = |name: &str, told: P| -> Vec<Option<P>> {
            CHANNELS.iter().map(|channel| (channel.name == name).then_some(told)).collect()
        };
        let nothing = p(1.0, false);
        for order in ["sequence", "sequence-slow", "actions", "syscalls", "syscalls-slow"] {
            assert_eq!(least(&of(order, p(8e-6, true))), (p(8e-6, true), nothing), "{order}");
            assert_eq!(least(&of(order, p(1e-3, false))), (p(1e-3, false), p(1e-3, false)), "{order}");
        }
        for deed in ["novelty", "volume"] {
            assert_eq!(least(&of(deed, p(8e-6, true))), (p(8e-6, true), p(8e-6, true)), "{deed}");
        }
        let mut both = of("sequence-slow", p(8e-6, true));
        both[5] = Some(p(5e-5, true));
        assert_eq!(least(&both), (p(8e-6, true), p(5e-5, true)));
    }
}
