//! Training: from sessions to a baseline, and its calibration on sessions that were held out.
//!
//! Every session is held out once: the models are learned from all sessions, what one fold of sessions taught is taken
//! away again, and the fold is scored by what remains. Thresholds from the sessions that were trained on would be
//! optimistic about sixfold.

use crate::allowed::Allowed;
use crate::baseline::{Baseline, Provenance, SESSIONS_MIN};
use crate::calibration::{Blocks, Calibration, Scale};
use crate::channel::{CHANNELS, Channels};
use crate::cluster::Clusters;
use crate::corpus::{Corpus, Item};
use crate::facts::{self, Facts};
use crate::learned::{Background, Models};
use crate::novelty::Novelty;
use crate::trial::{Held, Trial};
use crate::volume::Volume;
use crate::{ngram::Ngram, window::Features};
use std::sync::Arc;

/// Folds at most: with more sessions than this, several are held out at a time.
const FOLDS_MAX: usize = 20;

/// What a baseline says of itself that its sessions do not.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The agent.
    pub agent: String,
    /// The task.
    pub task: String,
    /// When, ns since 1970.
    pub trained_at_unix_ns: i64,
    /// `lsm` or `tracepoint`.
    pub tier: String,
    /// Where the sessions come from.
    pub provenance: Provenance,
    /// Seed of what is random: the first centroids.
    pub seed: u64,
    /// What the agent's other tasks taught.
    pub others: Option<Others>,
    /// Which of the sessions is the agent's very first, if it is among them: see [`crate::trial`].
    pub first_run: Option<usize>,
    /// What its user has decided to allow, if only for a time: a refusal of it is none in the trial.
    pub allowed: Vec<Allowed>,
}

/// What the agent's other tasks teach a baseline.
#[derive(Clone, Debug, Default)]
pub struct Others {
    /// For the sequence models.
    pub background: Background,
    /// For novelty: places of files.
    pub places: Novelty,
}

impl Others {
    /// What the sessions of one task teach.
    pub fn learn<C: Corpus>(corpus: &C) -> Result<Others, C::Error> {
        let (mut background, mut places) = (Background::default(), Vec::new());
        for session in 0..corpus.len() {
            let (taught, touched) = facts::for_others(corpus, session)?;
            background.merge(&taught);
            places.push((corpus.workspace(session), touched));
        }
        let places = Novelty::learn(places.iter().map(|(workspace, places)| (*workspace, places)));
        Ok(Others { background, places })
    }

    /// All of these together; `None` of nothing.
    pub fn union<'o>(of: impl IntoIterator<Item = &'o Others>) -> Option<Others> {
        let mut union = Others::default();
        for other in of {
            union.background.merge(&other.background);
            union.places.merge(&other.places);
        }
        (union.background.tokens.observations() > 0).then_some(union)
    }
}

/// How far training is: sessions are read twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Sessions read.
    pub done: usize,
    /// Sessions to read.
    pub of: usize,
}

/// Why there is no baseline.
#[derive(Debug, thiserror::Error)]
pub enum TrainError<E> {
    /// Too few sessions.
    #[error(
        "{found} usable sessions of {agent} for `{task}`, and a baseline needs {SESSIONS_MIN}: record more"
    )]
    TooFewSessions {
        /// The agent.
        agent: String,
        /// The task.
        task: String,
        /// Usable sessions.
        found: usize,
    },
    /// A session cannot be read.
    #[error("a session cannot be read: {0}")]
    Read(E),
}

