//! Operations on paths. The paths are the caller's memory, and so claimed; what the kernel has changed meanwhile is told
//! beside them (see `change`).

use crate::maps::{BEGUN, BEGUN_WORDS, Begun};
use crate::read::{Address, zeros};
use crate::ring::{Buffer, PATH_LEN, Urgency, verdict};
use crate::syscall::{Ended, SIGKILL, argument, thread};
use crate::task::Inside;
use crate::{change, dentry, mount, offsets};
use abi::{Claimed, MEANS_KILL, NO_ARG, STAGE_NONE, STAGE_T0, VERDICT_REFUSED, access, kind};
use aya_ebpf::helpers::generated::{bpf_ktime_get_boot_ns, bpf_send_signal};
use core::mem::{offset_of, size_of};

/// A call on paths begins: what it changes is looked for until it ends.
#[inline(always)]
pub fn begin(inside: &Inside) {
    let mut begun = zeros::<BEGUN_WORDS>();
    // SAFETY: the words are of the size and alignment of the structure, which is integers.
    let begun = unsafe { &mut *begun.as_mut_ptr().cast::<Begun>() };
    // SAFETY: the helper has no preconditions.
    begun.call = unsafe { bpf_ktime_get_boot_ns() };
    begun.mount = mount::newest().map_or(0, |mount| mount.0);
    let _ = BEGUN.insert(thread(inside), &*begun, 0);
}

/// Only a path names the object: because the call failed, or because no hook saw it. Claimed.
#[inline(always)]
pub fn named(call: &Ended) -> Option<()> {
    let key = thread(&call.inside);
    let begun = BEGUN.get_ptr(key);
    let told = tell(call, begun);
    if begun.is_some() {
        let _ = BEGUN.remove(key);
    }
    told
}

#[inline(always)]
fn tell(call: &Ended, begun: Option<*const Begun>) -> Option<()> {
    let plan = &call.plan;
    // A started program is told by `sched_process_exec` in both tiers.
    if call.ret >= 0 && (offsets::is_lsm_tier() || plan.op == abi::op::EXEC) {
        return None;
    }
    if plan.path == NO_ARG {
        return None;
    }
    let path = call.argument(plan.path)?;
    let detail = call.detail()?;
    let base = base(call, plan.dir)?;
    let second = if plan.second == NO_ARG { 0 } else { call.argument(plan.second)? };
    let (mut which, mut stage, mut reason) = (0, STAGE_NONE, 0);
    if let Some(begun) = begun {
        // SAFETY: points into the map's entry of this thread, which nobody else writes.
        let begun = unsafe { &*begun };
        which = begun.call;
        if call.ret >= 0 {
            let forbidden = change::tell_after(begun, call.inside.subjects());
            if forbidden != 0 {
                (stage, reason) = (STAGE_T0, forbidden as u32);
            } else if plan.access & access::CREATE != 0 {
                let decided = change::decided(begun, plan.access);
                (stage, reason) = ((decided >> 32) as u8, decided as u32);
            }
        }
    }
    // It has happened. Who changed a jewel is stopped by user space, which knows what the jewel is; who made what does not
    // belong ends before it can put anything there.
    let verdict = verdict(&call.inside, stage, reason, MEANS_KILL);
    if stage != STAGE_T0 && verdict.flags & VERDICT_REFUSED != 0 {
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_send_signal(SIGKILL) };
    }
    let Some(buffer) = Buffer::claim() else { return None };
    let Some(len) = buffer.append_file(offset_of!(Claimed, base), size_of::<Claimed>(), base) else {
        buffer.discard();
        return None;
    };
    let path_len = buffer.append_path(len, path);
    let end = len + path_len as usize;
    let second_len = if plan.second == NO_ARG { 0 } else { buffer.append_path(end, second) };
    let total = end + second_len as usize;
    let record: *mut Claimed = buffer.record();
    // SAFETY: the buffer is larger than a record, and this program's own until it is submitted.
    unsafe {
        (*record).op = plan.op;
        (*record).pad = 0;
        (*record).access = plan.access;
        (*record).ret = call.ret;
        (*record).detail = detail;
        (*record).path_len = path_len as u16;
        (*record).second_len = second_len as u16;
        (*record).path_cut = u32::from(path_len >= PATH_LEN - 1);
        (*record).call = which;
        (*record).verdict = verdict;
    }
    let urgency = if stage == STAGE_NONE { Urgency::Operation } else { Urgency::Control };
    buffer.submit(kind::CLAIMED, &call.inside, call.number, total, urgency);
    Some(())
}

/// Where a relative path starts. A descriptor that names nothing counts as the working directory: the call has failed.
#[inline(always)]
fn base(call: &Ended, dir: u8) -> Option<Address> {
    if dir == NO_ARG {
        return dentry::working_directory();
    }
    match dentry::of_fd(argument(call.regs, dir, call.compat)? as i32) {
        Some((_, dentry)) => Some(dentry),
        None => dentry::working_directory(),
    }
}
