//! Other rules for a session that is armed: looked for without it, since a file system may answer when it likes, and obeyed all
//! or none. What it obeys already is not touched.

use super::Live;
use crate::fanotify::Marks;
use crate::links::Links;
use crate::session::obeyed::{AtStart, MOST};
use crate::session::watched::Watched;
use crate::shared::Shared;
use crate::{Error, t0};
use event::{Mode, TaskName, Tier};
use policy::{Refusal, Rule, Rules, Taken};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

/// What looking for other rules' places needs.
pub struct Taking {
    shared: Arc<Shared>,
    slot: u32,
    links: Links,
    rules: Rules,
    task: TaskName,
    guarded: Arc<t0::Guarded>,
    coverage: t0::Coverage,
    marks: Option<Arc<Marks>>,
    /// The home, as the kernel named it before anybody was inside; `None`: nothing is put back.
    home: Option<PathBuf>,
    /// Something that its rules close could not be closed.
    is_partial: bool,
    /// The rules of which all could be.
    whole: Rules,
    /// Sets of its task.
    of_task: usize,
    at_start: Option<Arc<AtStart>>,
}

/// What closes more, and is not obeyed yet.
pub struct Closing {
    rules: Rules,
    /// What of them holds during the task that it is for.
    now: Rules,
    always: Option<Found>,
    of_task: Option<Found>,
    /// What rules close during which task, as it was found before anybody was inside.
    at_start: Option<AtStart>,
}

/// What was found for one set of labels.
struct Found {
    staged: t0::Staged,
    kept: Vec<t0::Kept>,
}

/// A set of labels that is there.
#[derive(Default)]
struct Added {
    set: Option<u32>,
    coverage: t0::Coverage,
    kept: Vec<t0::Kept>,
}

/// Whether what cannot be refused is put back. Nothing freezes in the other modes.
pub(crate) fn keeps_places(tier: Tier, mode: Mode) -> bool {
    tier == Tier::Tracepoint && mode == Mode::Enforce
}

impl Taking {
    /// What becomes of the session's rules when others are to hold, and what that closes; `None`: nothing more.
    pub fn take(&self, others: &Rules) -> Result<(Taken, Option<Closing>), Error> {
        let taken = self.rules.tightened(others);
        if taken.begin.is_empty() && taken.end.is_empty() && !self.is_partial {
            return Ok((taken, None));
        }
        // What could not be closed before may be closed now, and is said again where it cannot.
        let mut beyond = taken.rules.refusals_beyond(&self.whole);
        if self.is_partial {
            let is_now = |rule: &Rule| rule.is_during_alone(self.task.as_str());
            beyond.extend(taken.rules.refusals().filter(|refusal| is_now(refusal.row.rule)));
        }
        let (always, of_task): (Vec<_>, Vec<_>) =
            beyond.into_iter().partition(|refusal| refusal.row.rule.tasks.is_empty());
        let now = of_task.into_iter().filter(|refusal| refusal.row.rule.is_during(self.task.as_str()));
        let closing = self.closing(&taken.rules, &self.task, Some(always), now.collect())?;
        Ok((taken, Some(closing)))
    }

    /// What the session's rules close during a task alone.
    pub fn for_task(&self, task: &TaskName) -> Result<Closing, Error> {
        let looks_again = self.is_partial && self.of_task < MOST as usize;
        let goes_on = *task == self.task && self.links != Links::All && !looks_again;
        let of_task = self.rules.refusals().filter(|refusal| refusal.row.rule.is_during_alone(task.as_str()));
        let mut closing = self.closing(&self.rules, task, None, of_task.collect())?;
        if goes_on {
            // What closes during it is there.
            closing.of_task = None;
        }
        let Some(found) = &mut closing.of_task else { return Ok(closing) };
        match &self.at_start {
            // Where links of the user's led then, nobody looks any more.
            Some(start) if start.task == *task => found.staged.extend(&start.labels),
            None if self.links == Links::All => {
                closing.at_start = Some(AtStart { task: task.clone(), labels: found.staged.labels() });
            }
            _ => {}
        }
        Ok(closing)
    }

    fn closing(
        &self,
        rules: &Rules,
        task: &TaskName,
        always: Option<Vec<Refusal<'_>>>,
        of_task: Vec<Refusal<'_>>,
    ) -> Result<Closing, Error> {
        let guarded = t0::Guarded { rules: rules.of_task(task.as_str()), ..(*self.guarded).clone() };
        let has_more = guarded.rules.own().any(|rule| rule.is_during_alone(task.as_str()));
        let always = always.map(|refusals| self.look(&guarded, &refusals, |rule| rule.tasks.is_empty()));
        let of_task = has_more.then(|| self.look(&guarded, &of_task, |rule| !rule.tasks.is_empty()));
        let (always, of_task) = (always.transpose()?, of_task.transpose()?);
        Ok(Closing { rules: rules.clone(), now: guarded.rules, always, of_task, at_start: None })
    }

