//! Operations on other processes and on kernel interfaces.

use crate::call::{Ended, SIGKILL};
use crate::maps::MEMBERS;
use crate::number::{self, UPID};
use crate::offsets;
use crate::read::{Address, each, zeroed};
use crate::ring::{Buffer, Urgency, verdict};
use crate::task::{self, Inside};
use crate::{dentry, hold, shared};
use abi::{
    HELD_SHARED, Kernel, MEANS_CONFINEMENT, MEANS_KILL, NO_ARG, SESSION_CONFINED, STAGE_NONE, STAGE_T0,
    VERDICT_REFUSED, Verdict, kind, op,
};
use aya_ebpf::helpers::generated::bpf_send_signal;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use core::mem::{MaybeUninit, size_of};

/// System calls that name their process by a descriptor, the same numbers in both tables.
const PIDFD_SEND_SIGNAL: u32 = 424;
const PIDFD_GETFD: u32 = 438;
/// The request by which a process is traced by its parent.
const PTRACE_TRACEME: u64 = 0;

/// Names in a process's directory of `/proc`: its environment, and its memory.
pub const ENVIRONMENT: u64 = u64::from_le_bytes(*b"environ\0");
pub const MEMORY: u64 = u64::from_le_bytes(*b"mem\0\0\0\0\0");

/// Whether a dentry is a file of one of these names of a process outside the session, in `/proc`.
#[inline(always)]
pub fn is_outside(dentry: Address, names: &[u64]) -> bool {
    const PROC_SUPER_MAGIC: u64 = 0x9fa0;
    let Some(inside) = task::current() else { return false };
    let magic = dentry.follow(offsets::dentry_sb()).and_then(|sb| sb.get::<u64>(offsets::sb_magic()));
    if magic != Some(PROC_SUPER_MAGIC) {
        return false;
    }
    let mut place = MaybeUninit::<[u64; abi::NAME_LEN / 8]>::uninit();
    let name = zeroed(&mut place);
    if !dentry::short_name(dentry, name.as_mut_ptr()) || !names.contains(&name[0]) {
        return false;
    }
    let Some(inode) = dentry::inode(dentry) else { return false };
    let pid =
        Address(inode.0 - offsets::proc_inode_vfs() as u64 + offsets::proc_inode_pid() as u64).follow(0);
    let Some(number) = pid.and_then(|pid| pid.word(offsets::pid_number())) else { return false };
    match task::find(number, 0) {
        Some(target) => target.slot != inside.slot,
        // Only leaders are in the member map; a thread of one's own process is told from others by its number.
        None => number != inside.tid,
    }
}

/// The process that an operation is for.
#[derive(Clone, Copy)]
struct Target {
    number: u64,
    inside: bool,
    /// Only the caller's number: no such process was found.
    claimed: bool,
}

/// A call to another process or to a kernel interface, told by two of its arguments.
#[inline(always)]
pub fn raw(call: &Ended) -> Option<()> {
    let first = call.argument(call.plan.dir)?;
    let second = if call.plan.second == NO_ARG { 0 } else { call.argument(call.plan.second)? };
    let op = call.plan.op;
    // One's own limits are nobody else's matter, nor are limits that are only read.
    if is_limit(call) && (first as u32 == 0 || second == 0) {
        return None;
    }
    // A signal that was sent is told by the kernel's own word, for each process that it was sent to.
    if op == op::SIGNAL && call.ret >= 0 && second != 0 {
        return None;
    }
    let target = if op == op::SIGNAL || op == op::PTRACE {
        find(call, first, second)
    } else {
        Target { number: first, inside: false, claimed: false }
    };
    let mut decided = verdict(&call.inside, 0, 0, 0);
    if op == op::PTRACE && is_confined_from(call, &target, second) {
        decided = verdict(&call.inside, STAGE_T0, abi::REASON_OTHER_PROCESS, MEANS_CONFINEMENT);
    }
    let reached = match op {
        op::PTRACE => !offsets::is_lsm_tier() && call.ret >= 0 && is_reached(call, &target, second),
        op::PERF => call.ret >= 0 && samples_others(&call.inside, call.ret),
        _ => false,
    };
    if reached {
        decided = verdict(&call.inside, STAGE_T0, abi::REASON_OTHER_PROCESS, MEANS_KILL);
        if decided.flags & VERDICT_REFUSED != 0 {
            end(call);
        }
    }
    tell(&call.inside, op, target, second, call.ret, call.number, &decided)
}

