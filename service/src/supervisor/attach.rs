//! Taking a running process tree into a session, and letting it go again.
//!
//! Once a process is a member, what it forks is one by the kernel's own lineage. So children are looked for again and again
//! until nobody new is found: each pass can only find who was forked before its parent was taken in. Who was forked then
//! and orphaned at once, before any pass saw its parent, is known by its session cgroup, or by having begun meanwhile in a
//! cgroup of the tree.

use super::end::{Leaving, evict};
use super::lease::Lease;
use super::peer::Peer;
use super::running::Running;
use super::sessions::Slot;
use crate::Error;
use event::Unseen;
use guard::cgroup::{self, Cgroup};
use guard::delegates;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use sys::clock::NS_PER_TICK;
use sys::clock::boot_ns;
use sys::mountinfo::cgroup_root;
use sys::process::{self, Stat};
use wire::{Refused, Why};

/// How long the tree may go on growing faster than it is taken in, and how long letting go may take.
const LIMIT: Duration = Duration::from_secs(5);
/// Between two looks at who is left of a session.
const PAUSE: Duration = Duration::from_millis(20);
/// Ancestors of a process that are looked at.
const MAX_ANCESTORS: usize = 4096;

/// A tree that was taken in, or a part of one.
#[derive(Default)]
pub(super) struct Taken {
    /// Processes, and the age of the oldest.
    pub(super) unseen: Unseen,
    /// The cgroup that each came from, and that of the first.
    origins: HashMap<u32, PathBuf>,
    origin: Option<PathBuf>,
    /// Those of which it was not looked yet at what they listen.
    listeners: Vec<u32>,
}

/// Whether a process may be attached to by who asks. Nothing is taken in yet.
pub(super) fn check(lease: &Lease, peer: &Peer, pid: u32) -> Result<(), Refused> {
    let policy = |message: String| Refused::new(Why::Policy, message);
    if pid == 1 || Stat::read(pid).is_none_or(|stat| stat.of_kernel) {
        return Err(policy(format!("process {pid} is the system's own: it is not attached to")));
    }
    let ancestors = ancestors(peer.pid);
    if pid == peer.pid || ancestors.contains(&pid) {
        let message = format!("this command runs inside process {pid}: attach to it from another terminal");
        return Err(policy(message));
    }
    let own = std::process::id();
    if pid == own || process::parent(pid) == Some(own) {
        return Err(policy(format!("process {pid} is Wardline's own")));
    }
    if is_elsewhere(lease, pid)? {
        return Err(Refused::new(Why::Busy, format!("process {pid} is inside a session already")));
    }
    Ok(())
}

fn is_elsewhere(lease: &Lease, pid: u32) -> Result<bool, Refused> {
    let member = lease.kernel.member(pid).map_err(|e| failed(&e))?;
    Ok(member.is_some())
}

fn failed(error: &dyn std::fmt::Display) -> Refused {
    Refused::new(Why::Failed, format!("the process could not be taken into the session: {error}"))
}

/// Takes in a process and everything that descends from it. After an error, `taken` is what there is to let go.
pub(super) fn take_in(
    lease: &Lease,
    running: &Running,
    peer: &Peer,
    root: u32,
    taken: &mut Taken,
) -> Result<(), Refused> {
    let began = boot_ns();
    let reapers = ancestors(root);
    let stat = Stat::read(root).ok_or_else(|| failed(&"it has ended"))?;
    if !taken.take(lease, running, root, &stat, began)? {
        return Err(failed(&"it has ended"));
    }
    taken.origin = taken.origins.get(&root).cloned();
    let until = Instant::now() + LIMIT;
    loop {
        let members: HashSet<u32> = lease.kernel.members(running.slot).into_iter().collect();
        let inside = in_cgroup(running);
        let mut changed = false;
        for (pid, stat) in process::all() {
            let own = pid == peer.pid || pid == std::process::id() || stat.parent == std::process::id();
            if own || stat.is_dead() && !inside.contains(&pid) {
                continue;
            }
            if members.contains(&pid) {
                // Forked after its parent had been enrolled, and before that was moved.
                if !inside.contains(&pid) && !stat.is_dead() {
                    changed |= taken.adopt(running, pid)?;
                }
                continue;
            }
            let descends = members.contains(&stat.parent) || inside.contains(&pid);
            let orphan = || taken.is_orphan(pid, &stat, began, &reapers, running.uid);
            if (descends || orphan()) && !is_elsewhere(lease, pid)? {
                changed |= taken.take(lease, running, pid, &stat, began)?;
            }
        }
        taken.listen(lease, running)?;
        if !changed {
            return Ok(());
        }
        if Instant::now() >= until {
            return Err(failed(&"it forks faster than it can be taken in"));
        }
    }
}

impl Taken {
    /// Takes in one process; `false`: it is gone.
    fn take(
        &mut self,
        lease: &Lease,
        running: &Running,
        pid: u32,
        stat: &Stat,
        began: u64,
    ) -> Result<bool, Refused> {
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let Some(Ok(pidfd)) = raw.map(|raw| pidfd_open(raw, PidfdFlags::empty())) else { return Ok(false) };
        // The pidfd holds the number: from here on it is this process' or nobody's.
        if Stat::read(pid).is_none_or(|now| now.start_ticks != stat.start_ticks)
            || !process::is_held_alive(&pidfd)
        {
            return Ok(false);
        }
        self.adopt(running, pid)?;
        if let Err(error) = lease.kernel.enroll(pid, running.slot) {
            return if process::is_held_alive(&pidfd) { Err(failed(&error)) } else { Ok(false) };
        }
        self.listeners.push(pid);
        if !process::is_held_alive(&pidfd) {
            // Its end may have been missed.
            evict(lease, pid);
            return Ok(false);
        }
        self.unseen.processes += 1;
        let age = began.saturating_sub(stat.start_ticks * NS_PER_TICK);
        self.unseen.since_ns = self.unseen.since_ns.max(age);
        Ok(true)
    }

