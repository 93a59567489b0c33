//! Questions of user space, answered through `BPF_PROG_TEST_RUN` in the asking thread: never attached anywhere.

use crate::maps::{IDENTITY, VERDICT};
use crate::ring::{FileOperation, tell_file};
use crate::{decide, dentry, offsets, refusal, task};
use abi::{CALL_APART, MEANS_FANOTIFY, VERDICT_REFUSED, op};
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;

/// What descriptor `arg 0` of the caller is.
#[raw_tracepoint]
pub fn identify(ctx: RawTracePointContext) -> i32 {
    let fd: u64 = ctx.arg(0);
    let _ = tell_identity(fd as i32);
    0
}

#[inline(always)]
fn tell_identity(fd: i32) -> Option<()> {
    let answer = IDENTITY.get_ptr_mut(0)?;
    let (_, dentry) = dentry::of_fd(fd)?;
    let facts = dentry::facts(dentry)?;
    let magic: u64 = dentry.follow(offsets::dentry_sb())?.get(offsets::sb_magic())?;
    // SAFETY: points into an array; user space asks one question at a time.
    unsafe {
        (*answer).file = facts.file;
        (*answer).place = dentry::place(dentry.0);
        (*answer).name = dentry::first_hash(dentry).map_or(0, |(first, _)| first);
        (*answer).magic = magic;
        (*answer).mode = facts.mode;
        (*answer).nlink = facts.nlink;
        (*answer).uid = facts.uid;
        (*answer).found = 1;
    }
    Some(())
}

/// Whether process `arg 0`, by its thread `arg 1`, may do `arg 3` to what the caller has open as descriptor `arg 2`: the
/// decision behind a fanotify permission event. A refusal is recorded as the member's.
#[raw_tracepoint]
pub fn judge(ctx: RawTracePointContext) -> i32 {
    let (tgid, tid): (u64, u64) = (ctx.arg(0), ctx.arg(1));
    let (fd, access): (u64, u64) = (ctx.arg(2), ctx.arg(3));
    let _ = decided(tgid as u32, tid as u32, fd as i32, access as u32);
    0
}

#[inline(always)]
fn decided(tgid: u32, tid: u32, fd: i32, access: u32) -> Option<()> {
    let answer = VERDICT.get_ptr_mut(0)?;
    let inside = task::find(tgid, tid)?;
    let (_, dentry) = dentry::of_fd(fd)?;
    let verdict = decide::file(&inside, dentry, access, MEANS_FANOTIFY);
    // SAFETY: points into an array; user space asks one question at a time.
    unsafe { *answer = verdict };
    if verdict.stage != 0 {
        if verdict.flags & VERDICT_REFUSED != 0 {
            refusal::note(u64::from(tgid) << 32 | u64::from(tid));
        }
        let operation = FileOperation {
            op: op::OPEN,
            access,
            ret: -1,
            detail: 0,
            before: true,
            syscall: u32::MAX,
            call: CALL_APART,
        };
        let _ = tell_file(&inside, &operation, dentry, None, &verdict);
    }
    Some(())
}
