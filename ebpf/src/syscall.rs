//! The raw system call sequence of every thread inside a session, and the operations that only a system call's end
//! can tell: what it returned, which file a descriptor came to be, and paths that name nothing.

use crate::maps::{FORMS, PLANS, REFUSED};
use crate::offsets;
use crate::read::Address;
use crate::ring::tell_syscall;
use crate::task::{self, Inside};
use crate::{deadline, descriptor, endpoint, hold, mount, named, process, stray, terminal, uring};
use abi::{NO_ARG, PLANS_32, Plan, form};
use aya_ebpf::helpers::generated::{
    bpf_get_current_task_btf, bpf_probe_read_user, bpf_send_signal, bpf_task_pt_regs,
};
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;

/// `EPERM`
pub const EPERM: i64 = 1;
/// What ends a process for something that can no longer be refused.
pub const SIGKILL: u32 = 9;
/// `openat2`, the same number in both tables.
const OPENAT2: u32 = 437;
/// `io_uring_enter`, likewise.
const IO_URING_ENTER: u32 = 426;
/// `TS_COMPAT`, arch/x86/include/asm/thread_info.h: a 32-bit call is running.
const TS_COMPAT: u32 = 2;

/// `TP_PROTO(struct pt_regs *regs, long ret)`. The registers still hold the arguments. An open, which is
/// frequent, is told here; what else is more than a number goes on in the program for its form: one program for all would
/// be too large for the verifier of 6.1.
#[raw_tracepoint(tracepoint = "sys_exit")]
pub fn sys_exit(ctx: RawTracePointContext) -> i32 {
    if let Some(form) = on_exit(Address(ctx.arg(0)), ctx.arg::<u64>(1) as i64) {
        // SAFETY: the programs of the array are of this type; where one is missing, the call returns.
        let _ = unsafe { FORMS.tail_call(&ctx, form) };
    }
    0
}

#[inline(always)]
fn on_exit(regs: Address, ret: i64) -> Option<u32> {
    const PR_SET_SECCOMP: u64 = 22;
    let task = task::task();
    let (tgid, tid) = task::ever_inside(task)?;
    let Some(inside) = task::member(tgid, tid) else {
        stray::end(tgid);
        return None;
    };
    if hold::is_over(&inside) {
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_send_signal(SIGKILL) };
    }
    let compat = is_compat(task);
    let number = regs.get::<u64>(offsets::regs_orig_ax())? as u32;
    // The value of a 32-bit call is 32 bits wide, and so is its error.
    let ret = if compat { i64::from(ret as i32) } else { ret };
    let plan = plan(number, compat);
    if let Some(plan) = plan
        && plan.form == form::OPEN
        && ret >= 0
        && !offsets::is_lsm_tier()
    {
        let call = Ended { inside, regs, ret: ret as i32, number, compat, plan };
        if descriptor::opened(&call, task).is_some() {
            deadline::ends(&inside, ret);
            return None;
        }
    }
    tell_syscall(&inside, number, ret, compat);
    deadline::ends(&inside, ret);
    terminal::typed(&inside, regs, number, ret, compat);
    let plan = plan?;
    // It is made once more, and told then.
    if ret == i64::from(deadline::PUT_OFF) {
        return None;
    }
    if ret == -EPERM && take_refusal(thread(&inside)) {
        return None;
    }
    // What its requests left behind is nobody's any more.
    if number == IO_URING_ENTER {
        let _ = REFUSED.remove(thread(&inside));
    }
    match plan.form {
        form::OPEN | form::ROOT | form::MOUNT if ret < 0 => Some(u32::from(form::PATH)),
        form::MAP if (-4095..0).contains(&ret) => None,
        form::ACCEPT | form::MADE if ret < 0 => None,
        form::PRCTL if argument(regs, plan.dir, true) == Some(PR_SET_SECCOMP) => Some(u32::from(form::RAW)),
        form::NONE | form::LAST | form::PRCTL | form::OPEN => None,
        form => Some(u32::from(form)),
    }
}

/// A system call that has ended, as the programs for its form need it.
pub struct Ended {
    /// Who called.
    pub inside: Inside,
    /// The saved registers.
    pub regs: Address,
    /// What it returned.
    pub ret: i32,
    /// Its number.
    pub number: u32,
    /// A 32-bit call.
    pub compat: bool,
    /// How to read it.
    pub plan: Plan,
}

impl Ended {
    #[inline(always)]
    fn new(ctx: &RawTracePointContext) -> Option<Ended> {
        let regs = Address(ctx.arg(0));
        let number = regs.get::<u64>(offsets::regs_orig_ax())? as u32;
        let compat = is_compat(task::task());
        let plan = plan(number, compat)?;
        Some(Ended { inside: task::current()?, regs, ret: ctx.arg::<u64>(1) as i32, number, compat, plan })
    }

    /// An argument, by its place in the plan.
    #[inline(always)]
    pub fn argument(&self, place: u8) -> Option<u64> {
        argument(self.regs, place, self.compat)
    }

    /// What the plan says to tell besides; 0 where it says nothing.
    #[inline(always)]
    pub fn detail(&self) -> Option<u32> {
        if self.plan.detail == NO_ARG {
            return Some(0);
        }
        let detail = self.argument(self.plan.detail)?;
        if self.number != OPENAT2 {
            return Some(detail as u32);
        }
        // Its flags lie in the caller's memory: claimed.
        let mut flags = 0u64;
        // SAFETY: the destination is eight bytes of this stack; the helper checks the source.
        unsafe { bpf_probe_read_user((&raw mut flags).cast(), 8, detail as *const _) };
        Some(flags as u32)
    }
}

