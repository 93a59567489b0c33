//! The raw system call sequence of every thread inside a session, and the operations that only a system call's end
//! can tell: what it returned, which file a descriptor came to be, and paths that name nothing.

use crate::call::{Ended, Running, SIGKILL, argument, is_compat, plan, thread};
use crate::maps::{BEGUN, FORMS, REFUSED};
use crate::offsets;
use crate::read::Address;
use crate::refusal::{self, EPERM};
use crate::ring::tell_syscall;
use crate::{deadline, descriptor, endpoint, hold, mount, named, process, stray, task, terminal, touched};
use abi::{form, op};
use aya_ebpf::helpers::generated::bpf_send_signal;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;

/// `io_uring_enter`, likewise.
const IO_URING_ENTER: u32 = 426;
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
    // It is made once more, and told then; or it was refused here, and told.
    if ret == i64::from(deadline::PUT_OFF) || ret == -EPERM && refusal::take(thread(&inside)) {
        let _ = BEGUN.remove(thread(&inside));
        return None;
    }
    // What its requests, or some of its messages, left behind is nobody's any more.
    if number == IO_URING_ENTER || plan.form == form::SEND {
        let _ = REFUSED.remove(thread(&inside));
    }
    match plan.form {
        form::OPEN | form::ROOT | form::MOUNT if ret < 0 => Some(u32::from(form::PATH)),
        form::MAP if (-4095..0).contains(&ret) => None,
        form::ACCEPT | form::MADE if ret < 0 => None,
        form::SOCKET if plan.op == op::BIND => Some(u32::from(form::BIND)),
        form::SOCKETCALL => Some(u32::from(form::BIND)),
        form::PRCTL if argument(regs, plan.dir, true) == Some(PR_SET_SECCOMP) => Some(u32::from(form::RAW)),
        form::NONE | form::LAST | form::PRCTL | form::OPEN => None,
        form => Some(u32::from(form)),
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

/// `form::BIND`
#[raw_tracepoint(tracepoint = "sys_exit")]
pub fn ended_bind(ctx: RawTracePointContext) -> i32 {
    // Whichever socket the descriptor names by now.
    if let Some(inside) = task::current()
        && touched::judge_bound(&inside)
        && ctx.arg::<u64>(1) == 0
        && inside.session().flags & abi::SESSION_ENFORCE != 0
    {
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_send_signal(SIGKILL) };
    }
    if let Some(call) = Running::find() {
        // SAFETY: as in `sys_exit`.
        let _ = unsafe { FORMS.tail_call(&ctx, u32::from(call.plan.form)) };
    }
    0
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
