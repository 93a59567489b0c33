//! The raw system call sequence of every thread inside a session, and the operations that only a system call's end
//! can tell: what it returned, which file a descriptor came to be, and paths that name nothing.

use crate::maps::{PLANS, REFUSED, STASH, STASH_WORDS};
use crate::offsets;
use crate::read::Address;
use crate::ring::{Buffer, FileOperation, NO_FACTS, Urgency, lose, open_access, tell_file, verdict};
use crate::task::{self, Inside};
use crate::{decide, dentry, socket};
use abi::{Claimed, Kernel, MEANS_KILL, NO_ARG, Plan, Syscall, VERDICT_REFUSED, access, form, kind};
use aya_ebpf::helpers::generated::{bpf_probe_read_user_str, bpf_send_signal};
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use core::mem::size_of;

const SIGKILL: u32 = 9;
const EPERM: i64 = 1;
/// `TS_COMPAT`, arch/x86/include/asm/thread_info.h: a 32-bit call is running.
const TS_COMPAT: u32 = 2;
/// Number of the first 32-bit call in `PLANS`.
const COMPAT: u32 = 512;
const AT_FDCWD: i32 = -100;
const PROT_EXEC: u64 = 4;
/// Bytes of a path that a record carries at most, its NUL included.
const PATH_LEN: u32 = 4096;

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
        let mut start = [0u64; STASH_WORDS];
        beginning(path, &mut start);
        let _ = STASH.insert(thread(&inside), start, 0);
    }
    Some(())
}

/// `TP_PROTO(struct pt_regs *regs, long ret)`. The registers still hold the arguments.
#[raw_tracepoint(tracepoint = "sys_exit")]
pub fn sys_exit(ctx: RawTracePointContext) -> i32 {
    let _ = on_exit(Address(ctx.arg(0)), ctx.arg::<u64>(1) as i64);
    0
}

#[inline(always)]
fn on_exit(regs: Address, ret: i64) -> Option<()> {
    let inside = task::current()?;
    let compat = is_compat();
    let number = regs.get::<u64>(offsets::regs_orig_ax())? as u32;
    tell_syscall(&inside, number, ret, compat);
    let plan = plan(number, compat)?;
    if ret == -EPERM && REFUSED.remove(thread(&inside)).is_ok() {
        return None;
    }
    match plan.form {
        form::OPEN if ret >= 0 => opened(&inside, number, ret as i32),
        form::OPEN | form::PATH => named(&inside, regs, number, &plan, ret as i32),
        form::FD => on_descriptor(&inside, regs, number, &plan, ret as i32),
        form::MAP if ret >= 0 || ret < -4095 => mapped(&inside, regs, number, &plan),
        form::SOCKET => socket::finished(&inside, argument(regs, plan.dir)? as i32, number, plan.op, ret as i32),
        form::ACCEPT if ret >= 0 => socket::finished(&inside, ret as i32, number, plan.op, 0),
        form::RAW => raw(&inside, regs, number, &plan, ret as i32),
        _ => None,
    }
}

/// Key of the current thread in the maps that hold what a call began.
#[inline(always)]
pub fn thread(inside: &Inside) -> u64 {
    u64::from(inside.tgid) << 32 | u64::from(inside.tid)
}

#[inline(always)]
fn is_compat() -> bool {
    task::task().get::<u32>(offsets::task_status()).unwrap_or(0) & TS_COMPAT != 0
}

#[inline(always)]
fn plan(number: u32, compat: bool) -> Option<Plan> {
    if number >= COMPAT {
        return None;
    }
    PLANS.get(if compat { number + COMPAT } else { number }).copied()
}

/// An argument of the call, from the saved registers; 0 where there is none.
#[inline(always)]
fn argument(regs: Address, index: u8) -> Option<u64> {
    let offset = match index {
        0 => offsets::regs_di(),
        1 => offsets::regs_si(),
        2 => offsets::regs_dx(),
        3 => offsets::regs_r10(),
        4 => offsets::regs_r8(),
        _ => return Some(0),
    };
    regs.get(offset)
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
fn opened(inside: &Inside, number: u32, fd: i32) -> Option<()> {
    if offsets::is_lsm_tier() {
        return None;
    }
    let (file, dentry) = dentry::of_fd(fd)?;
    let (access, flags) = open_access(file)?;
    let decided = decide::file(inside, dentry, access, MEANS_KILL);
    if decided.flags & VERDICT_REFUSED != 0 && access & access::PATH_ONLY == 0 {
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_send_signal(SIGKILL) };
    }
    let operation =
        FileOperation { op: abi::op::OPEN, access, ret: fd, detail: flags, before: false, syscall: number };
    tell_file(inside, &operation, dentry, None, &decided);
    Some(())
}