/// Trains a baseline.
pub fn train<C: Corpus>(
    corpus: &C,
    options: Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Baseline, TrainError<C::Error>> {
    let sessions = corpus.len();
    if sessions < SESSIONS_MIN {
        return Err(TrainError::TooFewSessions { agent: options.agent, task: options.task, found: sessions });
    }
    let mut facts = Vec::with_capacity(sessions);
    for session in 0..sessions {
        facts.push(Facts::read(corpus, session, &options.tier).map_err(TrainError::Read)?);
        progress(Progress { done: session + 1, of: 2 * sessions });
    }
    let learned = learn(&facts, &options);
    let held: Vec<Held<'_>> = facts
        .iter()
        .map(|Facts { workspace, asked, start, .. }| Held { workspace: *workspace, asked, start })
        .collect();
    let trial = Trial::hold(&learned.novelty, &held, options.first_run, &options.allowed);
    let calibration =
        calibrate(corpus, &facts, &learned, options.seed, progress).map_err(TrainError::Read)?;
    let mut models = learned;
    models.novelty.prune();
    let mut workspaces: Vec<u64> = facts.iter().map(|facts| facts.workspace).collect();
    workspaces.sort_unstable();
    workspaces.dedup();
    Ok(Baseline {
        agent: options.agent,
        task: options.task,
        sessions,
        tokens: models.tokens.observations(),
        syscalls: models.syscalls.observations(),
        workspaces: workspaces.len(),
        trained_at_unix_ns: options.trained_at_unix_ns,
        tier: options.tier,
        provenance: options.provenance,
        vocabulary: event::vocabulary_hash(),
        partial: false,
        models: Arc::new(models),
        calibration,
        trial,
    })
}

fn learn(facts: &[Facts], options: &Options) -> Models {
    let mut novelty = Novelty::learn(facts.iter().map(|facts| (facts.workspace, &facts.places)));
    if let Some(others) = &options.others {
        novelty = novelty.leaning_on(&others.places);
    }
    let mut models = Models {
        novelty,
        volume: Volume::from(facts.iter().map(|facts| facts.sample.clone()).collect::<Vec<_>>()),
        clusters: clusters(facts, &[], options.seed),
        background: options.others.as_ref().map(|others| others.background.clone()),
        ..Models::default()
    };
    for facts in facts {
        models.tokens.merge(&facts.tokens);
        models.actions.merge(&facts.actions);
        models.syscalls.merge(&facts.syscalls);
    }
    models
}

fn clusters(facts: &[Facts], without: &[u32], seed: u64) -> Vec<Clusters> {
    let kept = facts.iter().enumerate().filter(|(session, _)| !without.contains(&(*session as u32)));
    let windows: Vec<&Features> = kept.flat_map(|(_, facts)| &facts.windows).collect();
    Clusters::fit(&windows, seed).into_iter().collect()
}

/// The models as if the sessions of a fold had never been seen.
fn hold_out(learned: &Models, facts: &[Facts], fold: &[u32], seed: u64) -> Models {
    let forget = |model: &Ngram, taught: fn(&Facts) -> &Ngram| {
        let mut rest = model.clone();
        fold.iter()
            .filter_map(|&session| facts.get(session as usize))
            .for_each(|facts| rest.subtract(taught(facts)));
        rest
    };
    Models {
        tokens: forget(&learned.tokens, |facts| &facts.tokens),
        actions: forget(&learned.actions, |facts| &facts.actions),
        syscalls: forget(&learned.syscalls, |facts| &facts.syscalls),
        novelty: learned.novelty.without(fold),
        volume: learned.volume.without(fold),
        clusters: clusters(facts, fold, seed),
        background: learned.background.clone(),
    }
}

fn calibrate<C: Corpus>(
    corpus: &C,
    facts: &[Facts],
    learned: &Models,
    seed: u64,
    progress: &mut dyn FnMut(Progress),
) -> Result<Calibration, C::Error> {
    let sessions = facts.len();
    let folds = sessions.min(FOLDS_MAX);
    let mut held_out = HeldOut::default();
    for fold in 0..folds {
        let fold: Vec<u32> = (fold..sessions).step_by(folds).map(|session| session as u32).collect();
        let models = Arc::new(hold_out(learned, facts, &fold, seed));
        for &session in &fold {
            held_out.score(corpus, session as usize, &models)?;
            progress(Progress { done: sessions + held_out.calibration.sessions, of: 2 * sessions });
        }
    }
    Ok(held_out.finish(learned))
}

/// The calibration of a baseline by sessions that it was not trained on, all of them under the models as they are. Needs
/// sessions that nothing else needs; [`train`] holds its own out instead.
pub fn calibrate_on<C: Corpus>(baseline: &Baseline, corpus: &C) -> Result<Calibration, C::Error> {
    let mut held_out = HeldOut::default();
    for session in 0..corpus.len() {
        held_out.score(corpus, session, &baseline.models)?;
    }
    Ok(held_out.finish(&baseline.models))
}

/// Adds such sessions to the held-out ones that a baseline is calibrated by already. Whether there were enough of them:
/// below [`SESSIONS_MIN`] nothing is added.
pub fn calibrate_with<C: Corpus>(baseline: &mut Baseline, corpus: &C) -> Result<bool, C::Error> {
    if corpus.len() < SESSIONS_MIN {
        return Ok(false);
    }
    let calibration = calibrate_on(baseline, corpus)?;
    baseline.calibration.merge(&calibration);
    Ok(true)
}

/// What held-out sessions scored.
struct HeldOut {
    /// Maxima by channel, session and block.
    maxima: Vec<Vec<Vec<f64>>>,
    calibration: Calibration,
}

impl Default for HeldOut {
    fn default() -> Self {
        Self { maxima: vec![Vec::new(); CHANNELS.len()], calibration: Calibration::default() }
    }
}

impl HeldOut {
    /// Scores a session under models that do not know it.
    fn score<C: Corpus>(&mut self, corpus: &C, session: usize, models: &Arc<Models>) -> Result<(), C::Error> {
        let mut channels = Channels::new(Arc::clone(models));
        let mut blocks = Blocks::new(CHANNELS.len());
        let mut actions = 0;
        corpus.replay(session, &mut |item| match item {
            Item::Step(step) if channels.push(step).action => {
                actions += 1;
                blocks.push(channels.values());
            }
            Item::Step(_) => {}
            Item::Syscall { tid, number, ret } => channels.push_syscall(tid, number, ret),
            Item::Loss(_) => channels.interrupt(),
        })?;
        let blocks = blocks.finish();
        for (channel, maxima) in self.maxima.iter_mut().enumerate() {
            maxima.push(blocks.iter().map(|block| block[channel]).collect::<Vec<f64>>());
        }
        self.calibration.sessions += 1;
        self.calibration.actions += actions;
        Ok(())
    }

    fn finish(mut self, learned: &Models) -> Calibration {
        let counts = |name: &str| match name {
            "syscalls" | "syscalls-slow" => learned.syscalls.observations() > 0,
            "cluster" => !learned.clusters.is_empty(),
            _ => true,
        };
        let scales = CHANNELS.iter().zip(&self.maxima);
        self.calibration.scales = scales
            .map(|(channel, maxima)| counts(channel.name).then(|| Scale::fit(maxima, channel.reading)))
            .collect();
        self.calibration
    }
}
