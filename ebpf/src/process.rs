//! Operations on other processes and on kernel interfaces.

use crate::dentry;
use crate::maps::MEMBERS;
use crate::offsets;
use crate::read::{Address, each};
use crate::ring::{Buffer, Urgency, verdict};
use crate::syscall::Ended;
use crate::task::{self, Inside};
use abi::{Kernel, NO_ARG, kind, op};
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use core::mem::size_of;

/// System calls that name their process by a descriptor, the same numbers in both tables.
const PIDFD_SEND_SIGNAL: u32 = 424;
const PIDFD_GETFD: u32 = 438;

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
    // A signal that was sent is told by the kernel's own word, for each process that it was sent to.
    if op == op::SIGNAL && call.ret >= 0 && second != 0 {
        return None;
    }
    let target = if op == op::SIGNAL || op == op::PTRACE {
        find(&call.inside, call.number, op, first, second)
    } else {
        Target { number: first, inside: false, claimed: false }
    };
    tell(&call.inside, op, target, second, call.ret, call.number)
}

#[inline(always)]
fn find(inside: &Inside, number: u32, op: u16, first: u64, second: u64) -> Target {
    let found = if number == PIDFD_SEND_SIGNAL || number == PIDFD_GETFD {
        of_pidfd(first as i32)
    } else if op == op::PTRACE {
        traced(first as u32, second)
    } else {
        None
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
    const PTRACE_TRACEME: u64 = 0;
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
    /// `sizeof(struct upid)`: a number and its namespace.
    const UPID: usize = 16;
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
    if code != ASKED[0] && code != ASKED[1] && code != ASKED[2] {
        return None;
    }
    let tgid = target.word(offsets::task_tgid())?;
    let target = Target { number: u64::from(tgid), inside: is_inside(&inside, tgid), claimed: false };
    tell(&inside, op::SIGNAL, target, u64::from(signal), 0, u32::MAX)
}

/// Tells a use of a kernel interface.
#[inline(always)]
pub fn tell_interface(inside: &Inside, op: u16, first: u64, second: u64) -> Option<()> {
    let target = Target { number: first, inside: false, claimed: false };
    tell(inside, op, target, second, 0, u32::MAX)
}

#[inline(always)]
fn tell(inside: &Inside, op: u16, target: Target, second: u64, ret: i32, syscall: u32) -> Option<()> {
    let buffer = Buffer::claim()?;
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
        (*record).verdict = verdict(inside, 0, 0, 0);
    }
    buffer.submit(kind::KERNEL, inside, syscall, size_of::<Kernel>(), Urgency::Operation);
    Some(())
}