/// Only a path names the object: because the call failed, or because no hook saw it. Claimed.
#[inline(always)]
fn named(inside: &Inside, regs: Address, number: u32, plan: &Plan, ret: i32) -> Option<()> {
    // A started program is told by `sched_process_exec` in both tiers.
    if ret >= 0 && (offsets::is_lsm_tier() || plan.op == abi::op::EXEC) {
        return None;
    }
    let path = argument(regs, plan.path)?;
    let detail = argument(regs, plan.detail)? as u32;
    let base = base(regs, plan.dir);
    let Some(buffer) = Buffer::claim() else { return None };
    let mut len = size_of::<Claimed>();
    let mut facts = NO_FACTS;
    if let Some(base) = base
        && let Some(found) = dentry::facts(base)
    {
        facts = found;
        let (end, cut) = buffer.append_names(len, base);
        facts.names_len = (end - len) as u16;
        facts.cut = u16::from(cut);
        len = end;
    }
    let (path_len, end) = append_path(&buffer, len, path);
    let (mut second_len, mut total) = (0, end);
    if plan.second != NO_ARG {
        (second_len, total) = append_path(&buffer, end, argument(regs, plan.second)?);
    }
    let swapped = swapped(inside, &buffer, path);
    let record: *mut Claimed = buffer.record();
    // SAFETY: the buffer is larger than a record, and this program's own until it is submitted.
    unsafe {
        (*record).op = plan.op;
        (*record).swapped = u16::from(swapped);
        (*record).access = plan.access;
        (*record).ret = ret;
        (*record).detail = detail;
        (*record).base = facts;
        (*record).path_len = path_len;
        (*record).second_len = second_len;
        (*record).path_cut = u32::from(u32::from(path_len) >= PATH_LEN - 1);
        (*record).pad = 0;
    }
    buffer.submit(kind::CLAIMED, inside, number, total, Urgency::Operation);
    Some(())
}

/// Where a relative path starts.
#[inline(always)]
fn base(regs: Address, dir: u8) -> Option<Address> {
    if dir == NO_ARG {
        return dentry::working_directory();
    }
    let fd = argument(regs, dir)? as i32;
    if fd == AT_FDCWD {
        return dentry::working_directory();
    }
    Some(dentry::of_fd(fd)?.1)
}

/// Appends a path of user memory. Returns its length without the NUL, and the new length of the record.
#[inline(always)]
fn append_path(buffer: &Buffer, len: usize, path: u64) -> (u16, usize) {
    let place = len & 0x3fff;
    if place > crate::maps::SCRATCH_LEN - PATH_LEN as usize - 8 {
        return (0, len);
    }
    // SAFETY: a whole path fits behind `place`.
    let read = unsafe { bpf_probe_read_user_str(buffer.base().add(place).cast(), PATH_LEN, path as *const _) };
    if read <= 0 {
        return (0, len);
    }
    let path_len = (read as usize - 1) & 0xfff;
    (path_len as u16, place + path_len)
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
        differs |= before[i] ^ now[i];
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
    *start = [0; STASH_WORDS];
    // SAFETY: the destination is the whole array.
    unsafe { bpf_probe_read_user_str(start.as_mut_ptr().cast(), 8 * STASH_WORDS as u32, path as *const _) };
}

/// An operation on a descriptor that was opened before: fchmod, ftruncate, ...
#[inline(always)]
fn on_descriptor(inside: &Inside, regs: Address, number: u32, plan: &Plan, ret: i32) -> Option<()> {
    if offsets::is_lsm_tier() && ret >= 0 {
        return None;
    }
    let (_, dentry) = dentry::of_fd(argument(regs, plan.dir)? as i32)?;
    let detail = argument(regs, plan.detail)? as u32;
    let operation = FileOperation { op: plan.op, access: plan.access, ret, detail, before: false, syscall: number };
    tell_file(inside, &operation, dentry, None, &verdict(inside, 0, 0, 0));
    Some(())
}

/// A file was mapped executable. In the LSM tier `mmap_file` has told it.
#[inline(always)]
fn mapped(inside: &Inside, regs: Address, number: u32, plan: &Plan) -> Option<()> {
    if offsets::is_lsm_tier() || argument(regs, 2)? & PROT_EXEC == 0 {
        return None;
    }
    let (_, dentry) = dentry::of_fd(argument(regs, plan.dir)? as i32)?;
    drop_subjects_unless_system(inside, dentry);
    let decided = decide::file(inside, dentry, access::EXEC, MEANS_KILL);
    if decided.flags & VERDICT_REFUSED != 0 {
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_send_signal(SIGKILL) };
    }
    let operation =
        FileOperation { op: plan.op, access: access::EXEC, ret: 0, detail: 0, before: false, syscall: number };
    tell_file(inside, &operation, dentry, None, &decided);
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
fn raw(inside: &Inside, regs: Address, number: u32, plan: &Plan, ret: i32) -> Option<()> {
    let first = argument(regs, plan.dir)?;
    let second = argument(regs, plan.second)?;
    let target_inside = match task::find(first as u32, 0) {
        Some(target) => target.slot == inside.slot,
        None => false,
    };
    let Some(buffer) = Buffer::claim() else {
        lose(u32::from(kind::KERNEL));
        return None;
    };
    let record: *mut Kernel = buffer.record();
    // SAFETY: the buffer is larger than a record, and this program's own until it is submitted.
    unsafe {
        (*record).op = plan.op;
        (*record).before = 0;
        (*record).ret = ret;
        (*record).first = first;
        (*record).second = second;
        (*record).inside = u32::from(target_inside);
        (*record).pad = 0;
        (*record).verdict = verdict(inside, 0, 0, 0);
    }
    buffer.submit(kind::KERNEL, inside, number, size_of::<Kernel>(), Urgency::Operation);
    Some(())
}