    /// What the new ones listen at is the session's own. What they listen at from now on the kernel side sees.
    fn listen(&mut self, lease: &Lease, running: &Running) -> Result<(), Refused> {
        for own in delegates::listening(&std::mem::take(&mut self.listeners)) {
            let kept = match own {
                delegates::Own::Internet { inode, pid } => {
                    lease.kernel.insert_own_listener(inode, pid, running.slot)
                }
                delegates::Own::Name(name) => lease.kernel.insert_bound_name(&name, running.slot),
            };
            kept.map_err(|e| failed(&e))?;
        }
        Ok(())
    }

    /// Moves a process into the session's cgroup, and notes where it was. `false`: it is gone, or there is no cgroup.
    fn adopt(&mut self, running: &Running, pid: u32) -> Result<bool, Refused> {
        let origin = cgroup::of(pid);
        match cgroup_of(running).map(|cgroup| cgroup.add(pid)) {
            None => Ok(false),
            Some(Ok(())) => {
                if let Some(origin) = origin {
                    self.origins.entry(pid).or_insert(origin);
                }
                Ok(true)
            }
            Some(Err(guard::Error::File { source, .. })) if source.raw_os_error() == Some(libc::ESRCH) => {
                Ok(false)
            }
            Some(Err(error)) => Err(failed(&error)),
        }
    }

    /// A process of the session's user whose parent was never seen: it began since, in a cgroup of the tree, and was left
    /// to a reaper.
    fn is_orphan(&self, pid: u32, stat: &Stat, began: u64, reapers: &HashSet<u32>, uid: u32) -> bool {
        (stat.start_ticks + 1) * NS_PER_TICK >= began
            && reapers.contains(&stat.parent)
            && process::owner(pid).is_some_and(|(owner, _)| owner == uid)
            && cgroup::of(pid).is_some_and(|origin| self.origins.values().any(|known| *known == origin))
    }
}

/// Lets everybody go: nothing that they do from now on is seen, and each is back in the cgroup that it came from. They stand
/// still meanwhile, since who forks faster than it is let go would never be. Who is left in spite of that keeps the slot
/// (see [`outlast`]).
pub(super) fn let_go(lease: &Lease, running: &Running, taken: &Taken) -> Leaving {
    let until = Instant::now() + LIMIT;
    let cgroup = cgroup_of(running);
    if let Some(Err(error)) = cgroup.as_ref().map(Cgroup::freeze) {
        tracing::debug!(session = running.id(), %error, "a session that is left does not stand still");
    }
    loop {
        let (members, inside) = (lease.kernel.members(running.slot), in_cgroup(running));
        if members.is_empty() && inside.is_empty() || Instant::now() >= until {
            break;
        }
        members.iter().for_each(|pid| let_out(lease, *pid));
        if !lease.kernel.members(running.slot).is_empty() {
            continue;
        }
        // Each goes on as soon as it is in a cgroup that is not frozen, and is nobody's member any more.
        for pid in inside {
            let origin = taken.origins.get(&pid).or(taken.origin.as_ref());
            let back = origin.is_some_and(|origin| cgroup::put(origin, pid).is_ok());
            if !back
                && let Err(error) = cgroup_root()
                    .map_err(|e| Error::io("finding cgroup v2", e))
                    .and_then(|root| Ok(cgroup::put(&root, pid)?))
            {
                tracing::debug!(pid, %error, "a process could not be moved back");
            }
        }
    }
    if let Some(Err(error)) = cgroup.as_ref().map(Cgroup::thaw) {
        tracing::error!(session = running.id(), %error, "what is left of a session could not be thawed");
    }
    Leaving::LetGo
}

/// Lets a process out, and lets it go on where the kernel side has made it stand still.
fn let_out(lease: &Lease, pid: u32) {
    let stands_still = lease
        .kernel
        .member(pid)
        .ok()
        .flatten()
        .is_some_and(|member| member.stopped != 0 || member.stands != 0);
    evict(lease, pid);
    if stands_still {
        cgroup::signal(pid, Signal::CONT);
    }
}

/// Keeps a slot until nobody is in it any more: the next session there would take over who is.
pub(super) fn outlast(lease: &Lease, slot: &Slot, leaving: Leaving) {
    loop {
        let left = lease.left(slot.number);
        if left.is_empty() {
            return;
        }
        for pid in left {
            if leaving == Leaving::LetGo || !process::is_alive(pid) {
                evict(lease, pid);
            } else {
                cgroup::signal(pid, Signal::KILL);
            }
        }
        std::thread::sleep(PAUSE);
    }
}

fn in_cgroup(running: &Running) -> HashSet<u32> {
    cgroup_of(running).map(|cgroup| cgroup.processes()).unwrap_or_default()
}

/// The session's cgroup, which is not waited for with the session held: the thread that reads the rings needs it.
fn cgroup_of(running: &Running) -> Option<Cgroup> {
    running.with(|live| live.cgroup().cloned()).flatten()
}

/// The ancestors of a process, the first process included.
fn ancestors(pid: u32) -> HashSet<u32> {
    let mut found = HashSet::from([1]);
    let mut next = process::parent(pid);
    while let Some(pid) = next.filter(|pid| *pid > 1 && found.len() < MAX_ANCESTORS) {
        found.insert(pid);
        next = process::parent(pid);
    }
    found
}
