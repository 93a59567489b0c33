//! The kernel side and what belongs to it, loaded.

use super::pump::Pump;
use super::sessions::Sessions;
use super::setup::Setup;
use crate::Error;
use crate::keeper::Keeper;
use crate::starter::{Order, Starter};
use collector::{JudgeIds, Kernel, Options};
use event::{Access, Tier};
use guard::fanotify::Group;
use guard::{DenyList, Guard, t0};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;

/// The loaded kernel side.
pub(super) struct Machine {
    pub(super) kernel: Arc<Kernel>,
    pub(super) guard: Arc<Guard>,
    pub(super) pump: Arc<Pump>,
    pub(super) keeper: Keeper,
    /// Sessions for which it is attached.
    pub(super) users: usize,
}

impl Machine {
    /// Loads it, attached nowhere.
    pub(super) fn load(
        setup: &Setup,
        starter: &Arc<Starter>,
        sessions: &Arc<Sessions>,
    ) -> Result<Machine, Error> {
        let (kernel, reader) = Kernel::load(&Options { without_lsm: setup.without_lsm })?;
        tracing::info!(tier = %kernel.tier(), "kernel programs loaded");
        // The kernel's types were read for it: some 50 MB.
        give_back();
        let kernel = Arc::new(kernel);
        let keeper = Keeper::start(starter, &cgroup_prefix(), &kernel)?;
        let group = group(starter, &kernel)?;
        let own = t0::Own {
            files: own_files(setup),
            processes: vec![std::process::id(), keeper.pid(), starter.pid()],
        };
        let guard = Arc::new(Guard::new(Arc::clone(&kernel), own, group));
        let pump = Arc::new(Pump::start(reader, Arc::clone(&kernel), Arc::clone(sessions))?);
        Ok(Machine { kernel, guard, pump, keeper, users: 0 })
    }
}

/// Gives memory that is free back to the system: the allocator would keep it for threads that have ended.
pub(super) fn give_back() {
    // SAFETY: the call has no preconditions.
    unsafe { libc::malloc_trim(0) };
}

/// The group of all permission marks, where the tier has any.
fn group(starter: &Arc<Starter>, kernel: &Arc<Kernel>) -> Result<Option<Arc<Group>>, Error> {
    match kernel.tier() {
        Tier::Lsm => Ok(None),
        Tier::Tracepoint => {
            let starter = Arc::clone(starter);
            let start = move |ids: JudgeIds, fds: [BorrowedFd<'_>; 2]| {
                let JudgeIds { members, program, verdict } = ids;
                starter.child(&Order::Doorkeeper { members, program, verdict }, &fds)
            };
            let list = Arc::clone(kernel) as Arc<dyn DenyList>;
            Ok(Some(Group::apart(Box::new(start), kernel.judge_ids(), list)?))
        }
    }
}

/// How the names of this supervisor's cgroups begin: others may run at the same time, over another state directory.
pub(super) fn cgroup_prefix() -> String {
    format!("{}-", std::process::id())
}

/// What no session may touch of Wardline itself. Connecting to the control socket is refused by the supervisor, which
/// says why.
fn own_files(setup: &Setup) -> Vec<t0::OwnFile> {
    let everything = Access::from_bits_truncate(abi::access::ALL).difference(Access::CONNECT);
    let change = Access::from_bits_truncate(abi::access::MODIFY);
    let run = setup.socket.parent().map(PathBuf::from);
    let exe = std::fs::read_link("/proc/self/exe").ok();
    let state = [Some(setup.state.clone()), run].into_iter().flatten();
    let state = state.map(|path| t0::OwnFile { path, deny: everything });
    state.chain(exe.map(|path| t0::OwnFile { path, deny: change })).collect()
}
