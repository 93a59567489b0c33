//! How a session is armed.

use crate::delegates::Delegates;
use crate::denylist::no_session;
use crate::fanotify::{Group, Marks};
use crate::links::Links;
use crate::loans::Loans;
use crate::reason::Reasons;
use crate::session::itself;
use crate::session::live::taking::keeps_places;
use crate::session::names::{Names, Resolvers};
use crate::session::obeyed::Obeyed;
use crate::session::way::Way;
use crate::session::whole::Whole;
use crate::session::{Live, Recording, Undo};
use crate::shared::Shared;
use crate::t1::hosts;
use crate::{DenyList, Error, cgroup::Cgroup, confine, t0};
use bstr::BString;
use collector::Kernel;
use event::{Mode, SessionMeta, Tier};
use models::{Baseline, Thresholds};
use policy::Rules;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;
use sys::mountinfo::MOUNTINFO;
use wire::Confinement;

/// How long the command waits for the first answers to what its baseline knows by name: a resolver nearby is done by
/// then, and where there is none nobody waits.
const FIRST_ANSWERS: Duration = Duration::from_millis(250);

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
    /// How it leads to its agent, where it does not begin with it.
    pub way: Option<wire::Way>,
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
            way,
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
        let mounts = std::fs::read(MOUNTINFO).unwrap_or_default();
        live.way = way.map(|way| Way::of(&*self.shared.list, way, &mounts));
        let own_files = itself::own_files(live.agent_itself(), &path(&context.home));
        let guarded = t0::Guarded {
            uid: context.uid,
            home: path(&context.home),
            rules: rules.of_task(live.segment.task.as_str()),
            workspaces: context.workspaces.iter().map(path).collect(),
            variables,
            force,
            rewrites: own_files.iter().map(|(path, _)| path.clone()).collect(),
            key_files,
        };
        if live.way.as_ref().is_some_and(Way::is_nobodys) && !own_files.is_empty() {
            live.notes.push(format!(
                "the program of {} was not found behind the command, or the repository decides what it is: nobody may replace its \
                 settings in this session. Where the command is the program itself, it may",
                live.agent_itself()
            ));
        }
        live.own_files = own_files;
        live.delegates = Some(self.shared.delegates.watch(guarded.uid, slot)?);
        let marks = match self.shared.tier {
            Tier::Tracepoint => Some(self.shared.marks(guarded.uid)?),
            Tier::Lsm => None,
        };
        live.coverage = self.shared.jewels.arm(slot, &guarded, marks.as_ref())?;
        if keeps_places(self.shared.tier, mode)
            && let Some(places) = t0::Places::of(&guarded)
        {
            let always = guarded.rules.refusals().filter(|refusal| refusal.row.rule.tasks.is_empty());
            let (always, found) = (always.collect::<Vec<_>>(), &live.coverage.found);
            let home = (&*guarded.home, places.home());
            let kept = t0::keep(&*self.shared.list, home, &always, found, Links::All);
            live.undo = Undo::keeping(kept, places);
        }
        live.obeyed = Obeyed::new(rules, guarded, marks);
        let of_task = live.taking_by(Links::All).for_task(&live.segment.task)?;
        let warnings = live.obey(of_task)?;
        live.notes.extend(warnings);
        let guarded = Arc::clone(&live.obeyed.guarded);
        if self.shared.jewels.is_any_readable(slot) {
            let watched = Whole::start(self.shared.clone(), slot);
            live.whole = Some(watched.map_err(|e| Error::io("a thread could not be started", e))?);
        }
        live.loans = Loans::arm(&self.shared, &guarded.rules, &live.meta.context.resolvers, hosts::resolve)?;
        if let Some(hosts) = live.loans.as_ref().and_then(Loans::hosts) {
            hosts.settle(FIRST_ANSWERS);
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
        if let Some(skipped) = live.obeyed.marks.as_deref().map(Marks::skipped).filter(|&skipped| skipped > 0)
        {
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
                if let Some(hosts) = live.armed.as_ref().and_then(|armed| armed.hosts.as_ref()) {
                    hosts.settle(FIRST_ANSWERS);
                }
            }
            (_, None) => live.notes.push(live.without_baseline()),
        }
        live.confinement = confine::choose(confinement, self.shared.tier, mode);
        live.publish()?;
        Ok(live)
    }
}
