//! How a session enters a segment: what was learned of its task is compiled and armed beforehand, and obeyed in one step.

use super::Live;
use super::taking::Closing;
use crate::reason::Normal;
use crate::session::armed::Armed;
use crate::shared::Shared;
use crate::t1::hosts::{self, Hosts};
use crate::{DenyList, Error, fanotify, t1, trial, walk};
use abi::FileKey;
use bstr::ByteSlice;
use event::{Context, Mode, Segment, TaskName, Tier};
use models::{Baseline, State};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

impl Live {
    /// Said of a session for which nothing was learned.
    pub(crate) fn without_baseline(&self) -> String {
        let (agent, task) = (&self.meta.agent, &self.segment.task);
        format!(
            "there is no baseline of `{agent}` for `{task}`: crown jewels are guarded, T1 and T2 are off; `wardline record` \
             and `wardline train` would add what is normal for it"
        )
    }

    /// What compiling a baseline for it needs.
    pub fn place(&self) -> Place {
        let (context, directory) = (self.meta.context.clone(), self.directory.clone());
        let own = self.tokeniser.own().clone();
        Place { shared: Arc::clone(&self.shared), context, directory, own }
    }

    /// Opens a new segment, unless its task goes on, and switches to its policy and its rules in one step: what was learned for the
    /// old task holds until then, and what rules close during either is closed.
    pub fn switch(
        &mut self,
        task: &TaskName,
        entered: Option<Entered>,
        closing: Closing,
    ) -> Result<Switched, Error> {
        let is_same = self.segment.task == *task;
        // What closes during the task that goes on is there.
        let (ended, kept) = match is_same {
            true => Default::default(),
            false => (std::mem::take(&mut self.obeyed.of_task), self.undo.take_task()),
        };
        let warnings = match self.obey(closing) {
            Ok(warnings) => warnings,
            Err(e) => {
                self.obeyed.of_task.extend(ended);
                self.undo.give_task(kept);
                return Err(e);
            }
        };
        let old_segment = self.segment.clone();
        // The same task goes on, under a policy that was compiled anew: what the score holds against the session stays.
        let goes_on = old_segment.task == *task && self.scorer.is_some() && entered.is_some();
        if !goes_on {
            self.segment = Segment {
                index: old_segment.index + 1,
                task: task.clone(),
                started_boot_ns: sys::clock::boot_ns(),
            };
        }
        let old = self.armed.take();
        match entered {
            Some(entered) => {
                let baseline = self.enter(entered);
                match self.scorer.as_mut().filter(|_| goes_on) {
                    Some(scorer) => scorer.go_on_under(baseline),
                    None => self.score_under(Some(baseline)),
                }
            }
            None => {
                self.score_under(None);
                if self.mode != Mode::Record {
                    self.notes.push(self.without_baseline());
                }
            }
        }
        if let Err(e) = self.publish() {
            self.armed = old;
            self.segment = old_segment;
            // What rules close during either task stays closed.
            self.obeyed.of_task.extend(ended);
            self.undo.give_task(kept);
            return Err(e);
        }
        self.release_rules(&ended);
        self.watch_rules();
        let segment = self.segment.clone();
        if let Some(recording) = self.recording.as_mut().filter(|_| !goes_on) {
            recording.segment(segment);
        }
        Ok(Switched { warnings, _old: old })
    }

    /// Takes over an armed baseline, and gives it back to be scored under. The kernel does not obey it before
    /// [`Live::publish`].
    pub(crate) fn enter(&mut self, entered: Entered) -> Arc<Baseline> {
        let Entered { mut armed, baseline, notes } = entered;
        self.notes.extend(notes);
        armed.only_watches =
            self.mode == Mode::Enforce && !self.force_baseline && baseline.state() == State::Shadow;
        if armed.only_watches {
            self.notes.push(trial::only_watches(&baseline));
        }
        self.armed = Some(armed);
        baseline
    }

