//! One running session: what is known of it.

mod answer;
mod change;
mod enter;
mod freeze;
mod keys;
mod met;
mod normal;
mod receive;
mod restore;
mod stop;
mod sum;
pub(crate) mod taking;

use super::armed::Armed;
use super::denials::Denials;
use super::itself::{Itself, OwnFile};
use super::judged::Judged;
use super::lag::Lags;
use super::looks::Looks;
use super::names::Names;
use super::obeyed::Obeyed;
use super::passed::Passed;
use super::peers::Peers;
use super::recording::Recording;
use super::standstill::Standstill;
use super::tally::Tally;
use super::undo::Undo;
use super::watched::Watched;
use super::way::Way;
use super::whole::Whole;
use crate::delegates::Watch;
use crate::fanotify::Marks;
use crate::ladder::Step;
use crate::loans::Loans;
use crate::shared::Shared;
use crate::{cgroup::Cgroup, t0, t1};
use event::{Class, Mode, Op, Segment, SessionMeta, Tokeniser};
use models::{Baseline, Scorer, Verdict};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::{Confinement, Report};

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
    pub(crate) confinement: Confinement,
    pub(crate) recording: Option<Recording>,
    pub(crate) obeyed: Obeyed,
    pub(crate) armed: Option<Armed>,
    pub(crate) loans: Option<Loans>,
    pub(crate) coverage: t0::Coverage,
    pub(crate) undo: Undo,
    pub(crate) watched: Watched,
    /// The session's own directory, for which no policy that was learned holds.
    pub(crate) directory: Option<PathBuf>,
    pub(crate) notes: Vec<String>,
    pub(crate) names: Names,
    pub(crate) whole: Option<Whole>,
    /// By when everything must stand still that is to be frozen.
    pub(super) freezing: Option<Instant>,
    pub(crate) delegates: Option<Watch>,
    pub(crate) tokeniser: Tokeniser,
    pub(crate) scorer: Option<Scorer>,
    /// How many usual sessions' worth of chances to look unusual those segments had that are over.
    chances: f64,
    pub(super) lags: Option<Lags>,
    pub(super) tally: Tally,
    pub(super) looks: Looks,
    pub(super) itself: Itself,
    /// How it is come to, where the session does not begin with it.
    pub(crate) way: Option<Way>,
    /// What it may replace.
    pub(crate) own_files: Vec<OwnFile>,
    pub(super) judged: Judged,
    pub(super) denials: Denials,
    pub(super) peers: Peers,
    pub(super) report: Report,
    pub(super) strongest: Verdict,
    /// The score is past the threshold of alerts just now: it is said once.
    pub(super) alerting: bool,
    pub(super) acted: Option<Step>,
    /// The reason for which the kernel side holds it, as far as that was answered; 0: none was.
    pub(super) held: u32,
    /// Since when the kernel side has it stand still for a change that no record has told yet.
    pub(super) untold: Option<Instant>,
    /// Processes that the kernel side has made to stand still with the session and that were let go on, by when they stood still.
    pub(super) gone_on: HashMap<u32, u32>,
    pub(super) standstill: Option<Standstill>,
    /// How often it was frozen, or more was told of a freeze.
    pub(super) freezes: u32,
    pub(super) passed: Passed,
    /// Its owner let something pass, and nothing was done since.
    pub(super) answered: bool,
    /// Reasons of single operations that were made.
    pub(super) explanations: u32,
    pub(super) crossed: Option<(Op, Class)>,
    /// How often its processes stood still since the pump was late, and how late it was in all.
    pub(super) late: (u32, Duration),
    pub(super) last_ns: u64,
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
            confinement: Confinement::default(),
            recording: None,
            obeyed: Obeyed::default(),
            armed: None,
            loans: None,
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
            chances: 0.0,
            lags: None,
            tally: Tally::default(),
            looks: Looks::default(),
            itself: Itself::default(),
            way: None,
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
            gone_on: HashMap::new(),
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
        self.chances = self.scorer.as_ref().map_or(self.chances, Scorer::chances);
        self.scorer = baseline.map(|baseline| Scorer::after(baseline, self.chances));
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

    /// What its command is given.
    pub fn confinement(&self) -> Confinement {
        self.confinement
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
        let of_rules = self.obeyed.marks.as_deref().into_iter();
        let mut marks = of_rules.chain(self.armed.iter().filter_map(|armed| armed.marks.as_ref()));
        marks.all(Marks::alive)
    }

    /// The process that it begins with. Whether that is the agent itself.
    pub fn begins_with(&mut self, pid: u32) -> bool {
        match &mut self.way {
            Some(way) => way.begins_with(pid),
            None => self.itself.begins_with(pid),
        }
        self.way.is_none()
    }

    /// The agent whose files only the agent itself replaces.
    pub(crate) fn agent_itself(&self) -> &str {
        self.way.as_ref().and_then(|way| way.agent.as_deref()).unwrap_or(self.meta.agent.as_str())
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