    fn look(
        &self,
        guarded: &t0::Guarded,
        refusals: &[Refusal<'_>],
        watched: fn(&Rule) -> bool,
    ) -> Result<Found, Error> {
        let (marks, links) = (self.marks.as_deref(), self.links);
        let around = t0::Around { coverage: &self.coverage, marks, links, watched };
        let skipped = || marks.map_or(0, Marks::skipped);
        let before = skipped();
        let mut staged = self.shared.jewels.look(self.slot, guarded, refusals, &around)?;
        if let more @ 1.. = skipped().saturating_sub(before) {
            staged.coverage.warnings.push(format!(
                "rules close {} without a permission mark: an open is ended after the fact, not prevented",
                text::count(more as u64, "file")
            ));
        }
        let keep = |home: &PathBuf| {
            let found = &staged.coverage.found;
            t0::keep(&*self.shared.list, (&guarded.home, home), refusals, found, links)
        };
        let kept = self.home.as_ref().map(keep).unwrap_or_default();
        Ok(Found { staged, kept })
    }
}

impl Live {
    /// What looking for other rules' places needs. Somebody is inside by now, or others of the user's are: links of theirs lead
    /// nowhere.
    pub fn taking(&self) -> Taking {
        self.taking_by(Links::NotOf(self.obeyed.guarded.uid))
    }

    /// The same, by these links.
    pub(crate) fn taking_by(&self, links: Links) -> Taking {
        Taking {
            shared: Arc::clone(&self.shared),
            slot: self.slot,
            links,
            rules: self.obeyed.rules.clone(),
            task: self.segment.task.clone(),
            guarded: Arc::clone(&self.obeyed.guarded),
            coverage: self.coverage.clone(),
            marks: self.obeyed.marks.clone(),
            home: self.undo.places.as_ref().map(|places| places.home().to_owned()),
            is_partial: self.obeyed.is_partial,
            whole: self.obeyed.whole.clone(),
            of_task: self.obeyed.of_task.len(),
            at_start: self.obeyed.at_start.clone(),
        }
    }

    /// Obeys what closes more, whole or not at all; what is not closed, in words.
    pub fn obey(&mut self, closing: Closing) -> Result<Vec<String>, Error> {
        let Closing { rules, now, always, of_task, at_start } = closing;
        let looked = always.is_some();
        if looked {
            self.obeyed.take()?;
        }
        let always = self.add(always, t0::LASTING)?;
        let of_task = match self.add(of_task, 0) {
            Ok(added) => added,
            Err(e) => {
                self.release_rules(&always.set.into_iter().collect::<Vec<_>>());
                return Err(e);
            }
        };
        self.obeyed.of_task.extend(of_task.set);
        if let Some(at_start) = at_start {
            self.obeyed.at_start = Some(Arc::new(at_start));
        }
        self.coverage.repositories.extend(always.coverage.repositories);
        self.undo.keep(always.kept, of_task.kept, &now);
        self.obeyed.rules = rules;
        self.watch_rules();
        let mut warnings = [always.coverage.warnings, of_task.coverage.warnings].concat();
        let mut said = HashSet::new();
        warnings.retain(|warning| said.insert(warning.clone()));
        if looked && warnings.is_empty() {
            self.obeyed.whole = self.obeyed.rules.clone();
        }
        self.obeyed.is_partial = !warnings.is_empty() || self.obeyed.is_partial && !looked;
        Ok(warnings)
    }

    /// Adds a set of labels, [`t0::LASTING`] or of a task.
    fn add(&mut self, found: Option<Found>, lasting: u32) -> Result<Added, Error> {
        let Some(Found { staged, kept }) = found else { return Ok(Added::default()) };
        let number = self.obeyed.next() | lasting;
        let coverage = self.shared.jewels.close(self.slot, number, staged)?;
        Ok(Added { set: Some(number), coverage, kept })
    }

    /// Releases sets. What stays behind closes too much, and is said.
    pub(super) fn release_rules(&mut self, sets: &[u32]) {
        for set in sets {
            if let Err(error) = self.shared.jewels.release_set(self.slot, *set) {
                tracing::error!(session = %self.id, %error, "labels of rules that do not count any more were left in the kernel");
                self.notes
                    .push(format!("what rules closed that do not count any more stays closed: {error}"));
            }
        }
    }

    /// Tells of what its rules watch during its task.
    pub(crate) fn watch_rules(&mut self) {
        let rules = self.obeyed.during(&self.segment.task);
        let watched = Watched::of(&rules, &self.meta.context, &self.coverage.repositories);
        self.watched = watched.after(&self.watched);
    }
}
