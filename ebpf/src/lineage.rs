//! Lineage: membership is inherited at fork, and an entry goes with its last thread.

use crate::call::{Running, SIGKILL, thread};
use crate::maps::{BEGUN, EVER_INSIDE, MEMBERS};
use crate::offsets;
use crate::read::{Address, clear};
use crate::ring::{Buffer, FACTS_WORDS, Urgency, lose, tell_syscall, verdict};
use crate::{atomic, decide, dentry, itself, stray, task};
use abi::{
    Bit, Exec, Exit, FORK_CGROUP, FORK_NAMESPACES, Fork, LOSS_MEMBER, MEANS_KILL, Member, SESSION_ENFORCE,
    STAGE_NONE, VERDICT_REFUSED, access, form, kind,
};
use aya_ebpf::helpers::generated::{bpf_probe_read_user, bpf_send_signal};
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use core::mem::{offset_of, size_of};

/// `TP_PROTO(struct task_struct *parent, struct task_struct *child)`; runs in the parent before the child can.
#[raw_tracepoint(tracepoint = "sched_process_fork")]
pub fn fork(ctx: RawTracePointContext) -> i32 {
    let _ = on_fork(Address(ctx.arg(0)), Address(ctx.arg(1)));
    0
}

#[inline(always)]
fn on_fork(parent: Address, child: Address) -> Option<()> {
    let tgid: u32 = parent.word(offsets::task_tgid())?;
    let inside = task::find(tgid, parent.word(offsets::task_pid())?)?;
    let child_tgid: u32 = child.word(offsets::task_tgid())?;
    let child_tid: u32 = child.word(offsets::task_pid())?;
    let start_ns: u64 = child.follow(offsets::task_leader())?.get(offsets::task_start())?;
    let mut inherited = true;
    if child_tgid != tgid {
        let entry = Member {
            start_ns,
            session: inside.slot,
            parent: tgid,
            stopped: 0,
            put_off: 0,
            stands: 0,
            pad: 0,
        };
        let bit = Bit::of_process(child_tgid);
        if let Some(word) = EVER_INSIDE.get_ptr_mut(bit.word) {
            atomic::fetch_or(word, bit.mask);
        }
        inherited = MEMBERS.insert(child_tgid, entry, 0).is_ok();
        itself::forks(&inside, child_tgid, start_ns);
        if !inherited {
            lose(LOSS_MEMBER);
            if inside.session().flags & SESSION_ENFORCE != 0 {
                stray::mark(child_tgid);
            }
        }
    }
    let buffer = Buffer::claim()?;
    let record: *mut Fork = buffer.record();
    // SAFETY: the buffer is larger than a record, and this program's own until it is submitted.
    unsafe {
        (*record).child_tgid = child_tgid;
        (*record).child_tid = child_tid;
        (*record).start_ns = start_ns;
        (*record).member = u32::from(inherited);
        (*record).flags = moved(parent, child);
    }
    buffer.submit(kind::FORK, &inside, u32::MAX, size_of::<Fork>(), Urgency::Lineage);
    Some(())
}

/// `FORK_*`: what the child does not share with its parent.
#[inline(always)]
fn moved(parent: Address, child: Address) -> u32 {
    let users = |task: Address| {
        task.follow(offsets::task_cred()).and_then(|cred| cred.follow(offsets::cred_user_ns()))
    };
    let mut flags = 0;
    if child.follow(offsets::task_nsproxy()) != parent.follow(offsets::task_nsproxy())
        || users(child) != users(parent)
    {
        flags |= FORK_NAMESPACES;
    }
    if child.follow(offsets::task_cgroups()) != parent.follow(offsets::task_cgroups()) {
        flags |= FORK_CGROUP;
    }
    flags
}

/// Bytes of arguments that a record carries at most.
const ARGS_LEN: u32 = 1023;

/// `TP_PROTO(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`; runs in the new program's process before
/// its first instruction.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn exec(ctx: RawTracePointContext) -> i32 {
    let _ = on_exec(Address(ctx.arg(0)), Address(ctx.arg(2)));
    0
}

