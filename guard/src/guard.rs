//! How a session is armed.

use crate::delegates::Delegates;
use crate::denylist::no_session;
use crate::fanotify::{self, Group, Marks};
use crate::loans::Loans;
use crate::obeyed::Obeyed;
use crate::reason::{Normal, Reasons};
use crate::renewing::{Released, Renewed, keeps_places};
use crate::session::itself;
use crate::session::names::{Names, Resolvers};
use crate::session::whole::Whole;
use crate::session::{Armed, Live, Recording, Undo, Watched};
use crate::shared::Shared;
use crate::t1::hosts::{self, Hosts};
use crate::{DenyList, Error, cgroup::Cgroup, confine, t0, t1, trial, walk};
use abi::FileKey;
use bstr::{BString, ByteSlice};
use collector::{Kernel, Tier};
use event::{Context, Segment, SessionMeta, TaskName};
use models::{Baseline, State, Thresholds};
use policy::Rules;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use wire::{Confinement, Mode};

/// The guard of one machine: the deny-list, the reasons in it, and the static stage.
pub struct Guard {
    shared: Arc<Shared>,
}

/// What a session is armed for.
pub struct Opening {
    /// Its id.
    pub session: String,
    /// Its place among the running sessions: 1 to `abi::MAX_SESSIONS`, and free.
    pub slot: u32,
    /// What it is for.
    pub mode: Mode,
    /// What was said about it.
    pub meta: SessionMeta,
    /// Variables of the command's environment that name sockets.
    pub variables: Vec<(BString, BString)>,
    /// The baseline of its agent and task, or the union of its agent's.
    pub baseline: Option<Arc<Baseline>>,
    /// What people decided.
    pub rules: Rules,
    /// Its workspaces were forced.
    pub force: bool,
    /// It refuses even where its trial says that it should only watch.
    pub force_baseline: bool,
    /// What is known of the user's keys.
    pub key_files: t0::KeyFiles,
    /// The session's own directory, with the sockets by which its keys are used.
    pub directory: Option<PathBuf>,
    /// Its cgroup.
    pub cgroup: Option<Cgroup>,
    /// What its command can be given.
    pub confinement: Confinement,
    /// Where it is written down.
    pub recording: Option<Recording>,
}

impl Guard {
    /// Over a loaded kernel side. `own` is what no session may touch of Wardline itself.
    pub fn new(kernel: Arc<Kernel>, own: t0::Own, group: Option<Arc<Group>>) -> Self {
        let tier = kernel.tier();
        Self::over(kernel, tier, own, group)
    }

