//! The end of a session: nobody is inside any more, what was recorded is written, what was armed is taken back.

use super::lease::Lease;
use super::machine::give_back;
use super::running::Running;
use super::shared::Shared;
use super::undo;
use guard::Live;
use std::sync::Arc;
use std::time::{Duration, Instant};
use sys::process;
use wire::{Finished, Report};

/// What the command left running gets this long to end by itself.
const GRACE: Duration = Duration::from_secs(2);
/// How long killed processes may take to be gone.
const DEATH: Duration = Duration::from_secs(10);
/// Processes that outlived all this and are named.
const PIDS_SAID: usize = 8;
const POLL: Duration = Duration::from_millis(10);

/// How a session is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    /// Its command ended: what is left gets a moment.
    Ended,
    /// Everything ends now.
    Killed,
    /// It was attached, and everybody was let go.
    LetGo,
}

/// Ends a session: nobody is inside, what was recorded is written, what was armed is taken back.
pub(super) fn close(
    shared: &Shared,
    lease: &Lease,
    running: &Arc<Running>,
    leaving: Leaving,
    status: Option<i32>,
) -> Option<Finished> {
    let (left_behind, undead) = empty(lease, running, leaving);
    if !undead.is_empty() {
        let pids: Vec<String> = undead.iter().take(PIDS_SAID).map(u32::to_string).collect();
        let note = format!(
            "{} of the session's processes cannot be shown to have ended (pid {}): they were sent SIGKILL, and what a \
             device or a file system keeps waiting ends when it answers",
            undead.len(),
            pids.join(", ")
        );
        tracing::error!(session = running.id(), "{note}");
        running.with(|live| live.note(note));
    }
    if let Some(broker) = running.take_broker() {
        if let Err(error) = lease.kernel.unprotect(broker.pid()) {
            tracing::error!(session = running.id(), %error, "a process that is gone is still protected");
        }
        drop(broker);
    }
    if !lease.pump.flush() {
        tracing::error!(session = running.id(), "the last records of the session may be missing");
    }
    undo::finish(running);
    let live = running.take();
    shared.sessions.remove(running.slot);
    let agent = live.as_ref().map(|live| live.meta().agent.clone());
    let mut report = live.map(|live| sum_up(live, status));
    if let Err(error) = running.teller.flush() {
        tracing::error!(session = running.id(), %error, "the session was not written to its end");
        if let Some(report) = &mut report {
            report.notes.push(format!("the session was not written down to its end: {error}"));
        }
    }
    if let Some(agent) = agent.filter(|_| shared.setup.learns) {
        shared.learning.note(running.uid, &agent);
    }
    // What a session held lies in pieces between what others hold: the allocator would keep it.
    give_back();
    report.map(|report| Finished { report, left_behind })
}

fn sum_up(live: Live, status: Option<i32>) -> Report {
    if let Some(cgroup) = live.cgroup()
        && let Err(error) = cgroup.remove()
    {
        tracing::warn!(session = live.id(), %error, "the session's cgroup was left");
    }
    live.finish(status).0
}

/// Waits until nobody is inside, and kills who stays. Returns how many had to be killed after the command had ended, and
/// who is alive in spite of it.
fn empty(lease: &Lease, running: &Running, leaving: Leaving) -> (u32, Vec<u32>) {
    if leaving == Leaving::LetGo {
        return (0, Vec::new());
    }
    let is_empty = || lease.left(running.slot).is_empty();
    let frozen = running.with(|live| live.is_frozen()).unwrap_or(false);
    if leaving == Leaving::Ended && !frozen && wait_until(GRACE, is_empty) {
        return (0, Vec::new());
    }
    let left = u32::try_from(lease.left(running.slot).len()).unwrap_or(u32::MAX);
    let until = Instant::now() + DEATH;
    // Again and again: a process may leave the cgroup, or fork, between two looks.
    while !is_empty() && Instant::now() < until {
        if let Some(Err(error)) = running.with(|live| live.kill()) {
            tracing::error!(session = running.id(), %error, "what the command left could not be killed");
        }
        if wait_until(POLL * 10, is_empty) {
            break;
        }
        // A process whose end was missed would be waited for in vain.
        let gone = |pid: &u32| !process::is_alive(*pid);
        lease.left(running.slot).into_iter().filter(gone).for_each(|pid| evict(lease, pid));
    }
    (left, lease.left(running.slot))
}

fn wait_until(limit: Duration, done: impl Fn() -> bool) -> bool {
    let until = Instant::now() + limit;
    while !done() {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(POLL);
    }
    true
}

/// Counts a process that is gone as gone.
pub(super) fn evict(lease: &Lease, pid: u32) {
    if let Err(error) = lease.kernel.evict(pid) {
        tracing::error!(pid, %error, "a process that is gone is still counted");
    }
}
