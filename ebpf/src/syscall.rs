//! The raw system call sequence of every thread inside a session, and the operations that only a system call's end
//! can tell: what it returned, which file a descriptor came to be, and paths that name nothing.

use crate::maps::{FORMS, PLANS, REFUSED, STASH, STASH_WORDS};
use crate::offsets;
use crate::read::{Address, clear, zeros};
use crate::ring::{Buffer, FileOperation, PATH_LEN, Urgency, lose, open_access, tell_file, verdict};
use crate::task::{self, Inside};
use crate::{decide, dentry, socket};
use abi::{Claimed, Kernel, MEANS_KILL, NO_ARG, Plan, Syscall, VERDICT_REFUSED, access, form, kind};
use aya_ebpf::helpers::generated::{bpf_probe_read_user_str, bpf_send_signal};
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use core::mem::{offset_of, size_of};

const SIGKILL: u32 = 9;
const EPERM: i64 = 1;
/// `TS_COMPAT`, arch/x86/include/asm/thread_info.h: a 32-bit call is running.
const TS_COMPAT: u32 = 2;
/// Number of the first 32-bit call in `PLANS`.
const COMPAT: u32 = 512;
const PROT_EXEC: u64 = 4;

/// `TP_PROTO(struct pt_regs *regs, long id)`. Calls that never return are told here, and the beginning of a path is
/// kept, so that its end can tell whether somebody swapped it.
#[raw_tracepoint(tracepoint = "sys_enter")]
pub fn sys_enter(ctx: RawTracePointContext) -> i32 {
    let _ = on_enter(Address(ctx.arg(0)), ctx.arg::<u64>(1) as u32);
    0
}

#[inline(always)]
fn on_enter(regs: Address, number: u32) -> Option<()> {
    let inside = task::current()?;
    let plan = plan(number, is_compat())?;
    if plan.form == form::LAST {
        tell_syscall(&inside, number, 0, false);
    } else if plan.form == form::PATH && !offsets::is_lsm_tier() {
        let path = argument(regs, plan.path)?;
        let mut start = zeros();
        beginning(path, &mut start);
        let _ = STASH.insert(thread(&inside), start, 0);
    }
    Some(())
}

/// `TP_PROTO(struct pt_regs *regs, long ret)`. The registers still hold the arguments. What is more than a number goes on
/// in the program for its form: one program for all would be too large for the verifier of 6.1.
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
    let inside = task::current()?;
    let compat = is_compat();
    let number = regs.get::<u64>(offsets::regs_orig_ax())? as u32;
    tell_syscall(&inside, number, ret, compat);
    let plan = plan(number, compat)?;
    if ret == -EPERM && REFUSED.remove(thread(&inside)).is_ok() {
        return None;
    }
    match plan.form {
        form::OPEN if ret < 0 => Some(u32::from(form::PATH)),
        form::MAP if (-4095..0).contains(&ret) => None,
        form::ACCEPT if ret < 0 => None,
        form::NONE | form::LAST => None,
        form => Some(u32::from(form)),
    }
}

/// A system call that has ended, as the programs for its form need it.
struct Ended {
    inside: Inside,
    regs: Address,
    ret: i32,
    number: u32,
    plan: Plan,
}

impl Ended {
    #[inline(always)]
    fn new(ctx: &RawTracePointContext) -> Option<Ended> {
        let regs = Address(ctx.arg(0));
        let number = regs.get::<u64>(offsets::regs_orig_ax())? as u32;
        let plan = plan(number, is_compat())?;
        Some(Ended { inside: task::current()?, regs, ret: ctx.arg::<u64>(1) as i32, number, plan })
    }

    /// An argument, by its index in the plan.
    #[inline(always)]
    fn argument(&self, index: u8) -> Option<u64> {
        argument(self.regs, index)
    }
}

