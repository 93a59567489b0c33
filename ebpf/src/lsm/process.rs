//! Hooks of other processes, and of the kernel's own interface to programs like these.

use super::{ALLOW, EPERM, answer};
use crate::maps::PROTECTED;
use crate::read::{Address, argument};
use crate::ring::{Buffer, Urgency, verdict};
use crate::task::{self, Inside};
use crate::{hold, itself, offsets, process};
use abi::{Kernel, MEANS_LSM, STAGE_T0, VERDICT_REFUSED, Verdict, kind, op};
use aya_ebpf::EbpfContext;
use aya_ebpf::macros::lsm;
use aya_ebpf::programs::LsmContext;
use core::mem::size_of;

/// `task_kill(struct task_struct *p, struct kernel_siginfo *info, int sig, const struct cred *cred)`
#[lsm(hook = "task_kill")]
pub fn task_kill(ctx: LsmContext) -> i32 {
    let target = Address(argument(ctx.as_ptr(), 0));
    let signal = argument(ctx.as_ptr(), 2);
    on_process(op::SIGNAL, target, signal, process::dumps(target, signal as u32))
}

/// `file_send_sigiotask(struct task_struct *tsk, struct fown_struct *fown, int sig)`: a signal that somebody has asked a file to send
/// (fcntl(2), `F_SETOWN`). Whoever gives rise to it may be anybody.
#[lsm(hook = "file_send_sigiotask")]
pub fn file_send_sigiotask(ctx: LsmContext) -> i32 {
    let target = Address(argument(ctx.as_ptr(), 0));
    let Some(tgid) = target.word(offsets::task_tgid()) else { return ALLOW };
    // SAFETY: read only.
    if unsafe { PROTECTED.get(tgid) }.is_some() {
        return EPERM;
    }
    let signal = argument(ctx.as_ptr(), 2);
    if process::dumps(target, signal as u32) { on_process(op::SIGNAL, target, signal, true) } else { ALLOW }
}

/// `ptrace_access_check(struct task_struct *child, unsigned int mode)`: attaching, what reads or writes memory
/// (`/proc/PID/mem`, process_vm_readv, pidfd_getfd), and calls that look into a process (perf_event_open, kcmp).
#[lsm(hook = "ptrace_access_check")]
pub fn ptrace_access_check(ctx: LsmContext) -> i32 {
    /// include/linux/ptrace.h
    const PTRACE_MODE_ATTACH: u64 = 2;
    const PTRACE_MODE_REALCREDS: u64 = 16;
    let mode: u64 = argument(ctx.as_ptr(), 1);
    // What is read in `/proc`, everybody looks at: names, states, maps.
    if mode & (PTRACE_MODE_ATTACH | PTRACE_MODE_REALCREDS) == 0 {
        return ALLOW;
    }
    let target = Address(argument(ctx.as_ptr(), 0));
    let answer = on_process(op::PTRACE, target, mode, true);
    if answer == ALLOW && mode & PTRACE_MODE_ATTACH != 0 {
        itself::reached(target);
    }
    answer
}

/// `task_setrlimit(struct task_struct *p, unsigned int resource, struct rlimit *new_rlim)`: whose limits are set leaves its memory in a
/// core dump, or ends.
#[lsm(hook = "task_setrlimit")]
pub fn task_setrlimit(ctx: LsmContext) -> i32 {
    on_process(op::PTRACE, Address(argument(ctx.as_ptr(), 0)), argument(ctx.as_ptr(), 1), true)
}

#[inline(always)]
fn on_process(op: u16, target: Address, detail: u64, outside_refused: bool) -> i32 {
    let Some(inside) = task::current() else { return ALLOW };
    let Some(tgid) = target.word(offsets::task_tgid()) else { return ALLOW };
    let same = match task::find(tgid, 0) {
        Some(other) => other.slot == inside.slot,
        None => false,
    };
    // SAFETY: read only.
    let reason = if unsafe { PROTECTED.get(tgid) }.is_some() {
        abi::REASON_PROTECTED
    } else if outside_refused && !same {
        abi::REASON_OTHER_PROCESS
    } else {
        return ALLOW;
    };
    let decided = verdict(&inside, STAGE_T0, reason, MEANS_LSM);
    tell_kernel(&inside, op, u64::from(tgid), detail, same, &decided);
    answer(&inside, &decided)
}

/// `bpf(int cmd, union bpf_attr *attr, unsigned int size)`: with it the deny-list itself could be rewritten.
#[lsm(hook = "bpf")]
pub fn bpf(ctx: LsmContext) -> i32 {
    let Some(inside) = task::current() else { return ALLOW };
    let decided = verdict(&inside, STAGE_T0, abi::REASON_BPF, MEANS_LSM);
    tell_kernel(&inside, op::BPF, argument(ctx.as_ptr(), 0), 0, false, &decided);
    answer(&inside, &decided)
}

#[inline(always)]
fn tell_kernel(inside: &Inside, op: u16, first: u64, second: u64, same: bool, decided: &Verdict) {
    let Some(buffer) = Buffer::claim() else { return hold::lost(inside, decided) };
    let record: *mut Kernel = buffer.record();
    // SAFETY: the buffer is larger than a record, and this program's own until it is submitted.
    unsafe {
        (*record).op = op;
        (*record).before = 1;
        (*record).ret = if decided.flags & VERDICT_REFUSED != 0 { EPERM } else { 0 };
        (*record).first = first;
        (*record).second = second;
        (*record).inside = u32::from(same);
        (*record).claimed = 0;
        (*record).verdict = *decided;
    }
    buffer.submit(kind::KERNEL, inside, u32::MAX, size_of::<Kernel>(), Urgency::Control);
}
