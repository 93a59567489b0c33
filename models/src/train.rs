//! Training: from sessions to a baseline, and its calibration on sessions that were held out.
//!
//! Every session is held out once, with all of its workspace where there are several: the models are learned from all
//! sessions, what one fold of sessions taught is taken away again, and the fold is scored by what remains. Thresholds from
//! the sessions that were trained on would be optimistic about sixfold.
#![expect(clippy::cast_possible_truncation, reason = "a store has fewer sessions than numbers")]
#![expect(clippy::indexing_slicing, reason = "folds are taken in turn")]

use crate::allowed::Allowed;
use crate::baseline::{Baseline, Provenance};
use crate::calibration::{Calibration, Held as HeldSession, WORKSPACES_MIN};
use crate::channel::{CHANNELS, COUNT};
use crate::channels::Channels;
use crate::cluster::Clusters;
use crate::corpus::{Corpus, Item};
use crate::error::Error;
use crate::facts::{self, Facts};
use crate::learned::{Background, Models};
use crate::limits::SESSIONS_MIN;
use crate::novelty::Novelty;
use crate::trial::{Held, Trial};
use crate::volume::Volume;
use crate::{ngram::Ngram, window::Features};
use event::{AgentName, TaskName, Tier};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Folds at most: with more sessions than this, several are held out at a time.
const FOLDS_MAX: usize = 20;

/// What a baseline says of itself that its sessions do not.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The agent.
    pub agent: AgentName,
    /// The task.
    pub task: TaskName,
    /// When, ns since 1970.
    pub trained_at_unix_ns: i64,
    /// What the kernel could do that recorded the sessions.
    pub tier: Tier,
    /// Where the sessions come from.
    pub provenance: Provenance,
    /// Seed of what is random: the first centroids.
    pub seed: u64,
    /// What the agent's other tasks taught.
    pub others: Option<Others>,
    /// Which of the sessions is the agent's very first, if it is among them: it sets up what the others find, so that neither
    /// the trial nor the calibration looks at it, if there are enough others.
    pub first_run: Option<usize>,
    /// What its user has decided to allow, if only for a time: a refusal of it is none in the trial.
    pub allowed: Vec<Allowed>,
}

/// What the agent's other tasks teach a baseline.
#[derive(Clone, Debug, Default)]
pub struct Others {
    /// For the sequence models.
    background: Background,
    /// The same by workspace, so that what one taught can be taken away.
    by_workspace: BTreeMap<u64, Background>,
    /// For novelty: places of files.
    places: Novelty,
}

impl Others {
    /// What the sessions of one task teach.
    pub fn learn<C: Corpus>(corpus: &C) -> Result<Others, C::Error> {
        let (mut others, mut places) = (Others::default(), Vec::new());
        for session in 0..corpus.len() {
            let (taught, touched) = facts::for_others(corpus, session)?;
            let workspace = corpus.workspace(session);
            others.background.merge(&taught);
            others.by_workspace.entry(workspace).or_default().merge(&taught);
            places.push((workspace, touched));
        }
        others.places = Novelty::learn(places.iter().map(|(workspace, places)| (*workspace, places)));
        Ok(others)
    }

    /// What the sequence models lean on, as if nothing had been done in these workspaces.
    fn background_without(&self, workspaces: &BTreeSet<u64>) -> Background {
        let mut rest = self.background.clone();
        let gone = workspaces.iter().filter_map(|workspace| self.by_workspace.get(workspace));
        gone.for_each(|taught| rest.subtract(taught));
        rest
    }

