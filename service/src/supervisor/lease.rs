//! The holder of the kernel side: it is loaded with the first session and attached while sessions run, and watched over by
//! the keeper.

use super::machine::{Machine, cgroup_prefix, give_back};
use super::pump::Pump;
use super::shared::Shared;
use crate::Error;
use crate::keeper::Keeper;
use collector::Kernel;
use guard::{Guard, cgroup};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use sys::mountinfo::cgroup_root;
use wire::{Refused, Why};

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

/// The kernel side, loaded and attached for one more session.
pub(super) fn take(shared: &Arc<Shared>) -> Result<Lease, Refused> {
    let cannot = |e: Error| Refused::new(Why::CannotProtect, format!("nothing can be guarded here: {e}"));
    let mut loaded = shared.machine();
    if loaded.is_none() {
        let machine = Machine::load(&shared.setup, &shared.starter, &shared.sessions).map_err(cannot)?;
        *shared.kernel.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&machine.kernel));
        *loaded = Some(machine);
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
        shared: Arc::clone(shared),
        kernel: Arc::clone(&machine.kernel),
        guard: Arc::clone(&machine.guard),
        pump: Arc::clone(&machine.pump),
    })
}

/// Continues a doorkeeper that was stopped.
pub(super) fn look_after_doorkeeper(shared: &Shared) {
    if let Some(group) = shared.machine().as_ref().and_then(|machine| machine.guard.group()) {
        group.look_after();
    }
}

/// Starts another keeper when the first was killed; without one, no session may go on.
pub(super) fn look_after_keeper(shared: &Shared) {
    let mut loaded = shared.machine();
    let Some(machine) = loaded.as_mut() else { return };
    if machine.keeper.is_alive() {
        return;
    }
    tracing::error!("the keeper is gone: starting another one");
    let started = Keeper::start(&shared.starter, &cgroup_prefix(), &machine.kernel);
    match started
        .and_then(|keeper| machine.kernel.protect(keeper.pid()).map(|()| keeper).map_err(Error::from))
    {
        Ok(keeper) => machine.keeper = keeper,
        Err(error) => {
            tracing::error!(%error, "no keeper: every session ends");
            drop(loaded);
            shared.sessions.kill_all();
            shared.stop.store(true, Ordering::Release);
        }
    }
}

/// Without a starter nobody can be started again, the keeper included: no session may go on.
pub(super) fn look_after_starter(shared: &Shared) {
    if !shared.starter.look_after() && !shared.stop.swap(true, Ordering::AcqRel) {
        tracing::error!("what starts other processes is gone: every session ends");
        shared.sessions.close();
        shared.sessions.kill_all();
    }
}

/// Detaches and forgets the kernel side. Nobody is inside any more.
pub(super) fn unload(shared: &Shared) {
    *shared.kernel.write().unwrap_or_else(PoisonError::into_inner) = None;
    if let Some(machine) = shared.machine().take() {
        // Whoever is not known to have ended is ended before nothing guards any more.
        if !shared.sessions.is_empty() {
            tracing::error!("sessions are left: the keeper ends them");
            machine.keeper.kill();
            machine.kernel.detach();
            return;
        }
        machine.kernel.detach();
        machine.keeper.dismiss();
    }
    if let Ok(root) = cgroup_root() {
        #[expect(
            clippy::let_underscore_must_use,
            reason = "another supervisor may have cgroups in it; then it stays"
        )]
        let _ = std::fs::remove_dir(root.join(cgroup::PARENT));
    }
}