#[inline(always)]
fn on_exec(task: Address, bprm: Address) -> Option<()> {
    let inside = task::current()?;
    // An interpreter has changed the one name and left the other, which is the kernel's copy of what the caller gave.
    let (script, interpreter) = (bprm.follow(offsets::bprm_filename()), bprm.follow(offsets::bprm_interp()));
    itself::runs(&inside, script != interpreter);
    let dentry = bprm.follow(offsets::bprm_file())?.follow(offsets::file_dentry())?;
    let mm = task.follow(offsets::task_mm())?;
    let mut decided = verdict(&inside, 0, 0, 0);
    if !offsets::is_lsm_tier() {
        decided = decide::file(&inside, dentry, access::EXEC, MEANS_KILL);
        if decided.flags & VERDICT_REFUSED != 0 {
            // Still in the kernel: the new program never runs an instruction.
            // SAFETY: the helper has no preconditions.
            unsafe { bpf_send_signal(SIGKILL) };
        }
    }
    let buffer = Buffer::claim()?;
    let Some(mut len) = buffer.append_file(offset_of!(Exec, exe), size_of::<Exec>(), dentry) else {
        buffer.discard();
        return None;
    };
    let start: u64 = mm.get(offsets::mm_arg_start()).unwrap_or(0);
    let end: u64 = mm.get(offsets::mm_arg_end()).unwrap_or(0);
    let mut args_len = end.saturating_sub(start);
    let args_cut = args_len > u64::from(ARGS_LEN);
    if args_cut {
        args_len = u64::from(ARGS_LEN);
    }
    let args_len = args_len as u32 & ARGS_LEN;
    let place = len & (dentry::NAMES_LEN * 2 - 1);
    // SAFETY: `place` is below 8,192 and the arguments below 1,024, so both end before the buffer does.
    if unsafe { bpf_probe_read_user(buffer.base().add(place).cast(), args_len, start as *const _) } == 0 {
        len = place + args_len as usize;
    }
    let args_end = len;
    let mut script_len = 0;
    let record: *mut Exec = buffer.record();
    // SAFETY: the buffer is larger than a record, and this program's own until it is submitted.
    unsafe { clear::<FACTS_WORDS>((&raw mut (*record).base).cast()) };
    if script != interpreter
        && let Some(script) = script
        && let Some(base) = dentry::working_directory()
        && let Some(end) = buffer.append_file(offset_of!(Exec, base), len, base)
    {
        script_len = buffer.append_kernel_path(end, script);
        len = end + script_len as usize;
    }
    // SAFETY: as above.
    unsafe {
        (*record).verdict = decided;
        (*record).args_len = (args_end - place) as u32;
        (*record).script_len = script_len;
        (*record).args_cut = u32::from(args_cut);
        (*record).pad = 0;
    }
    let urgency = if decided.stage == STAGE_NONE { Urgency::Lineage } else { Urgency::Control };
    buffer.submit(kind::EXEC, &inside, u32::MAX, len, urgency);
    Some(())
}

/// `TP_PROTO(struct task_struct *p)` (and `bool group_dead` since 6.16); runs in every thread that ends.
#[raw_tracepoint(tracepoint = "sched_process_exit")]
pub fn exit(ctx: RawTracePointContext) -> i32 {
    let _ = on_exit(Address(ctx.arg(0)));
    0
}

#[inline(always)]
fn on_exit(task: Address) -> Option<()> {
    // Counted down before the tracepoint: 0 means that this was the last thread.
    let live: i32 = task.follow(offsets::task_signal())?.get(offsets::signal_live())?;
    let Some(inside) = task::current() else {
        if live == 0 {
            stray::forget(task.word(offsets::task_tgid())?);
        }
        return None;
    };
    let code: u32 = task.word(offsets::task_exit_code()).unwrap_or(0);
    if let Some(call) = Running::find()
        && call.plan.form == form::LAST
    {
        tell_syscall(&inside, call.number, 0, call.compat);
    }
    if !offsets::is_lsm_tier() {
        // A call that ends with its thread has no end of its own.
        let _ = BEGUN.remove(thread(&inside));
    }
    if let Some(buffer) = Buffer::claim() {
        let record: *mut Exit = buffer.record();
        // SAFETY: the buffer is larger than a record, and this program's own until it is submitted.
        unsafe {
            (*record).code = code;
            (*record).group_dead = u32::from(live == 0);
        }
        buffer.submit(kind::EXIT, &inside, u32::MAX, size_of::<Exit>(), Urgency::Lineage);
    }
    if live == 0 {
        let _ = MEMBERS.remove(inside.tgid);
        itself::ends(inside.tgid);
    }
    Some(())
}
