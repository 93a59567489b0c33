//! What all sessions share, and how one is armed.

use crate::control::Mode;
use crate::fanotify::{self, Listener};
use crate::reason::{Normal, Reasons};
use crate::session::names::{Names, Resolvers};
use crate::session::{Armed, Live, Recording, no_session};
use crate::t1::hosts::{self, Hosts};
use crate::{DenyList, Error, cgroup::Cgroup, t0, t1, walk};
use abi::FileKey;
use bstr::{BString, ByteSlice};
use collector::{Kernel, Tier};
use event::{Segment, SessionMeta};
use models::{Baseline, Thresholds};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// How long the command waits for the first answers to what its baseline knows by name: a resolver nearby is done by
/// then, and where there is none nobody waits.
const FIRST_ANSWERS: Duration = Duration::from_millis(250);

/// The guard of one machine: the deny-list, the reasons in it, and the static stage.
pub struct Guard {
    shared: Arc<Shared>,
}

/// What sessions share.
pub(crate) struct Shared {
    pub(crate) list: Arc<dyn DenyList>,
    pub(crate) tier: Tier,
    pub(crate) reasons: Reasons,
    pub(crate) jewels: t0::Static,
    pub(crate) thresholds: Thresholds,
    next_policy: AtomicU32,
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
    /// Its cgroup.
    pub cgroup: Option<Cgroup>,
    /// Where it is written down.
    pub recording: Option<Recording>,
}

impl Guard {
    /// Over a loaded kernel side. `own` is what no session may touch of Wardline itself.
    pub fn new(kernel: Arc<Kernel>, own: t0::Own) -> Self {
        let tier = kernel.tier();
        Self::over(kernel, tier, own)
    }