    /// Over any deny-list; `group` is that of permission marks, which the tier `tracepoint` needs.
    pub fn over(list: Arc<dyn DenyList>, tier: Tier, own: t0::Own, group: Option<Arc<Group>>) -> Self {
        let reasons = Arc::new(Reasons::default());
        let shared = Shared {
            jewels: t0::Static::new(list.clone(), own, reasons.clone()),
            delegates: Delegates::new(list.clone()),
            list,
            tier,
            reasons,
            thresholds: Thresholds::default(),
            group,
            next_policy: AtomicU32::new(1),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The group of permission marks.
    pub fn group(&self) -> Option<Arc<Group>> {
        self.shared.group.clone()
    }

    /// The texts behind the numbers.
    pub fn reasons(&self) -> &Reasons {
        &self.shared.reasons
    }

    /// Arms everything for a session, before anybody is inside. On an error nothing of it stays.
    pub fn open(&self, opening: Opening) -> Result<Live, Error> {
        let Opening {
            session,
            slot,
            mode,
            meta,
            variables,
            baseline,
            rules,
            force,
            key_files,
            directory,
            force_baseline,
            cgroup,
            confinement,
            recording,
        } = opening;
        let mut live = Live::new(self.shared.clone(), session, slot, mode, meta);
        live.cgroup = cgroup;
        live.directory = directory;
        live.force_baseline = force_baseline;
        live.recording = recording;
        live.names = Names::new(Resolvers::here(live.meta.context.resolvers.clone()));
        self.shared.list.set_session(slot, &no_session())?;
        self.shared.list.forget(slot)?;
        let context = &live.meta.context;
        let path = |bytes: &BString| PathBuf::from(OsStr::from_bytes(bytes));
        let own_files = itself::own_files(live.meta.agent.as_str(), &path(&context.home));
        let guarded = t0::Guarded {
            uid: context.uid,
            home: path(&context.home),
            rules: rules.of_task(live.segment.task.as_str()),
            workspaces: context.workspaces.iter().map(path).collect(),
            variables,
            force,
            rewrites: own_files.iter().map(|(path, _)| path.clone()).collect(),
            key_files,
            since: None,
        };
        live.own_files = own_files;
        live.delegates = Some(self.shared.delegates.watch(guarded.uid, slot)?);
        let obeyed = Obeyed::arm(&self.shared, slot, guarded)?;
        let (guarded, coverage) = (Arc::clone(&obeyed.guarded), obeyed.coverage());
        live.rules = rules;
        live.watched = Watched::of(&guarded.rules, &live.meta.context, &coverage.repositories);
        if keeps_places(self.shared.tier, mode) {
            let kept = t0::keep(&*self.shared.list, &guarded.home, &guarded.rules, &coverage.found);
            live.undo = Undo::keeping(kept, t0::Places::of(&guarded));
        }
        live.whole = Whole::of(&self.shared, slot)?;
        let skipped = obeyed.marks.as_ref().map(Marks::skipped);
        live.obeyed.push(obeyed);
        live.loans = Loans::arm(&self.shared, &guarded.rules, &live.meta.context.resolvers, hosts::resolve)?;
        if let Some(resolved) = live.loans.as_ref().and_then(Loans::hosts) {
            resolved.settle(hosts::FIRST_ANSWERS);
        }
        live.notes.extend(guarded.rules.loans().map(|rule| {
            format!(
                "rule `{}` of `{}` lends {}: who reads it connects to {}, and to what rules or the baseline name, from then on",
                rule.id,
                rule.file,
                rule.is,
                rule.hosts.join(" and ")
            )
        }));
        let opened = guarded.rules.own().filter(|rule| rule.effect == policy::Effect::Allow);
        live.notes.extend(
            opened.map(|rule| format!("rule `{}` of `{}` opens what else is closed", rule.id, rule.file)),
        );
        if let Some(skipped) = skipped.filter(|&skipped| skipped > 0) {
            live.notes.push(format!(
                "{skipped} files of the static deny-list take no permission mark: an open of one is ended after the fact, \
                 not prevented"
            ));
        }
        match (mode, baseline) {
            (Mode::Record, _) => {}
            (_, Some(baseline)) => {
                let entered = live.place().enter(&live.segment.task, baseline)?;
                let baseline = live.enter(entered);
                live.score_under(Some(baseline));
                if let Some(resolved) = live.armed.as_ref().and_then(|armed| armed.hosts.as_ref()) {
                    resolved.settle(hosts::FIRST_ANSWERS);
                }
            }
            (_, None) => live.notes.push(live.without_baseline()),
        }
        live.confinement = confine::choose(confinement, self.shared.tier, mode);
        live.publish()?;
        Ok(live)
    }
}

impl Live {
    fn without_baseline(&self) -> String {
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

    /// Opens a new segment, unless its task goes on, and switches to its policy and its rules in one step: those of the old task
    /// hold until then. Returns the old ones, which are taken back when they are dropped: that takes a while.
    pub fn switch(
        &mut self,
        task: &TaskName,
        entered: Option<Entered>,
        renewed: Option<Renewed>,
    ) -> Result<Retired, Error> {
        let is_outdated = match &renewed {
            Some(renewed) => !self.is_before(renewed),
            None => !self.obeys_rules_of(task),
        };
        if is_outdated {
            return Err(Error::Renewed);
        }
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
            return Err(e);
        }
        let released = renewed.map(|renewed| self.take_over(renewed));
        let segment = self.segment.clone();
        if let Some(recording) = self.recording.as_mut().filter(|_| !goes_on) {
            recording.segment(segment);
        }
        Ok(Retired { _policy: old, _rules: released })
    }

    /// Takes over an armed baseline, and gives it back to be scored under. The kernel does not obey it before
    /// [`Live::publish`].
    fn enter(&mut self, entered: Entered) -> Arc<Baseline> {
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

/// A policy and rules that no session obeys any more.
pub struct Retired {
    _policy: Option<Armed>,
    _rules: Option<Released>,
}

impl Place {
    /// Compiles and arms a baseline for a segment of this task. It looks at the file system, which may take long or for ever:
    /// nothing that others need may be held meanwhile.
    pub fn enter(&self, task: &TaskName, baseline: Arc<Baseline>) -> Result<Entered, Error> {
        let Self { shared, context, directory, own } = self;
        baseline.check()?;
        let list = shared.list.clone();
        let known_task = *task == *baseline.task;
        let normal =
            Normal { agent: baseline.agent.clone(), task: known_task.then(|| baseline.task.clone()) };
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
