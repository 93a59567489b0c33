//! Who is running: the current process as a member of a session.

use crate::maps::{EVER_INSIDE, MEMBERS, SESSIONS};
use crate::offsets;
use crate::read::Address;
use abi::{Bit, Member, Session};
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::bpf_get_current_task;

/// A process that is inside a session.
#[derive(Clone, Copy)]
pub struct Inside {
    /// Process.
    pub tgid: u32,
    /// Thread.
    pub tid: u32,
    /// Its entry. Points into a map: valid while the program runs.
    pub member: *mut Member,
    /// Its session. Points into a map.
    pub session: *mut Session,
    /// Index of the session.
    pub slot: u32,
}

impl Inside {
    /// The session's bits and defaults.
    #[inline(always)]
    pub fn session(&self) -> &Session {
        // SAFETY: checked by the look-up that made it; arrays are never freed while the program runs.
        unsafe { &*self.session }
    }

    /// The entry of the process.
    #[inline(always)]
    pub fn member(&self) -> &Member {
        // SAFETY: checked by the look-up that made it; freed entries stay readable for a grace period.
        unsafe { &*self.member }
    }
}

/// The current `task_struct`.
#[inline(always)]
pub fn task() -> Address {
    // SAFETY: the helper has no preconditions.
    Address(unsafe { bpf_get_current_task() })
}

/// The current process, when it is inside a session.
#[inline(always)]
pub fn current() -> Option<Inside> {
    current_of(task())
}

/// The same for who has the current task at hand: by loads where they are to be had, which are less than the helper's call.
#[inline(always)]
pub fn current_of(task: Address) -> Option<Inside> {
    let (tgid, tid) = ever_inside(task)?;
    member(tgid, tid)
}

/// Numbers of the current task, where its process is or was inside a session: nothing else is asked of who never was.
#[inline(always)]
pub fn ever_inside(task: Address) -> Option<(u32, u32)> {
    if offsets::can_cast() {
        return numbers(task);
    }
    let id = bpf_get_current_pid_tgid();
    let tgid = (id >> 32) as u32;
    was_ever_inside(tgid).then_some((tgid, id as u32))
}

#[inline(always)]
fn numbers(task: Address) -> Option<(u32, u32)> {
    let tgid = task.word(offsets::task_tgid())?;
    if !was_ever_inside(tgid) {
        return None;
    }
    Some((tgid, task.word(offsets::task_pid())?))
}

/// The process of a task, when it is inside a session. For the current one where that helper is not to be had (cgroup programs
/// of old kernels).
#[inline(always)]
pub fn of_task(task: Address) -> Option<Inside> {
    let (tgid, tid) = numbers(task)?;
    member(tgid, tid)
}

/// A process by its tgid, when it is inside a session.
#[inline(always)]
pub fn find(tgid: u32, tid: u32) -> Option<Inside> {
    if was_ever_inside(tgid) { member(tgid, tid) } else { None }
}

/// Whether a process is or was inside a session.
#[inline(always)]
fn was_ever_inside(tgid: u32) -> bool {
    let bit = Bit::of_process(tgid);
    EVER_INSIDE.get(bit.word).is_none_or(|word| word & bit.mask != 0)
}

/// The entry of a process.
#[inline(always)]
pub fn member(tgid: u32, tid: u32) -> Option<Inside> {
    let member = MEMBERS.get_ptr_mut(tgid)?;
    // SAFETY: the look-up succeeded.
    let slot = unsafe { (*member).session };
    let session = SESSIONS.get_ptr_mut(slot)?;
    Some(Inside { tgid, tid, member, session, slot })
}

/// Whether what the current process mounts is seen by others: the namespaces of users' own hand on no mount.
#[inline(always)]
pub fn shows_mounts() -> bool {
    let level = || {
        let namespace = task().follow(offsets::task_nsproxy())?.follow(offsets::nsproxy_mnt())?;
        namespace.follow(offsets::namespace_user_ns())?.word(offsets::user_ns_level())
    };
    !matches!(level(), Some(1..))
}