/// Declares the program for a form: what the call was, then what it did.
macro_rules! ended {
    ($($(#[$doc:meta])* $program:ident = $what:path;)*) => {$(
        $(#[$doc])*
        #[raw_tracepoint(tracepoint = "sys_exit")]
        pub fn $program(ctx: RawTracePointContext) -> i32 {
            let _ = Ended::new(&ctx).and_then(|call| $what(&call));
            0
        }
    )*};
}

ended! {
    /// `form::PATH`
    ended_path = named::named;
    /// `form::FD`
    ended_fd = descriptor::on_descriptor;
    /// `form::MAP`
    ended_map = descriptor::mapped;
    /// `form::SOCKET`
    ended_socket = endpoint::on_socket;
    /// `form::ACCEPT`
    ended_accept = endpoint::accepted;
    /// `form::SEND`
    ended_send = endpoint::sent;
    /// `form::SOCKETCALL`
    ended_socketcall = endpoint::called;
    /// `form::RAW`
    ended_raw = process::raw;
    /// `form::ROOT`
    ended_root = mount::root_changed;
    /// `form::MADE`
    ended_made = descriptor::made;
}

/// `form::MOUNT`
#[raw_tracepoint(tracepoint = "sys_exit")]
pub fn ended_mount(ctx: RawTracePointContext) -> i32 {
    if let Some(form) = Ended::new(&ctx).and_then(|call| mount::mounted(&call)) {
        // SAFETY: as in `sys_exit`.
        let _ = unsafe { FORMS.tail_call(&ctx, form) };
    }
    0
}

/// A system call that the current thread is in, or was in last.
pub struct Running {
    /// Its number.
    pub number: u32,
    /// A 32-bit call.
    pub compat: bool,
    /// How to read it.
    pub plan: Plan,
    /// The saved registers.
    regs: Address,
}

impl Running {
    /// By the thread's saved registers; `None` where it is in no call, or in one that is only a number.
    #[inline(always)]
    pub fn find() -> Option<Running> {
        // SAFETY: the helpers have no preconditions.
        let regs = Address(unsafe { bpf_task_pt_regs(bpf_get_current_task_btf()) } as u64);
        let number = regs.get::<u64>(offsets::regs_orig_ax())? as u32;
        let compat = is_compat(task::task());
        Some(Running { number, compat, plan: plan(number, compat)?, regs })
    }

    /// Whether it has not ended: what the kernel puts off until a thread goes back to its program is done behind the end of a
    /// call, while the registers still name it. Each way into the kernel saves `-ENOSYS` as the result (arch/x86/entry), and
    /// who traces the thread can write another there.
    #[inline(always)]
    pub fn is_under_way(&self) -> bool {
        const ENOSYS: i64 = -38;
        self.regs.get::<i64>(offsets::regs_ax()) == Some(ENOSYS)
            || task::task().word(offsets::task_ptrace()) != Some(0)
    }
}

/// Key of the current thread in the maps that hold what a call began.
#[inline(always)]
pub fn thread(inside: &Inside) -> u64 {
    u64::from(inside.tgid) << 32 | u64::from(inside.tid)
}

/// Key of what the current thread works at: its call, or the request that it was given as a worker of io_uring. A
/// request's is its address, which no thread's is.
#[inline(always)]
pub fn running(inside: &Inside) -> u64 {
    uring::of_worker().map_or(thread(inside), |request| request.0)
}

/// A call or a request is refused here, which will fail with `EPERM`.
#[inline(always)]
pub fn note_refusal(key: u64) {
    match REFUSED.get_ptr_mut(key) {
        // SAFETY: who works at it waits for the answer, or gives it itself: nobody else writes its entry.
        Some(count) => unsafe { *count += 1 },
        None => drop(REFUSED.insert(key, 1, 0)),
    }
}

/// Whether what has failed with `EPERM` was refused here, and told.
#[inline(always)]
pub fn take_refusal(key: u64) -> bool {
    let Some(count) = REFUSED.get_ptr_mut(key) else { return false };
    // SAFETY: as above.
    let left = unsafe {
        *count = (*count).wrapping_sub(1);
        *count
    };
    if left == 0 {
        let _ = REFUSED.remove(key);
    }
    true
}

#[inline(always)]
fn is_compat(task: Address) -> bool {
    task.word(offsets::task_status()).unwrap_or(0) & TS_COMPAT != 0
}

#[inline(always)]
fn plan(number: u32, compat: bool) -> Option<Plan> {
    if number >= PLANS_32 {
        return None;
    }
    PLANS.get(if compat { number + PLANS_32 } else { number }).copied()
}

/// An argument of the call, from the saved registers: a plan names it by its offset there. A 32-bit call has the lower
/// half of a register, whatever stands above (`half`), and so has an argument that is an `int`.
#[inline(always)]
pub fn argument(regs: Address, offset: u8, half: bool) -> Option<u64> {
    let value: u64 = regs.get(offset as usize)?;
    Some(if half { value & 0xffff_ffff } else { value })
}
