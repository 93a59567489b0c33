//! Operations on paths. The paths are the caller's memory, or copies of it, and so claimed; what the kernel has changed
//! meanwhile is told beside them (see `change`).

use crate::call::{Ended, SIGKILL, argument, thread};
use crate::dentry::NO_DESCRIPTOR;
use crate::maps::{BEGUN, Begun, SCRATCH_LEN};
use crate::read::{Address, clear, zeroed};
use crate::ring::{Buffer, FACTS_WORDS, PATH_LEN, Urgency, append_path, verdict};
use crate::task::Inside;
use crate::{deadline, dentry, hold, offsets, touched};
use abi::{
    Claimed, MEANS_FREEZE, MEANS_KILL, NO_ARG, Plan, REQUEST_ENDED, REQUEST_NONE, REQUEST_TOLD, STAGE_NONE,
    STAGE_T0, VERDICT_REFUSED, Verdict, access, kind, op,
};
use aya_ebpf::helpers::generated::{bpf_ktime_get_boot_ns, bpf_send_signal};
use aya_ebpf::maps::LruHashMap;
use core::mem::{MaybeUninit, offset_of, size_of};

/// Remembers from now on what a call on paths, or a request, changes until it ends. `map` has it by its `key`; `mark`
/// is set in what tells it from others. Returns that.
#[inline(always)]
pub fn begin(map: &LruHashMap<u64, Begun>, key: u64, mark: u64) -> u64 {
    let mut place = MaybeUninit::<Begun>::uninit();
    let begun = zeroed(&mut place);
    // SAFETY: the helper has no preconditions.
    begun.call = unsafe { bpf_ktime_get_boot_ns() } | mark;
    let _ = map.insert(key, &*begun, 0);
    begun.call
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
    let plan = call.plan;
    // A started program is told by `sched_process_exec` in both tiers.
    if call.ret >= 0 && (offsets::is_lsm_tier() || plan.op == abi::op::EXEC) {
        return None;
    }
    if plan.path == NO_ARG {
        return None;
    }
    let (which, verdict) = settle(&call.inside, plan, begun, call.ret);
    let Some(buffer) = Buffer::claim() else {
        hold::lost(&call.inside, &verdict);
        return None;
    };
    starts_with_the_first(&buffer);
    let lengths = append_paths(buffer.slot(), call.regs.0, places(plan), u64::from(call.compat));
    if lengths == 0 {
        hold::lost(&call.inside, &verdict);
        buffer.discard();
        return None;
    }
    let detail = call.detail().unwrap_or(0);
    let of = Named { ret: call.ret, detail, request: REQUEST_NONE, call: which, verdict };
    send(
        &call.inside,
        buffer,
        plan,
        &of,
        [lengths as u32 & 0xffff, (lengths >> 16) as u32 & 0xffff, (lengths >> 32) as u32],
        call.number,
    );
    Some(())
}

/// Which call or request it was, and what is decided of what it has changed. It has happened: who did it goes no further, unless
/// the agent itself may have.
#[inline(always)]
pub fn settle(inside: &Inside, plan: &Plan, begun: Option<*const Begun>, ret: i32) -> (u64, Verdict) {
    let (mut which, mut stage, mut reason, mut certain) = (0, STAGE_NONE, 0, true);
    if let Some(begun) = begun {
        // SAFETY: points into the map's entry of what has ended, which nobody writes any more.
        let begun = unsafe { &*begun };
        which = begun.call;
        if ret >= 0 {
            let forbidden = touched::tell_after(inside, plan, begun);
            if forbidden != 0 {
                (stage, reason, certain) = (STAGE_T0, forbidden as u32, forbidden & touched::CERTAIN != 0);
            } else if plan.access & access::CREATE != 0 {
                let decided = touched::decided(begun, plan.access);
                (stage, reason) = ((decided >> 32) as u8, decided as u32);
            }
        }
    }
    let mut verdict = verdict(inside, stage, reason, MEANS_KILL);
    if verdict.flags & VERDICT_REFUSED != 0 && certain {
        verdict.means = stop(inside, plan.op, stage);
    }
    (which, verdict)
}

/// Stops who has changed what nothing could refuse, before the call returns; by which means. Where that may be the whole of an
/// attack, its session stands still if somebody watches over it.
#[inline(always)]
pub fn stop(inside: &Inside, op: u16, stage: u8) -> u8 {
    let takes_a_place =
        op == op::CREATE || op == op::SYMLINK || op == op::LINK || op == op::RENAME || op == op::MOUNT;
    // One change has the session stand still. Who makes another one while it should ends.
    let has_stood = hold::stands(inside) && inside.member().stands != 0;
    if stage == STAGE_T0 && takes_a_place && !has_stood && hold::changed(inside) {
        deadline::stops(inside);
        return MEANS_FREEZE;
    }
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_send_signal(SIGKILL) };
    MEANS_KILL
}

