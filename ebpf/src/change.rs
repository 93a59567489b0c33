//! Which inodes a call or a request on paths really changes: the kernel stamps each with the time of its change, and says so in a
//! tracepoint (since 6.13). The inode is its own, whatever path the caller's memory holds; its names are those of its
//! dentries, told while the call runs and once more when it ends.

use crate::call::{Running, SIGKILL, thread};
use crate::maps::{BEGUN, Begun, INODES};
use crate::task::Inside;
use crate::touched::{CERTAIN, changes, inode_above, judged, tell_names};
use crate::{hold, named, task, uring, worker};
use abi::{form, op};
use aya_ebpf::helpers::generated::bpf_send_signal;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;

/// `TP_PROTO(struct inode *inode, ...)` of `inode_set_ctime_to_ts`, `ctime_ns_xchg` and `ctime_xchg_skip`: between them
/// they cover every file system.
#[raw_tracepoint(tracepoint = "ctime_ns_xchg")]
pub fn changed(ctx: RawTracePointContext) -> i32 {
    let _ = on_change(ctx.arg(0));
    0
}

#[inline(always)]
fn on_change(inode: u64) -> Option<()> {
    let inside = task::current()?;
    let request = worker::request();
    let (begun, changes, tells) = match request {
        Some(request) => {
            let (begun, changes) = uring::begun(request)?;
            (begun, changes, true)
        }
        None => begun(&inside)?,
    };
    // SAFETY: only this thread writes its entry, or that of the request that it works at.
    let begun: &mut Begun = unsafe { &mut *begun };
    let mut i = 0;
    while i < INODES {
        if begun.inodes[i] == inode {
            return None;
        }
        i += 1;
    }
    // Of more than that, the last ones are judged once more at the end: a walk along a path, which may stamp any number of
    // inodes (what is read from a disk, what FUSE looks up anew), comes before what the call changes.
    let place = begun.count as usize & (INODES - 1);
    let bits = place as u64 * 2;
    begun.inodes[place] = inode;
    begun.above = begun.above & !(3 << bits) | inode_above(inode, u64::from(inside.slot)) << bits;
    begun.count += 1;
    if tells {
        tell_names(inode, begun.call, 0);
    }
    if hold::ends(&inside) {
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_send_signal(SIGKILL) };
    }
    if begun.forbidden & CERTAIN == 0 {
        let was = begun.forbidden;
        let now = judged(inode, u64::from(inside.slot), u64::from(changes));
        if now != 0 {
            begun.forbidden = now;
        }
        if was == 0
            && now != 0
            && let Some(request) = request
        {
            uring::forbidden(&inside, request, begun);
        }
    }
    Some(())
}

/// The call on paths that the current thread is in, which begins with the first inode that it changes, what it may change, and
/// whether the names of that are told: what a socket is bound to, the end of the call tells. Of any other, nothing is looked for.
#[inline(always)]
fn begun(inside: &Inside) -> Option<(*mut Begun, u32, bool)> {
    let call = Running::find()?;
    let form = call.plan.form;
    let binds = call.plan.op == op::BIND || form == form::SOCKETCALL;
    if form != form::PATH && form != form::MOUNT && !binds || !call.is_under_way() {
        return None;
    }
    let key = thread(inside);
    if BEGUN.get_ptr(key).is_none() {
        named::begin(&BEGUN, key, 0);
    }
    Some((BEGUN.get_ptr_mut(key)?, changes(call.plan), !binds))
}