/// Declares the program for a form: what the call was, then what it did.
macro_rules! ended {
    ($($(#[$doc:meta])* $program:ident = $what:ident;)*) => {$(
        $(#[$doc])*
        #[raw_tracepoint(tracepoint = "sys_exit")]
        pub fn $program(ctx: RawTracePointContext) -> i32 {
            let _ = Ended::new(&ctx).and_then(|call| $what(&call));
            0
        }
    )*};
}

ended! {
    /// `form::OPEN`
    ended_open = opened;
    /// `form::PATH`
    ended_path = named;
    /// `form::FD`
    ended_fd = on_descriptor;
    /// `form::MAP`
    ended_map = mapped;
    /// `form::SOCKET`
    ended_socket = on_socket;
    /// `form::ACCEPT`
    ended_accept = accepted;
    /// `form::RAW`
    ended_raw = raw;
}

#[inline(always)]
fn on_socket(call: &Ended) -> Option<()> {
    let fd = call.argument(call.plan.dir)? as i32;
    socket::finished(&call.inside, fd, call.number, call.plan.op, call.ret)
}

#[inline(always)]
fn accepted(call: &Ended) -> Option<()> {
    socket::finished(&call.inside, call.ret, call.number, call.plan.op, 0)
}

/// Key of the current thread in the maps that hold what a call began.
#[inline(always)]
pub fn thread(inside: &Inside) -> u64 {
    u64::from(inside.tgid) << 32 | u64::from(inside.tid)
}

#[inline(always)]
fn is_compat() -> bool {
    task::task().word(offsets::task_status()).unwrap_or(0) & TS_COMPAT != 0
}

#[inline(always)]
fn plan(number: u32, compat: bool) -> Option<Plan> {
    if number >= COMPAT {
        return None;
    }
    PLANS.get(if compat { number + COMPAT } else { number }).copied()
}

/// An argument of the call, from the saved registers: a plan names it by its offset there.
#[inline(always)]
fn argument(regs: Address, offset: u8) -> Option<u64> {
    regs.get(offset as usize)
}

#[inline(always)]
fn tell_syscall(inside: &Inside, number: u32, ret: i64, compat: bool) {
    let Some(buffer) = Buffer::claim() else { return };
    let record: *mut Syscall = buffer.record();
    // SAFETY: the buffer is larger than a record, and this program's own until it is submitted.
    unsafe {
        (*record).ret = ret;
        (*record).compat = u32::from(compat);
        (*record).pad = 0;
    }
    buffer.submit(kind::SYSCALL, inside, number, size_of::<Syscall>(), Urgency::Sequence);
}

/// A descriptor came back: the file is the kernel's own, whatever path the caller gave. In the LSM tier `file_open` has
/// told it; here what the deny-list refuses can only be answered with an end, before the caller sees the descriptor.
#[inline(always)]
fn opened(call: &Ended) -> Option<()> {
    if offsets::is_lsm_tier() {
        return None;
    }
    let (file, dentry) = dentry::of_fd(call.ret)?;
    let (access, flags) = open_access(file)?;
    let decided = decide::file(&call.inside, dentry, access, MEANS_KILL);
    if decided.flags & VERDICT_REFUSED != 0 && access & access::PATH_ONLY == 0 {
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_send_signal(SIGKILL) };
    }
    let operation = FileOperation {
        op: abi::op::OPEN,
        access,
        ret: call.ret,
        detail: flags,
        before: false,
        syscall: call.number,
    };
    tell_file(&call.inside, &operation, dentry, None, &decided);
    Some(())
}

/// Only a path names the object: because the call failed, or because no hook saw it. Claimed.
#[inline(always)]
fn named(call: &Ended) -> Option<()> {
    let plan = &call.plan;
    // A started program is told by `sched_process_exec` in both tiers.
    if call.ret >= 0 && (offsets::is_lsm_tier() || plan.op == abi::op::EXEC) {
        return None;
    }
    let path = call.argument(plan.path)?;
    let detail = detail(call)?;
    let base = base(call.regs, plan.dir)?;
    let second = if plan.second == NO_ARG { 0 } else { call.argument(plan.second)? };
    let Some(buffer) = Buffer::claim() else { return None };
    let Some(len) = buffer.append_file(offset_of!(Claimed, base), size_of::<Claimed>(), base) else {
        lose(u32::from(kind::CLAIMED));
        buffer.discard();
        return None;
    };
    let path_len = buffer.append_path(len, path);
    let end = len + path_len as usize;
    let second_len = if plan.second == NO_ARG { 0 } else { buffer.append_path(end, second) };
    let total = end + second_len as usize;
    let swapped = swapped(&call.inside, &buffer, path);
    let record: *mut Claimed = buffer.record();
    // SAFETY: the buffer is larger than a record, and this program's own until it is submitted.
    unsafe {
        (*record).op = plan.op;
        (*record).swapped = u16::from(swapped);
        (*record).access = plan.access;
        (*record).ret = call.ret;
        (*record).detail = detail;
        (*record).path_len = path_len as u16;
        (*record).second_len = second_len as u16;
        (*record).path_cut = u32::from(path_len >= PATH_LEN - 1);
        (*record).pad = 0;
    }
    buffer.submit(kind::CLAIMED, &call.inside, call.number, total, Urgency::Operation);
    Some(())
}

/// What a plan says to tell besides; 0 where it says nothing.
#[inline(always)]
fn detail(call: &Ended) -> Option<u32> {
    if call.plan.detail == NO_ARG {
        return Some(0);
    }
    Some(call.argument(call.plan.detail)? as u32)
}

/// Where a relative path starts. A descriptor that names nothing counts as the working directory: the call has failed.
#[inline(always)]
fn base(regs: Address, dir: u8) -> Option<Address> {
    if dir == NO_ARG {
        return dentry::working_directory();
    }
    match dentry::of_fd(argument(regs, dir)? as i32) {
        Some((_, dentry)) => Some(dentry),
        None => dentry::working_directory(),
    }
}

/// Whether the path that stood there when the call was entered is not the one that stands there now.
#[inline(always)]
fn swapped(inside: &Inside, buffer: &Buffer, path: u64) -> bool {
    /// Behind the longest record: no room for it on the stack.
    const PLACE: usize = crate::maps::SCRATCH_LEN - 8 * STASH_WORDS;
    let key = thread(inside);
    // SAFETY: read only; only this thread writes its entry.
    let Some(before) = (unsafe { STASH.get(key) }) else { return false };
    // SAFETY: the last words of the buffer, which is aligned to 8 bytes.
    let now = unsafe { &mut *buffer.base().add(PLACE).cast::<[u64; STASH_WORDS]>() };
    beginning(path, now);
    let mut differs = 0;
    let mut i = 0;
    while i < STASH_WORDS {
        // Sixteen comparisons would be followed in all their combinations.
        differs |= core::hint::black_box(before[i] ^ now[i]);
        i += 1;
    }
    // A path on a page that was not there yet could not be read: nothing to compare with.
    let known = before[0] != 0;
    let _ = STASH.remove(key);
    known && differs != 0
}

/// The beginning of a path of user memory, zeros behind its end; all zero where it cannot be read.
#[inline(always)]
fn beginning(path: u64, start: &mut [u64; STASH_WORDS]) {
    // SAFETY: the place and the destination are the whole array.
    unsafe {
        clear::<STASH_WORDS>(start.as_mut_ptr());
        bpf_probe_read_user_str(start.as_mut_ptr().cast(), 8 * STASH_WORDS as u32, path as *const _);
    }
}

/// An operation on a descriptor that was opened before: fchmod, ftruncate, ...
#[inline(always)]
fn on_descriptor(call: &Ended) -> Option<()> {
    if offsets::is_lsm_tier() && call.ret >= 0 {
        return None;
    }
    let Plan { op, access, .. } = call.plan;
    let (_, dentry) = dentry::of_fd(call.argument(call.plan.dir)? as i32)?;
    let detail = detail(call)?;
    let operation = FileOperation { op, access, ret: call.ret, detail, before: false, syscall: call.number };
    tell_file(&call.inside, &operation, dentry, None, &verdict(&call.inside, 0, 0, 0));
    Some(())
}

/// A file was mapped executable. In the LSM tier `mmap_file` has told it.
#[inline(always)]
fn mapped(call: &Ended) -> Option<()> {
    if offsets::is_lsm_tier() || call.argument(call.plan.detail)? & PROT_EXEC == 0 {
        return None;
    }
    let (_, dentry) = dentry::of_fd(call.argument(call.plan.dir)? as i32)?;
    drop_subjects_unless_system(&call.inside, dentry);
    let decided = decide::file(&call.inside, dentry, access::EXEC, MEANS_KILL);
    if decided.flags & VERDICT_REFUSED != 0 {
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_send_signal(SIGKILL) };
    }
    let op = call.plan.op;
    let operation =
        FileOperation { op, access: access::EXEC, ret: 0, detail: 0, before: false, syscall: call.number };
    tell_file(&call.inside, &operation, dentry, None, &decided);
    Some(())
}