/// Ends who has reached into a process outside. Its tracer ends before the next request. What was read into memory, or taken as a
/// descriptor, others may have as well.
#[inline(always)]
fn end(call: &Ended) {
    match call.plan.op {
        op::PERF => shared::end(&call.inside, dentry::file_of_fd(call.ret).unwrap_or(Address(0))),
        _ => {
            // SAFETY: the helper has no preconditions.
            unsafe { bpf_send_signal(SIGKILL) };
            if !is_trace(call) {
                hold::hold(call.inside.slot, HELD_SHARED);
            }
        }
    }
}

/// Whether a call is `ptrace`.
#[inline(always)]
fn is_trace(call: &Ended) -> bool {
    const PTRACE: (u32, u32) = (101, 26);
    call.number == if call.compat { PTRACE.1 } else { PTRACE.0 }
}

/// Whether a call is `prlimit`. Who sets another's limits makes it leave its memory in a core dump.
#[inline(always)]
fn is_limit(call: &Ended) -> bool {
    const PRLIMIT: (u32, u32) = (302, 340);
    call.number == if call.compat { PRLIMIT.1 } else { PRLIMIT.0 }
}

/// Whether a call has reached into a process outside the session. What a call to trace has left alone is not among the traced
/// any more, and was asked about when it was taken.
#[inline(always)]
fn is_reached(call: &Ended, target: &Target, request: u64) -> bool {
    if is_trace(call) && (target.claimed || request == PTRACE_TRACEME) {
        return false;
    }
    !target.inside && (!target.claimed || !is_namespace_own(&call.inside))
}

/// Whether a call would have reached into a process outside, and was refused by what the session's command was given.
#[inline(always)]
fn is_confined_from(call: &Ended, target: &Target, request: u64) -> bool {
    const EPERM: i32 = -1;
    // Tracing fails for many a reason, also of one's own threads, and limits are no matter of a domain.
    call.ret == EPERM
        && call.inside.session().flags & SESSION_CONFINED != 0
        && !is_trace(call)
        && !is_limit(call)
        && is_reached(call, target, request)
}

/// Whether the processes that the current one has numbers for are its session's: those of a pid namespace that the session has made.
#[inline(always)]
fn is_namespace_own(inside: &Inside) -> bool {
    let Some(pid) = task::task().follow(offsets::task_thread_pid()) else { return false };
    let Some(level) = pid.word(offsets::pid_level()) else { return false };
    if level == 0 {
        return false;
    }
    let upid = Address(pid.0.wrapping_add((level as u64 & 31) * UPID as u64));
    let first = upid.follow(offsets::pid_number() + UPID / 2).and_then(|of| of.follow(offsets::ns_reaper()));
    first.and_then(|task| task.word(offsets::task_tgid())).is_some_and(|tgid| is_inside(inside, tgid))
}

/// Whether an event that was opened (perf_event_open(2)) samples registers and stacks of processes outside the session: of one,
/// or of every process on a CPU.
#[inline(always)]
fn samples_others(inside: &Inside, fd: i32) -> bool {
    let event = dentry::file_of_fd(fd).and_then(|file| file.follow(offsets::file_private()));
    let Some(event) = event else { return false };
    match event.follow(offsets::perf_target()).and_then(|task| task.word(offsets::task_tgid())) {
        Some(tgid) => !is_inside(inside, tgid),
        None => true,
    }
}

