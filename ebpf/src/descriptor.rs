//! Operations that a descriptor names: the file is the kernel's own, whatever path the caller gave.

use crate::call::{Ended, SIGKILL};
use crate::offsets;
use crate::read::Address;
use crate::ring::{FileOperation, tell_file, verdict};
use crate::task::Inside;
use crate::{decide, dentry, lent, process, shared, terminal, touched};
use abi::{
    CALL_APART, CALL_ENDS, CALL_ENDS_32, MEANS_KILL, Plan, REASON_OTHER_PROCESS, REASON_TERMINAL, STAGE_T0,
    VERDICT_REFUSED, Verdict, access,
};
use aya_ebpf::helpers::generated::bpf_send_signal;

const PROT_EXEC: u64 = 4;

/// A descriptor came back, and no hook has told it: what the deny-list refuses can only be answered with an end, before
/// the caller sees the descriptor. What is told stands for the end of the call, too.
#[inline(always)]
pub fn opened(call: &Ended, task: Address) -> Option<()> {
    let ends = if call.compat { CALL_ENDS_32 } else { CALL_ENDS };
    let opened = dentry::of_fd_of(task, call.ret)?;
    tell_open(&call.inside, opened, call.ret, call.number, call.detail()?, call.plan.access, ends)
}

/// Decides and tells a file that was opened, with its dentry, as descriptor `fd`. What the file itself does not keep comes
/// from the `asked` flags and `access`.
#[inline(always)]
pub fn tell_open(
    inside: &Inside,
    (file, dentry): (Address, Address),
    fd: i32,
    syscall: u32,
    asked: u32,
    access: u32,
    call: u32,
) -> Option<()> {
    /// `O_CREAT`, `O_EXCL`, `O_TRUNC`
    const FORGOTTEN: u32 = 0o100 | 0o200 | 0o1000;
    const O_TRUNC: u32 = 0o1000;
    let (kept, flags) = open_access(file)?;
    let flags = flags | asked & FORGOTTEN;
    let mut access = access | kept;
    if flags & O_TRUNC != 0 {
        access |= access::TRUNC | access::WRITE;
    }
    let reason = if offsets::is_lsm_tier() || access & access::PATH_ONLY != 0 {
        0
    } else if process::is_outside(dentry, &[process::ENVIRONMENT, process::MEMORY])
        || lent::is_outside(inside, file, dentry, call == CALL_APART || lent::is_shared())
    {
        REASON_OTHER_PROCESS
    } else if terminal::is_others(file.0, dentry.0, u64::from(inside.slot)) != 0 {
        REASON_TERMINAL
    } else {
        0
    };
    let mut decided = if reason != 0 {
        verdict(inside, STAGE_T0, reason, MEANS_KILL)
    } else {
        decide::file(inside, dentry, access, MEANS_KILL)
    };
    // Hooks are asked about both.
    if decided.stage == 0
        && !offsets::is_lsm_tier()
        && let Some(beneath) = dentry::beneath(dentry)
    {
        decided = decide::file(inside, beneath, access, MEANS_KILL);
    }
    if decided.flags & VERDICT_REFUSED != 0 && access & access::PATH_ONLY == 0 {
        shared::end(inside, file);
    }
    let op = abi::op::OPEN;
    let operation = FileOperation { op, access, ret: fd, detail: flags, before: false, syscall, call };
    tell_file(inside, &operation, dentry, None, &decided)
}

/// A descriptor of a file that no open made came back: no hook has seen it, in either tier.
#[inline(always)]
pub fn made(call: &Ended) -> Option<()> {
    let (_, dentry) = dentry::of_fd(call.ret)?;
    tell(call, dentry, &verdict(&call.inside, 0, 0, 0))
}

/// An operation on a descriptor that was opened before: fchmod, ftruncate, ...
#[inline(always)]
pub fn on_descriptor(call: &Ended) -> Option<()> {
    if offsets::is_lsm_tier() && call.ret >= 0 {
        return None;
    }
    let (_, dentry) = dentry::of_fd(call.argument(call.plan.dir)? as i32)?;
    tell(call, dentry, &changed(&call.inside, dentry, call.plan.access, call.ret))
}

/// What is decided of a change of an object's modes, owner or attributes by a descriptor, which may have been opened to be read: no
/// open was asked about it. It has happened: who did it ends.
#[inline(always)]
pub fn changed(inside: &Inside, dentry: Address, access: u32, ret: i32) -> Verdict {
    let inode = if ret >= 0 && access & access::ATTR != 0 { dentry::inode(dentry) } else { None };
    let found =
        inode.map_or(0, |inode| touched::judged(inode.0, u64::from(inside.slot), u64::from(access::ATTR)));
    if found & touched::CERTAIN == 0 {
        return verdict(inside, 0, 0, 0);
    }
    let decided = verdict(inside, STAGE_T0, found as u32, MEANS_KILL);
    if decided.flags & VERDICT_REFUSED != 0 {
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_send_signal(SIGKILL) };
    }
    decided
}

/// Tells what a call did to a file, by its plan, and what was decided of it.
#[inline(always)]
pub fn tell(call: &Ended, dentry: Address, decided: &Verdict) -> Option<()> {
    let Plan { op, access, .. } = *call.plan;
    let detail = call.detail()?;
    let operation = FileOperation {
        op,
        access,
        ret: call.ret,
        detail,
        before: false,
        syscall: call.number,
        call: CALL_APART,
    };
    tell_file(&call.inside, &operation, dentry, None, decided)
}

/// A file was mapped executable. In the LSM tier `mmap_file` has told it.
#[inline(always)]
pub fn mapped(call: &Ended) -> Option<()> {
    if offsets::is_lsm_tier() || call.argument(call.plan.detail)? & PROT_EXEC == 0 {
        return None;
    }
    let (_, dentry) = dentry::of_fd(call.argument(call.plan.dir)? as i32)?;
    let decided = decide::file(&call.inside, dentry, access::EXEC, MEANS_KILL);
    if decided.flags & VERDICT_REFUSED != 0 {
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_send_signal(SIGKILL) };
    }
    let op = call.plan.op;
    let operation = FileOperation {
        op,
        access: access::EXEC,
        ret: 0,
        detail: 0,
        before: false,
        syscall: call.number,
        call: CALL_APART,
    };
    tell_file(&call.inside, &operation, dentry, None, &decided)
}

/// Access bits of an open file, from `f_flags` and `f_mode`.
#[inline(always)]
pub fn open_access(file: Address) -> Option<(u32, u32)> {
    /// `FMODE_READ`, `FMODE_WRITE`, `FMODE_EXEC`, `FMODE_PATH`, `FMODE_CREATED`: include/linux/fs.h
    const MODES: [(u32, u32); 5] = [
        (0x1, abi::access::READ),
        (0x2, abi::access::WRITE),
        (0x20, abi::access::EXEC),
        (0x4000, abi::access::PATH_ONLY),
        (0x10_0000, abi::access::NEW | abi::access::CREATE),
    ];
    const O_TRUNC: u32 = 0o1000;
    let flags: u32 = file.get(offsets::file_flags())?;
    let mode: u32 = file.get(offsets::file_mode())?;
    let mut access = 0;
    let mut i = 0;
    while i < MODES.len() {
        if mode & MODES[i].0 != 0 {
            access |= MODES[i].1;
        }
        i += 1;
    }
    if flags & O_TRUNC != 0 {
        access |= abi::access::TRUNC | abi::access::WRITE;
    }
    Some((access, flags))
}