    /// Tells the kernel what it obeys from now on, in one step. What T2 took away stays away.
    pub(crate) fn publish(&self) -> Result<(), Error> {
        let mut session = self.shared.list.session(self.slot)?;
        session.segment = self.segment.index;
        session.flags = 0;
        if self.mode != Mode::Shadow {
            session.flags |= abi::SESSION_ENFORCE;
        }
        if self.mode == Mode::Enforce {
            session.flags |= abi::SESSION_STANDS;
        }
        if self.is_scored() {
            session.flags |= abi::SESSION_SCORED;
        }
        if self.confinement.domain {
            session.flags |= abi::SESSION_CONFINED;
        }
        session.lent = self.loans.as_ref().map_or(0, |loans| loans.number);
        session.policy = 0;
        if let Some(Armed { policy, only_watches, .. }) = &self.armed {
            if *only_watches {
                session.flags |= abi::SESSION_WATCHED;
            }
            session.flags |= abi::SESSION_T1;
            if policy.sockets != t1::Sockets::Any {
                session.flags |= abi::SESSION_NAMES;
            }
            session.policy = policy.number;
            session.unlabelled = policy.unlabelled;
            session.unlabelled_reason = policy.unlabelled_reason;
            session.unknown_net = policy.unknown_net;
            session.unknown_net_reason = policy.unknown_net_reason;
        }
        self.shared.list.set_session(self.slot, &session)
    }
}

/// What a baseline is compiled for.
pub struct Place {
    shared: Arc<Shared>,
    context: Context,
    /// The session's own directory.
    directory: Option<PathBuf>,
    /// Files that it has made so far: they were not there before, and are no more closed than where they lie.
    own: HashSet<FileKey>,
}

/// A baseline that is compiled and armed, and that no session obeys yet.
pub struct Entered {
    armed: Armed,
    baseline: Arc<Baseline>,
    notes: Vec<String>,
}

/// A task that is over.
pub struct Switched {
    /// What the new one's rules close and could not be closed, in words.
    pub warnings: Vec<String>,
    /// The old policy. It is taken back when it is dropped, which takes a while.
    _old: Option<Armed>,
}

impl Place {
    /// Compiles and arms a baseline for a segment of this task. It looks at the file system, which may take long or for ever:
    /// nothing that others need may be held meanwhile.
    pub fn enter(&self, task: &TaskName, baseline: Arc<Baseline>) -> Result<Entered, Error> {
        let Self { shared, context, directory, own } = self;
        baseline.check()?;
        let list = shared.list.clone();
        let normal = Normal::of(&baseline, task);
        let number = shared.next_policy.fetch_add(1, Relaxed);
        let files = t1::Real::new(list.clone());
        let mut policy =
            t1::compile(&baseline.models.novelty, &normal, context, &files, &shared.reasons, number)?;
        policy.labels.retain(|(file, _)| !own.contains(file));
        if let Some(walk::Found::Node(node)) = directory.as_ref().map(|path| walk::open(&*list, path)) {
            let reason = shared.reasons.allocate(number, &normal.never_there());
            policy.open_but_for_programs(node.identity.file, reason);
        }
        t1::arm(&*list, &policy)?;
        let mut notes = policy.notes.clone();
        let mut armed =
            Armed { shared: Arc::clone(shared), policy, marks: None, hosts: None, only_watches: false };
        armed.hosts = Hosts::start(list.clone(), &armed.policy, baseline.clone(), hosts::resolve)
            .unwrap_or_else(|e| {
                notes.push(format!("hosts that the baseline knows by name alone are closed: {e}"));
                None
            });
        if shared.tier == Tier::Tracepoint {
            let marks = shared.marks(context.uid)?;
            let marked =
                fanotify::mark_closed(&marks, &*list, &armed.policy.closed, &workspaces(&*list, context))?;
            if marked.cut > 0 {
                notes.push(format!(
                    "{} directories that the baseline closes are too large to be watched whole: deep inside of them an \
                     operation is ended after the fact, not prevented",
                    marked.cut
                ));
            }
            armed.marks = Some(marks);
        }
        Ok(Entered { armed, baseline, notes })
    }
}

/// The identities of the workspaces.
fn workspaces(list: &dyn DenyList, context: &event::Context) -> HashSet<FileKey> {
    let found = context.workspaces.iter().map(|workspace| walk::open_canonical(list, workspace.as_bytes()));
    found
        .filter_map(|found| match found {
            walk::Found::Node(node) => Some(node.identity.file),
            walk::Found::Missing | walk::Found::Unreadable(_) => None,
        })
        .collect()
}