#[inline(always)]
fn find(call: &Ended, first: u64, second: u64) -> Target {
    let inside = &call.inside;
    let found = if call.number == PIDFD_SEND_SIGNAL || call.number == PIDFD_GETFD {
        of_pidfd(first as i32)
    } else if is_trace(call) {
        traced(first as u32, second)
    } else {
        number::process(first as u32)
    };
    match found {
        Some(tgid) => Target { number: u64::from(tgid), inside: is_inside(inside, tgid), claimed: false },
        None => {
            // A number of the first namespace is the process's own; another namespace's says nothing here.
            let here = level() == Some(0);
            let member = here && is_inside(inside, first as u32);
            Target { number: first & 0xffff_ffff, inside: member, claimed: !member }
        }
    }
}

#[inline(always)]
fn is_inside(inside: &Inside, tgid: u32) -> bool {
    match MEMBERS.get_ptr(tgid) {
        // SAFETY: the look-up succeeded.
        Some(member) => unsafe { (*member).session == inside.slot },
        None => false,
    }
}

/// How deep the current process's pid namespace lies; 0 is the first one.
#[inline(always)]
fn level() -> Option<u32> {
    task::task().follow(offsets::task_thread_pid())?.word(offsets::pid_level())
}

/// The process behind a pidfd, by its number in the first namespace.
#[inline(always)]
fn of_pidfd(fd: i32) -> Option<u32> {
    const PIDFS_MAGIC: u64 = 0x5049_4446;
    let (file, dentry) = dentry::of_fd(fd)?;
    let magic: u64 = dentry.follow(offsets::dentry_sb())?.get(offsets::sb_magic())?;
    let pid = if magic == PIDFS_MAGIC {
        dentry::inode(dentry)?.follow(offsets::inode_private())?
    } else {
        file.follow(offsets::file_private())?
    };
    pid.word(offsets::pid_number())
}

/// A search through the processes that the current one traces.
#[repr(C)]
struct Traced {
    node: u64,
    end: u64,
    wanted: u32,
    level: u32,
    tgid: u32,
    pad: u32,
}

/// The traced process with a number of the current namespace; for `PTRACE_TRACEME` the parent.
#[inline(always)]
fn traced(wanted: u32, request: u64) -> Option<u32> {
    const TRACED: u32 = 1024;
    let task = task::task();
    if request == PTRACE_TRACEME {
        return task.follow(offsets::task_parent())?.word(offsets::task_tgid());
    }
    let head = task.0.wrapping_add(offsets::task_ptraced() as u64);
    let mut search = Traced { node: head, end: head, wanted, level: level()?, tgid: 0, pad: 0 };
    each(TRACED, next, &mut search);
    (search.tgid != 0).then_some(search.tgid)
}

/// Looks at one traced process, a callback of `bpf_loop`. 1 ends it.
unsafe extern "C" fn next(_: u64, search: *mut Traced) -> i64 {
    // SAFETY: `bpf_loop` hands on the pointer that `traced` gave it.
    let search = unsafe { &mut *search };
    let Some(node) = Address(search.node).follow(0) else { return 1 };
    if node.0 == search.end {
        return 1;
    }
    search.node = node.0;
    let task = Address(node.0.wrapping_sub(offsets::task_ptrace_entry() as u64));
    let Some(pid) = task.follow(offsets::task_thread_pid()) else { return 1 };
    let place = offsets::pid_number() + (search.level as usize & 31) * UPID;
    if pid.word(place) == Some(search.wanted) {
        search.tgid = task.word(offsets::task_tgid()).unwrap_or(0);
        return 1;
    }
    0
}

/// `TP_PROTO(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result)`; runs in the sender.
#[raw_tracepoint(tracepoint = "signal_generate")]
pub fn signal(ctx: RawTracePointContext) -> i32 {
    let _ = on_signal(ctx.arg::<u64>(0) as u32, Address(ctx.arg(1)), Address(ctx.arg(2)));
    0
}