    /// All of these together; `None` of nothing.
    pub fn union<'o>(of: impl IntoIterator<Item = &'o Others>) -> Option<Others> {
        let mut union = Others::default();
        for other in of {
            union.background.merge(&other.background);
            union.places.merge(&other.places);
            for (workspace, taught) in &other.by_workspace {
                union.by_workspace.entry(*workspace).or_default().merge(taught);
            }
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

/// Trains a baseline.
pub fn train<C: Corpus>(
    corpus: &C,
    options: Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Baseline, Error<C::Error>> {
    let sessions = corpus.len();
    if sessions < SESSIONS_MIN {
        return Err(Error::TooFewSessions { agent: options.agent, task: options.task, found: sessions });
    }
    let mut facts = Vec::with_capacity(sessions);
    for session in 0..sessions {
        facts.push(Facts::read(corpus, session, options.tier).map_err(Error::Read)?);
        progress(Progress { done: session + 1, of: 2 * sessions });
    }
    let learned = learn(&facts, &options);
    let held: Vec<Held<'_>> = facts
        .iter()
        .map(|Facts { workspace, asked, start, .. }| Held { workspace: *workspace, asked, start })
        .collect();
    let trial = Trial::hold(&learned.novelty, &held, options.first_run, &options.allowed);
    let calibration = calibrate(corpus, &facts, &learned, &options, progress).map_err(Error::Read)?;
    let mut models = learned;
    models.novelty.prune();
    let mut workspaces: Vec<u64> = facts.iter().map(|facts| facts.workspace).collect();
    workspaces.sort_unstable();
    workspaces.dedup();
    Ok(Baseline {
        agent: options.agent,
        task: options.task.into(),
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
        background: options.others.as_ref().map(|others| others.background.settled()),
        ..Models::default()
    };
    for facts in facts {
        models.tokens.merge(&facts.tokens);
        models.actions.merge(&facts.actions);
        models.syscalls.merge(&facts.syscalls);
    }
    for model in [&mut models.tokens, &mut models.actions, &mut models.syscalls] {
        *model = model.settled();
    }
    models
}

fn clusters(facts: &[Facts], without: &[u32], seed: u64) -> Vec<Clusters> {
    let kept = facts.iter().enumerate().filter(|(session, _)| !without.contains(&(*session as u32)));
    let windows: Vec<&Features> = kept.flat_map(|(_, facts)| &facts.windows).collect();
    Clusters::fit(&windows, seed).into_iter().collect()
}

/// The models as if the sessions of a fold had never been seen, nor the workspaces that it holds out whole in any task.
fn hold_out(
    learned: &Models,
    facts: &[Facts],
    Fold { sessions: fold, workspaces }: &Fold,
    options: &Options,
) -> Models {
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
        novelty: learned.novelty.held_out(fold, workspaces),
        volume: learned.volume.without(fold),
        clusters: clusters(facts, fold, options.seed),
        background: options.others.as_ref().map(|others| others.background_without(workspaces)),
    }
}

/// What is held out at a time.
#[derive(Default)]
struct Fold {
    sessions: Vec<u32>,
    /// Those that are held out whole.
    workspaces: BTreeSet<u64>,
}

/// A fold is whole workspaces, with all their sessions, since the next session may be the first in a new one. Where there
/// are few workspaces, or one has most sessions, it is single sessions: what is left must teach.
fn folds(facts: &[Facts]) -> Vec<Fold> {
    let mut workspaces: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for (session, facts) in facts.iter().enumerate() {
        workspaces.entry(facts.workspace).or_default().push(session as u32);
    }
    let several = workspaces.len() >= WORKSPACES_MIN;
    let mut units: Vec<(Option<u64>, Vec<u32>)> = Vec::new();
    for (workspace, sessions) in workspaces {
        if several && sessions.len() * 2 <= facts.len() {
            units.push((Some(workspace), sessions));
        } else {
            units.extend(sessions.into_iter().map(|session| (None, vec![session])));
        }
    }
    let mut folds: Vec<Fold> = (0..units.len().min(FOLDS_MAX)).map(|_| Fold::default()).collect();
    for (at, (workspace, sessions)) in units.into_iter().enumerate() {
        let fold = &mut folds[at % FOLDS_MAX];
        fold.sessions.extend(sessions);
        fold.workspaces.extend(workspace);
    }
    folds
}

fn calibrate<C: Corpus>(
    corpus: &C,
    facts: &[Facts],
    learned: &Models,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Calibration, C::Error> {
    let sessions = facts.len();
    let (mut held_out, mut done) = (Vec::with_capacity(sessions), 0);
    // What sets up what the others find says nothing of how far those lie apart.
    let odd = options.first_run.filter(|_| sessions > SESSIONS_MIN);
    for fold in folds(facts) {
        let models = Arc::new(hold_out(learned, facts, &fold, options));
        for session in fold.sessions.iter().map(|&session| session as usize) {
            if Some(session) != odd {
                held_out.push(said(corpus, session, &models)?);
            }
            done += 1;
            progress(Progress { done: sessions + done, of: 2 * sessions });
        }
    }
    Ok(Calibration::of(held_out, counts(learned)))
}

/// The calibration of a baseline by sessions that it was not trained on, all of them under the models as they are. Needs
/// sessions that nothing else needs; [`train`] holds its own out instead.
pub fn calibrate_on<C: Corpus>(baseline: &Baseline, corpus: &C) -> Result<Calibration, C::Error> {
    let sessions = (0..corpus.len()).map(|session| said(corpus, session, &baseline.models));
    Ok(Calibration::of(sessions.collect::<Result<_, _>>()?, counts(&baseline.models)))
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

/// What the channels say in a session, under models that do not know it.
fn said<C: Corpus>(corpus: &C, session: usize, models: &Arc<Models>) -> Result<HeldSession, C::Error> {
    let mut channels = Channels::new(Arc::clone(models));
    let mut held = HeldSession::of(corpus.workspace(session));
    corpus.replay(session, &mut |item| match item {
        Item::Step(step) => channels.push(step).ended.iter().for_each(|block| held.push(block)),
        Item::Syscall { tid, number, ret } => channels.push_syscall(tid, number, ret),
        Item::Call { tid, symbol } => channels.push_call(tid, symbol),
        Item::Loss(_) => channels.interrupt(),
    })?;
    held.push(&channels.standing());
    Ok(held)
}

/// Which channels the recordings say something about.
fn counts(learned: &Models) -> [bool; COUNT] {
    CHANNELS.map(|channel| (channel.is_learned)(learned))
}