    /// Over any deny-list.
    pub fn over(list: Arc<dyn DenyList>, tier: Tier, own: t0::Own) -> Self {
        let shared = Shared {
            jewels: t0::Static::new(list.clone(), own),
            list,
            tier,
            reasons: Reasons::default(),
            thresholds: Thresholds::default(),
            next_policy: AtomicU32::new(1),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The texts behind the numbers.
    pub fn reasons(&self) -> &Reasons {
        &self.shared.reasons
    }

    /// Arms everything for a session, before anybody is inside. On an error nothing of it stays.
    pub fn open(&self, opening: Opening) -> Result<Live, Error> {
        let Opening { session, slot, mode, meta, variables, baseline, cgroup, recording } = opening;
        let mut live = Live::new(self.shared.clone(), session, slot, mode, meta);
        live.cgroup = cgroup;
        live.recording = recording;
        live.names = Names::new(Resolvers::configured());
        self.shared.list.set_session(slot, &no_session())?;
        let context = &live.meta.context;
        let path = |bytes: &BString| PathBuf::from(OsStr::from_bytes(bytes));
        let guarded = t0::Guarded {
            uid: context.uid,
            home: path(&context.home),
            workspaces: context.workspaces.iter().map(path).collect(),
            variables,
        };
        if self.shared.tier == Tier::Tracepoint {
            live.jewels = Some(Listener::new(self.shared.list.clone())?);
        }
        live.coverage = self.shared.jewels.arm(slot, &guarded, live.jewels.as_ref())?;
        if let Some(skipped) = live.jewels.as_ref().map(Listener::skipped).filter(|&skipped| skipped > 0) {
            live.notes.push(format!(
                "{skipped} files of the static deny-list take no permission mark: an open of one is ended after the fact, \
                 not prevented"
            ));
        }
        match (mode, baseline) {
            (Mode::Record, _) => {}
            (_, Some(baseline)) => {
                live.enter(baseline)?;
                if let Some(hosts) = live.armed.as_ref().and_then(|armed| armed.hosts.as_ref()) {
                    hosts.settle(FIRST_ANSWERS);
                }
            }
            (_, None) => live.notes.push(live.without_baseline()),
        }
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

    /// Opens a new segment, and switches to its policy in one step: what was learned for the old task holds until then.
    pub fn switch(&mut self, task: &str, baseline: Option<Arc<Baseline>>) -> Result<(), Error> {
        let old_segment = self.segment.clone();
        self.segment = Segment {
            index: old_segment.index + 1,
            task: task.to_owned(),
            started_boot_ns: crate::session::boot_ns(),
        };
        let old = self.armed.take();
        let entered = match baseline {
            Some(baseline) if self.mode != Mode::Record => self.enter(baseline),
            _ => {
                self.score_under(None);
                if self.mode != Mode::Record {
                    self.notes.push(self.without_baseline());
                }
                Ok(())
            }
        };
        if let Err(e) = entered.and_then(|()| self.publish()) {
            self.forget_policy();
            self.armed = old;
            self.segment = old_segment;
            return Err(e);
        }
        if let Some(mut old) = old {
            old.hosts = None;
            self.shared.reasons.release(old.policy.number);
            t1::disarm(&*self.shared.list, &old.policy)?;
        }
        let segment = self.segment.clone();
        if let Some(recording) = &mut self.recording {
            recording.segment(segment);
        }
        Ok(())
    }

    /// Compiles and arms a baseline. The kernel does not obey it before [`Live::publish`].
    fn enter(&mut self, baseline: Arc<Baseline>) -> Result<(), Error> {
        baseline.check()?;
        let list = self.shared.list.clone();
        let known_task = baseline.task == self.segment.task;
        let normal =
            Normal { agent: baseline.agent.clone(), task: known_task.then(|| baseline.task.clone()) };
        let number = self.shared.next_policy.fetch_add(1, Relaxed);
        let files = t1::Real::new(list.clone());
        let context = &self.meta.context;
        let policy =
            t1::compile(&baseline.models.novelty, &normal, context, &files, &self.shared.reasons, number)?;
        t1::arm(&*list, &policy)?;
        self.notes.extend(policy.notes.iter().cloned());
        let hosts =
            Hosts::start(list.clone(), &policy, baseline.clone(), hosts::resolve).unwrap_or_else(|e| {
                self.notes.push(format!("hosts that the baseline knows by name alone are closed: {e}"));
                None
            });
        let armed = self.armed.insert(Armed { policy, listener: None, hosts });
        if self.shared.tier == Tier::Tracepoint {
            let listener = Listener::new(list.clone())?;
            let marked =
                fanotify::mark_closed(&listener, &*list, &armed.policy.closed, &workspaces(&*list, context))?;
            if marked.cut > 0 {
                self.notes.push(format!(
                    "{} directories that the baseline closes are too large to be watched whole: deep inside of them an \
                     operation is ended after the fact, not prevented",
                    marked.cut
                ));
            }
            armed.listener = Some(listener);
        }
        self.score_under(Some(baseline));
        Ok(())
    }

    fn forget_policy(&mut self) {
        if let Some(mut armed) = self.armed.take() {
            armed.hosts = None;
            self.shared.reasons.release(armed.policy.number);
            if let Err(e) = t1::disarm(&*self.shared.list, &armed.policy) {
                tracing::error!(error = %e, "labels of a policy that was not armed were left in the kernel");
            }
        }
    }

    /// Tells the kernel what it obeys from now on, in one step. What T2 took away stays away.
    fn publish(&self) -> Result<(), Error> {
        let mut session = self.shared.list.session(self.slot)?;
        session.segment = self.segment.index;
        session.flags = 0;
        if self.mode != Mode::Shadow {
            session.flags |= abi::SESSION_ENFORCE;
        }
        if self.is_scored() {
            session.flags |= abi::SESSION_SCORED;
        }
        session.policy = 0;
        if let Some(Armed { policy, .. }) = &self.armed {
            session.flags |= abi::SESSION_T1;
            session.policy = policy.number;
            session.unlabelled = policy.unlabelled;
            session.unlabelled_reason = policy.unlabelled_reason;
            session.unknown_net = policy.unknown_net;
            session.unknown_net_reason = policy.unknown_net_reason;
        }
        self.shared.list.set_session(self.slot, &session)
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
