//! A system call, as its thread's saved registers and its plan tell it.

use crate::maps::PLANS;
use crate::offsets;
use crate::read::Address;
use crate::task::{self, Inside};
use abi::{NO_ARG, PLANS_32, Plan};
use aya_ebpf::helpers::generated::{bpf_get_current_task_btf, bpf_probe_read_user, bpf_task_pt_regs};
use aya_ebpf::programs::RawTracePointContext;

/// What ends a process for something that can no longer be refused.
pub const SIGKILL: u32 = 9;
/// `openat2`, the same number in both tables.
const OPENAT2: u32 = 437;
/// `TS_COMPAT`, arch/x86/include/asm/thread_info.h: a 32-bit call is running.
const TS_COMPAT: u32 = 2;

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
    pub plan: &'static Plan,
}

impl Ended {
    /// The call whose end a tracepoint tells; `None` outside of sessions, and where it is only a number.
    #[inline(always)]
    pub fn new(ctx: &RawTracePointContext) -> Option<Ended> {
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

/// A system call that the current thread is in, or was in last.
pub struct Running {
    /// Its number.
    pub number: u32,
    /// A 32-bit call.
    pub compat: bool,
    /// How to read it.
    pub plan: &'static Plan,
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

/// Whether a 32-bit call is running.
#[inline(always)]
pub fn is_compat(task: Address) -> bool {
    task.word(offsets::task_status()).unwrap_or(0) & TS_COMPAT != 0
}

/// How a call is read, by its number.
#[inline(always)]
pub fn plan(number: u32, compat: bool) -> Option<&'static Plan> {
    if number >= PLANS_32 {
        return None;
    }
    PLANS.get(if compat { number + PLANS_32 } else { number })
}

/// An argument of the call, from the saved registers: a plan names it by its offset there. A 32-bit call has the lower
/// half of a register, whatever stands above (`half`), and so has an argument that is an `int`.
#[inline(always)]
pub fn argument(regs: Address, offset: u8, half: bool) -> Option<u64> {
    let value: u64 = regs.get(offset as usize)?;
    Some(if half { value & 0xffff_ffff } else { value })
}