#[inline(always)]
fn on_signal(signal: u32, info: Address, target: Address) -> Option<()> {
    /// `SEND_SIG_PRIV`: the kernel's own. Below it, no structure.
    const PRIVATE: u64 = 1;
    /// `SI_USER`, `SI_QUEUE`, `SI_TKILL`: somebody asked for it.
    const ASKED: [i32; 3] = [0, -1, -6];
    let inside = task::current()?;
    if info.0 <= PRIVATE {
        return None;
    }
    let code: i32 = info.get(offsets::siginfo_code())?;
    let tgid = target.word(offsets::task_tgid())?;
    let own = is_inside(&inside, tgid);
    let dumps = !own && dumps(target, signal);
    // A file may have been asked to send one that dumps.
    if code != ASKED[0] && code != ASKED[1] && code != ASKED[2] && !dumps {
        return None;
    }
    let mut decided = verdict(&inside, 0, 0, 0);
    if dumps && !offsets::is_lsm_tier() {
        decided = verdict(&inside, STAGE_T0, abi::REASON_OTHER_PROCESS, MEANS_KILL);
        if decided.flags & VERDICT_REFUSED != 0 {
            // SAFETY: the helper has no preconditions.
            unsafe { bpf_send_signal(SIGKILL) };
            hold::hold(inside.slot, HELD_SHARED);
        }
    }
    let target = Target { number: u64::from(tgid), inside: own, claimed: false };
    tell(&inside, op::SIGNAL, target, u64::from(signal), 0, u32::MAX, &decided)
}

/// Whether a signal ends a process with a dump of its memory, which its user may read: one of those that do by default, and that the
/// process does not handle.
#[inline(always)]
pub fn dumps(target: Address, signal: u32) -> bool {
    /// `SIG_KERNEL_COREDUMP_MASK`, include/linux/signal.h: QUIT, ILL, TRAP, ABRT, FPE, SEGV, BUS, SYS, XCPU, XFSZ.
    const DUMPING: u64 =
        1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 11 | 1 << 7 | 1 << 31 | 1 << 24 | 1 << 25;
    /// `sizeof(struct k_sigaction)` of x86-64; the handler is its first field, and null by default.
    const ACTION: u64 = 32;
    if signal > 31 || DUMPING >> signal & 1 == 0 {
        return false;
    }
    let Some(handlers) = target.follow(offsets::task_sighand()) else { return true };
    let at = offsets::sighand_action() as u64 + (u64::from(signal) - 1) * ACTION;
    Address(handlers.0.wrapping_add(at)).get::<u64>(0).is_none_or(|handler| handler == 0)
}

/// Tells a use of a kernel interface.
#[inline(always)]
pub fn tell_interface(inside: &Inside, op: u16, first: u64, second: u64) -> Option<()> {
    let target = Target { number: first, inside: false, claimed: false };
    tell(inside, op, target, second, 0, u32::MAX, &verdict(inside, 0, 0, 0))
}

#[inline(always)]
fn tell(
    inside: &Inside,
    op: u16,
    target: Target,
    second: u64,
    ret: i32,
    syscall: u32,
    decided: &Verdict,
) -> Option<()> {
    let Some(buffer) = Buffer::claim() else {
        hold::lost(inside, decided);
        return None;
    };
    let record: *mut Kernel = buffer.record();
    // SAFETY: the buffer is larger than a record, and this program's own until it is submitted.
    unsafe {
        (*record).op = op;
        (*record).before = 0;
        (*record).ret = ret;
        (*record).first = target.number;
        (*record).second = second;
        (*record).inside = u32::from(target.inside);
        (*record).claimed = u32::from(target.claimed);
        (*record).verdict = *decided;
    }
    let urgency = if decided.stage == STAGE_NONE { Urgency::Operation } else { Urgency::Control };
    buffer.submit(kind::KERNEL, inside, syscall, size_of::<Kernel>(), urgency);
    Some(())
}