/// What is told of a path besides its plan.
pub struct Named {
    /// What it returned.
    pub ret: i32,
    /// See [`Claimed::detail`].
    pub detail: u32,
    /// `REQUEST_*`
    pub request: u16,
    /// See [`Claimed::call`].
    pub call: u64,
    /// What was decided.
    pub verdict: Verdict,
}

/// Says that a second path starts where the first does, until it is said where else.
#[inline(always)]
pub fn starts_with_the_first(buffer: &Buffer) {
    let record: *mut Claimed = buffer.record();
    // SAFETY: the buffer is larger than a record, and this program's own until it is submitted.
    unsafe { clear::<FACTS_WORDS>((&raw mut (*record).second_base).cast()) };
}

/// Completes a record of paths, and sends it. `lengths`: of the whole, and of each path.
#[inline(always)]
pub fn send(inside: &Inside, buffer: Buffer, plan: &Plan, of: &Named, lengths: [u32; 3], number: u32) {
    let [len, path_len, second_len] = lengths;
    let record: *mut Claimed = buffer.record();
    // SAFETY: the buffer is larger than a record, and this program's own until it is submitted.
    unsafe {
        (*record).op = plan.op;
        (*record).request = of.request;
        (*record).access = plan.access;
        (*record).ret = of.ret;
        (*record).detail = of.detail;
        (*record).path_len = path_len as u16;
        (*record).second_len = second_len as u16;
        (*record).pad = 0;
        (*record).call = of.call;
        (*record).verdict = of.verdict;
    }
    let urgency = if of.verdict.stage == STAGE_NONE { Urgency::Operation } else { Urgency::Control };
    buffer.submit(kind::CLAIMED, inside, number, len as usize, urgency);
}

/// Tells the end of a request, whose paths were told when it was made. `told`: another record has told how it ended.
#[inline(always)]
pub fn tell_end(
    inside: &Inside,
    plan: &Plan,
    call: u64,
    ret: i32,
    verdict: Verdict,
    told: bool,
) -> Option<()> {
    let Some(buffer) = Buffer::claim() else {
        hold::lost(inside, &verdict);
        return None;
    };
    let record: *mut Claimed = buffer.record();
    // SAFETY: the buffer is larger than a record, and this program's own until it is submitted.
    unsafe { clear::<FACTS_WORDS>((&raw mut (*record).base).cast()) };
    starts_with_the_first(&buffer);
    let request = if told { REQUEST_TOLD } else { REQUEST_ENDED };
    let of = Named { ret, detail: 0, request, call, verdict };
    send(inside, buffer, plan, &of, [size_of::<Claimed>() as u32, 0, 0], u32::MAX);
    Some(())
}

/// Where the registers of a call's paths are, in one number: places of a plan, from the lowest byte on.
#[inline(always)]
fn places(plan: &Plan) -> u64 {
    u64::from(u32::from_le_bytes([plan.dir, plan.path, plan.second_dir, plan.second]))
}

/// Appends the paths of a call to the record in a slot, and before each where it starts. Returns the length of the whole, above
/// it those of the two paths, 16 bits each; 0 where none could be read. Global linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn append_paths(slot: u64, regs: u64, places: u64, half: u64) -> u64 {
    let regs = Address(regs);
    let at = |byte: u32| argument(regs, (places >> (8 * byte)) as u8, half != 0);
    let is_there = |byte: u32| (places >> (8 * byte)) as u8 != NO_ARG;
    let start = |byte: u32| if is_there(byte) { at(byte).unwrap_or(NO_DESCRIPTOR) } else { NO_DESCRIPTOR };
    let base = offset_of!(Claimed, base) as u64;
    let begins = dentry::append_start(slot, base, size_of::<Claimed>() as u64, start(0));
    if begins == 0 {
        return 0;
    }
    let path_len = append_path(slot, begins, at(1).unwrap_or(0)) & PATH_MASK;
    let end = (begins & LEN_MASK) + path_len;
    if !is_there(3) {
        return end | path_len << 16;
    }
    let second_base = offset_of!(Claimed, second_base) as u64;
    let begins = if is_there(2) { dentry::append_start(slot, second_base, end, start(2)) } else { end };
    if begins == 0 {
        return end | path_len << 16;
    }
    let second_len = append_path(slot, begins, at(3).unwrap_or(0)) & PATH_MASK;
    (begins & LEN_MASK) + second_len | path_len << 16 | second_len << 32
}

const LEN_MASK: u64 = SCRATCH_LEN as u64 - 1;
const PATH_MASK: u64 = PATH_LEN as u64 - 1;