/// A process that maps code which is not root's, or which others may write, is no subject any more.
#[inline(always)]
pub fn drop_subjects_unless_system(inside: &Inside, dentry: Address) {
    const OTHERS_MAY_WRITE: u32 = 0o022;
    if inside.member().subjects == 0 {
        return;
    }
    let foreign = match dentry::facts(dentry) {
        Some(facts) => facts.uid != 0 || facts.mode & OTHERS_MAY_WRITE != 0,
        None => true,
    };
    if foreign {
        // SAFETY: points into the map's entry of this process.
        unsafe { (*inside.member).subjects = 0 };
    }
}

/// A call to a kernel interface, told by its first two arguments.
#[inline(always)]
fn raw(call: &Ended) -> Option<()> {
    let first = call.argument(call.plan.dir)?;
    let second = if call.plan.second == NO_ARG { 0 } else { call.argument(call.plan.second)? };
    let target_inside = match task::find(first as u32, 0) {
        Some(target) => target.slot == call.inside.slot,
        None => false,
    };
    let Some(buffer) = Buffer::claim() else {
        lose(u32::from(kind::KERNEL));
        return None;
    };
    let record: *mut Kernel = buffer.record();
    // SAFETY: the buffer is larger than a record, and this program's own until it is submitted.
    unsafe {
        (*record).op = call.plan.op;
        (*record).before = 0;
        (*record).ret = call.ret;
        (*record).first = first;
        (*record).second = second;
        (*record).inside = u32::from(target_inside);
        (*record).pad = 0;
        (*record).verdict = verdict(&call.inside, 0, 0, 0);
    }
    buffer.submit(kind::KERNEL, &call.inside, call.number, size_of::<Kernel>(), Urgency::Operation);
    Some(())
}
