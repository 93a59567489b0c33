//! The kernel side and what belongs to it: loaded with the first session, attached while sessions run, and watched over
//! by the keeper.

use super::Shared;
use super::pump::Pump;
use crate::keeper::Keeper;
use crate::starter::Order;
use collector::{JudgeIds, Kernel, Options, Tier};
use event::Access;
use guard::fanotify::Group;
use guard::{DenyList, Error, Guard, cgroup, t0};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use sys::mountinfo::cgroup_root;
use wire::{Refused, Why};

/// The loaded kernel side.
pub(super) struct Machine {
    kernel: Arc<Kernel>,
    guard: Arc<Guard>,
    pump: Arc<Pump>,
    keeper: Keeper,
    /// Sessions for which it is attached.
    users: usize,
}

/// One session's hold on the kernel side: it stays attached until the last of them is dropped.
pub(super) struct Lease {
    shared: Arc<Shared>,
    pub(super) kernel: Arc<Kernel>,
    pub(super) guard: Arc<Guard>,
    pub(super) pump: Arc<Pump>,
}

impl Lease {
    /// Who is inside a session, and whom there was no room for and who has not ended yet, of whatever session.
    pub(super) fn left(&self, slot: u32) -> Vec<u32> {
        let mut left = self.kernel.members(slot);
        left.extend(self.kernel.strays());
        left
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut loaded = self.shared.machine();
        let Some(machine) = loaded.as_mut() else { return };
        machine.users -= 1;
        if machine.users == 0 {
            machine.kernel.detach();
            tracing::info!("detached: no session is running");
            drop(loaded);
            // The writer of each store has a thread and a cache of its own, and others will have others.
            give_back();
        }
    }
}

/// Gives memory that is free back to the system: the allocator would keep it for threads that have ended.
fn give_back() {
    // SAFETY: the call has no preconditions.
    unsafe { libc::malloc_trim(0) };
}

impl Shared {
    pub(super) fn machine(&self) -> MutexGuard<'_, Option<Machine>> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kernel side, loaded and attached for one more session.
    pub(super) fn lease(self: &Arc<Self>) -> Result<Lease, Refused> {
        let cannot = |e: Error| Refused::new(Why::CannotProtect, format!("nothing can be guarded here: {e}"));
        let mut loaded = self.machine();
        if loaded.is_none() {
            *loaded = Some(self.load().map_err(cannot)?);
        }
        let machine =
            loaded.as_mut().ok_or_else(|| Refused::new(Why::Failed, "the kernel side is not loaded"))?;
        machine.kernel.attach().map_err(|e| cannot(e.into()))?;
        if machine.users == 0 {
            // Nobody has pushed it on while nobody was inside.
            machine.pump.begin();
        }
        machine.users += 1;
        Ok(Lease {
            shared: Arc::clone(self),
            kernel: Arc::clone(&machine.kernel),
            guard: Arc::clone(&machine.guard),
            pump: Arc::clone(&machine.pump),
        })
    }

    fn load(&self) -> Result<Machine, Error> {
        let (kernel, reader) = Kernel::load(&Options { without_lsm: self.setup.without_lsm })?;
        tracing::info!(tier = kernel.tier().name(), "kernel programs loaded");
        // The kernel's types were read for it: some 50 MB.
        give_back();
        let kernel = Arc::new(kernel);
        let keeper = Keeper::start(&self.starter, &self.cgroup_prefix(), &kernel)?;
        let group = self.group(&kernel)?;
        let own = t0::Own {
            files: self.own_files(),
            processes: vec![std::process::id(), keeper.pid(), self.starter.pid()],
        };
        let guard = Arc::new(Guard::new(Arc::clone(&kernel), own, group));
        let pump = Arc::new(Pump::start(reader, Arc::clone(&kernel), Arc::clone(&self.sessions))?);
        *self.kernel.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&kernel));
        Ok(Machine { kernel, guard, pump, keeper, users: 0 })
    }

    /// The group of all permission marks, where the tier has any.
    fn group(&self, kernel: &Arc<Kernel>) -> Result<Option<Arc<Group>>, Error> {
        match kernel.tier() {
            Tier::Lsm => Ok(None),
            Tier::Tracepoint => {
                let starter = Arc::clone(&self.starter);
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
    pub(super) fn cgroup_prefix(&self) -> String {
        format!("{}-", std::process::id())
    }

    /// What no session may touch of Wardline itself. Connecting to the control socket is refused by the supervisor, which
    /// says why.
    fn own_files(&self) -> Vec<t0::OwnFile> {
        let everything = Access::from_bits_truncate(abi::access::ALL).difference(Access::CONNECT);
        let change = Access::from_bits_truncate(abi::access::MODIFY);
        let run = self.setup.socket.parent().map(PathBuf::from);
        let exe = std::fs::read_link("/proc/self/exe").ok();
        let state = [Some(self.setup.state.clone()), run].into_iter().flatten();
        let state = state.map(|path| t0::OwnFile { path, deny: everything });
        state.chain(exe.map(|path| t0::OwnFile { path, deny: change })).collect()
    }

    /// Whether a process is inside a session.
    pub(super) fn is_member(&self, pid: u32) -> Result<bool, Error> {
        let kernel = self.kernel.read().unwrap_or_else(PoisonError::into_inner);
        match &*kernel {
            Some(kernel) => Ok(kernel.member(pid)?.is_some()),
            None => Ok(false),
        }
    }

    /// Continues a doorkeeper that was stopped.
    pub(super) fn look_after_doorkeeper(&self) {
        if let Some(group) = self.machine().as_ref().and_then(|machine| machine.guard.group()) {
            group.look_after();
        }
    }

    /// Starts another keeper when the first was killed; without one, no session may go on.
    pub(super) fn look_after_keeper(&self) {
        let mut loaded = self.machine();
        let Some(machine) = loaded.as_mut() else { return };
        if machine.keeper.is_alive() {
            return;
        }
        tracing::error!("the keeper is gone: starting another one");
        let started = Keeper::start(&self.starter, &self.cgroup_prefix(), &machine.kernel);
        match started
            .and_then(|keeper| machine.kernel.protect(keeper.pid()).map(|()| keeper).map_err(Error::from))
        {
            Ok(keeper) => machine.keeper = keeper,
            Err(error) => {
                tracing::error!(%error, "no keeper: every session ends");
                drop(loaded);
                self.sessions.kill_all();
                self.stop.store(true, Ordering::Release);
            }
        }
    }

    /// Without a starter nobody can be started again, the keeper included: no session may go on.
    pub(super) fn look_after_starter(&self) {
        if !self.starter.look_after() && !self.stop.swap(true, Ordering::AcqRel) {
            tracing::error!("what starts other processes is gone: every session ends");
            self.sessions.close();
            self.sessions.kill_all();
        }
    }

    /// Detaches and forgets the kernel side. Nobody is inside any more.
    pub(super) fn unload(&self) {
        *self.kernel.write().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(machine) = self.machine().take() {
            // Whoever is not known to have ended is ended before nothing guards any more.
            if !self.sessions.is_empty() {
                tracing::error!("sessions are left: the keeper ends them");
                machine.keeper.kill();
                machine.kernel.detach();
                return;
            }
            machine.kernel.detach();
            machine.keeper.dismiss();
        }
        if let Ok(root) = cgroup_root() {
            // Another supervisor may have cgroups in it; then it stays.
            let _ = std::fs::remove_dir(root.join(cgroup::PARENT));
        }
    }
}
