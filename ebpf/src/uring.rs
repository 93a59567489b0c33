//! io_uring: no system call is made for a request. It is told when it is made, by its opcode, and by the paths that the
//! kernel has copied for it; what came of it is told when it completes, by whichever thread that is.

use crate::call::thread;
use crate::dentry::NO_DESCRIPTOR;
use crate::descriptor::{changed as changed_by, tell_open};
use crate::maps::{Begun, FORMS, PLANS, REQUESTS};
use crate::named::{self, Named};
use crate::peer::{NetOperation, Peer};
use crate::process::tell_interface;
use crate::read::{Address, zeroed, zeros};
use crate::refusal::EPERM;
use crate::ring::{Buffer, FileOperation, Said, lose, tell_file, verdict};
use crate::task::{self, Inside};
use crate::{deadline, dentry, endpoint, offsets, peer, refusal, shared, touched};
use abi::{
    CALL_APART, CALL_OF_REQUEST, Claimed, LOSS_UNREADABLE, MEANS_KILL, NO_ARG, PLANS as PLAN_COUNT,
    PLANS_REQUESTS, Plan, REASON_UNTOLD, REQUEST_HOOKED, REQUEST_MADE, STAGE_T0, VERDICT_REFUSED, access,
    form, op,
};
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use core::mem::{MaybeUninit, offset_of, size_of};

const AF_UNIX: u16 = 1;
const SOCK_DGRAM: u16 = 2;

/// `TP_PROTO(struct io_kiocb *req, ...)`
#[raw_tracepoint(tracepoint = "io_uring_submit_req")]
pub fn io_request(ctx: RawTracePointContext) -> i32 {
    let _ = on_request(Address(ctx.arg(0)));
    0
}

#[inline(always)]
fn on_request(request: Address) -> Option<()> {
    let inside = task::current()?;
    // A ring's own thread makes no system call.
    deadline::stops(&inside);
    let opcode: u8 = request.get(offsets::kiocb_opcode())?;
    let _ = tell_interface(&inside, op::IO_REQUEST, u64::from(opcode), 0);
    let plan = plan(request)?;
    match plan.form {
        form::REQUEST_OPEN | form::REQUEST_PATH => on_paths(&inside, request, plan),
        form::REQUEST_SEND => sends(&inside, request),
        _ => None,
    }
}

/// What a request on paths changes is looked for until it has completed.
#[inline(always)]
fn on_paths(inside: &Inside, request: Address, plan: &Plan) -> Option<()> {
    let path = copied(request, plan.path)?;
    let detail = if plan.detail == NO_ARG { 0 } else { request.word(plan.detail as usize)? };
    // A mode has 16 bits.
    let detail = if plan.op == op::MKDIR { detail & 0xffff } else { detail };
    let call = named::begin(&REQUESTS, request.0, CALL_OF_REQUEST);
    let buffer = Buffer::claim()?;
    named::starts_with_the_first(&buffer);
    let dir = start(request, plan.dir);
    let Some(len) = buffer.append_start(offset_of!(Claimed, base), size_of::<Claimed>(), dir) else {
        buffer.discard();
        return None;
    };
    let path_len = buffer.append_kernel_path(len, path);
    let (mut end, mut second_len) = (len + path_len as usize, 0);
    if plan.form == form::REQUEST_PATH
        && let Some(second) = copied(request, plan.second)
        && let Some(start) = buffer.append_second_start(end, plan.second_dir, start(request, plan.second_dir))
    {
        second_len = buffer.append_kernel_path(start, second);
        end = start + second_len as usize;
    }
    let made = if offsets::is_lsm_tier() { REQUEST_HOOKED } else { REQUEST_MADE };
    let untold = verdict(inside, STAGE_T0, REASON_UNTOLD, MEANS_KILL);
    let verdict = if makes_name(plan) && !offsets::is_lsm_tier() { untold } else { verdict(inside, 0, 0, 0) };
    let of = Named { ret: 0, detail, request: made, call, verdict };
    named::send(inside, buffer, plan, &of, [end as u32, path_len, second_len], u32::MAX);
    if plan.form == form::REQUEST_OPEN && !offsets::is_lsm_tier() && hides(request, plan) {
        if untold.flags & VERDICT_REFUSED != 0 {
            shared::end(inside, Address(0));
        }
        return named::tell_end(inside, plan, call, 0, untold, false);
    }
    Some(())
}

/// Whether a request gives something a name, of which its end alone can say what is there by now. Where that is not told, what was
/// decided when it was made holds.
#[inline(always)]
fn makes_name(plan: &Plan) -> bool {
    matches!(plan.op, op::RENAME | op::LINK | op::SYMLINK | op::MKDIR)
}

/// Whether what a request opens is shown to nobody: it goes to a slot of the ring's own table, or its success is not told
/// (`IOSQE_CQE_SKIP_SUCCESS`).
#[inline(always)]
fn hides(request: Address, plan: &Plan) -> bool {
    /// `REQ_F_CQE_SKIP`, include/linux/io_uring_types.h
    const SKIPS: u32 = 1 << 6;
    is_slot(request, plan) || request.word(offsets::kiocb_flags()).is_some_and(|flags| flags & SKIPS != 0)
}

/// Whether what comes back is a slot of the ring's own table, and no descriptor.
#[inline(always)]
fn is_slot(request: Address, plan: &Plan) -> bool {
    plan.second != NO_ARG && request.word(plan.second as usize).unwrap_or(1) != 0
}

/// The kernel's copy of a path.
#[inline(always)]
fn copied(request: Address, place: u8) -> Option<Address> {
    if place == NO_ARG {
        return None;
    }
    request.follow(place as usize)?.follow(offsets::filename_name())
}

/// The descriptor at which a relative path starts; see `named`.
#[inline(always)]
fn start(request: Address, place: u8) -> u64 {
    if place == NO_ARG {
        NO_DESCRIPTOR
    } else {
        request.word(place as usize).map_or(NO_DESCRIPTOR, u64::from)
    }
}

/// A datagram of a unix socket to an address of its own, told before it is sent: then the kernel's copy of the address is
/// there. Internet addresses are told by the cgroup hooks, and in the LSM tier unix ones by theirs.
#[inline(always)]
fn sends(inside: &Inside, request: Address) -> Option<()> {
    if offsets::is_lsm_tier() {
        return None;
    }
    let data = request.follow(offsets::kiocb_data())?;
    let name = data.follow(offsets::async_msg_name())?;
    if name.get::<u16>(0)? != AF_UNIX {
        return None;
    }
    let said = Said { address: name.0, len: data.word(offsets::async_msg_name_len())?, of_kernel: true };
    let operation = NetOperation {
        op: op::SEND,
        ret: 0,
        before: false,
        syscall: u32::MAX,
        unix: Address(0),
        peer: 0,
        own: false,
        socket: 0,
        said,
    };
    let peer = Peer { family: AF_UNIX, kind: SOCK_DGRAM, port: 0, protocol: 0, addr: zeros() };
    peer::tell(inside, &operation, &peer, &verdict(inside, 0, 0, 0));
    Some(())
}

/// How a request is read, by its opcode.
#[inline(always)]
fn plan(request: Address) -> Option<&'static Plan> {
    let opcode: u8 = request.get(offsets::kiocb_opcode())?;
    let index = PLANS_REQUESTS + u32::from(opcode);
    if index >= PLAN_COUNT { None } else { PLANS.get(index) }
}

/// A request on paths that a worker has begun to work at, and what it may change; of any other, nothing is looked for.
#[inline(always)]
pub fn begun(request: Address) -> Option<(*mut Begun, u32)> {
    let plan = plan(request)?;
    if plan.form != form::REQUEST_PATH {
        return None;
    }
    if REQUESTS.get_ptr(request.0).is_none() {
        named::begin(&REQUESTS, request.0, CALL_OF_REQUEST);
    }
    // None of them writes to what a path names.
    Some((REQUESTS.get_ptr_mut(request.0)?, touched::changes(plan) & !access::WRITE))
}

/// The static stage forbids what a request has changed. It is told at once: whether and when a completion is told is up to
/// who made the request (`IOSQE_CQE_SKIP_SUCCESS`, a queue that is full, `IORING_SETUP_DEFER_TASKRUN`).
#[inline(always)]
pub fn forbidden(inside: &Inside, request: Address, begun: &Begun) {
    let Some(plan) = plan(request) else { return };
    let mut verdict = verdict(inside, STAGE_T0, begun.forbidden as u32, MEANS_KILL);
    if verdict.flags & VERDICT_REFUSED != 0 && begun.forbidden & touched::CERTAIN != 0 {
        verdict.means = named::stop(inside, plan.op, STAGE_T0);
    }
    let _ = named::tell_end(inside, plan, begun.call, 0, verdict, false);
}

/// A request that has completed.
struct Completed {
    inside: Inside,
    request: Address,
    ret: i32,
    plan: &'static Plan,
}

impl Completed {
    #[inline(always)]
    fn new(ctx: &RawTracePointContext) -> Option<Completed> {
        let inside = task::current()?;
        let request = Address(ctx.arg(1));
        let plan = plan(request)?;
        let ret = if offsets::tells_io_entry() {
            Address(ctx.arg(2)).get(offsets::cqe_res())?
        } else {
            ctx.arg::<u64>(3) as i32
        };
        Some(Completed { inside, request, ret, plan })
    }

    /// A hook has refused it, and told that: in a worker, or in the thread that made the request.
    #[inline(always)]
    fn is_refused(&self) -> bool {
        i64::from(self.ret) == -EPERM
            && (refusal::take(self.request.0) || refusal::take(thread(&self.inside)))
    }

    /// What it was when it was made, which is over now; `None` where it was not made, or, counted, was forgotten.
    #[inline(always)]
    fn end(&self) -> Option<&Begun> {
        let Some(begun) = REQUESTS.get_ptr(self.request.0) else {
            lose(LOSS_UNREADABLE);
            return None;
        };
        let _ = REQUESTS.remove(self.request.0);
        // SAFETY: nobody writes the entry of what has ended, and a freed one stays readable for a grace period.
        let begun = unsafe { &*begun };
        (begun.call != 0).then_some(begun)
    }

    /// The open file that it acted on.
    #[inline(always)]
    fn file(&self) -> Option<Address> {
        self.request.follow(offsets::kiocb_file())
    }
}

/// `TP_PROTO(struct io_ring_ctx *ctx, void *req, struct io_uring_cqe *cqe)`, and before 6.15 `TP_PROTO(void *ctx,
/// void *req, u64 user_data, int res, ...)`.
#[raw_tracepoint(tracepoint = "io_uring_complete")]
pub fn io_complete(ctx: RawTracePointContext) -> i32 {
    if let Some(done) = Completed::new(&ctx) {
        if done.plan.form == form::REQUEST_SEND {
            let _ = done.is_refused();
        }
        // SAFETY: the programs of the array are of this type; where one is missing, the call returns.
        let _ = unsafe { FORMS.tail_call(&ctx, u32::from(done.plan.form)) };
    }
    0
}

/// `TP_PROTO(const struct io_uring_sqe *sqe, struct io_kiocb *req, int error)`: one that could not be made, so that it was not
/// told, and completes at once. Its address may have been another's, which never completed.
#[raw_tracepoint(tracepoint = "io_uring_req_failed")]
pub fn io_failed(ctx: RawTracePointContext) -> i32 {
    let request = Address(ctx.arg(1));
    if task::current().is_some()
        && plan(request).is_some_and(|plan| matches!(plan.form, form::REQUEST_OPEN | form::REQUEST_PATH))
    {
        let mut nothing = MaybeUninit::<Begun>::uninit();
        let _ = REQUESTS.insert(request.0, &*zeroed(&mut nothing), 0);
    }
    0
}

/// Declares the program for a form of requests.
macro_rules! completed {
    ($($(#[$doc:meta])* $program:ident = $what:path;)*) => {$(
        $(#[$doc])*
        #[raw_tracepoint(tracepoint = "io_uring_complete")]
        pub fn $program(ctx: RawTracePointContext) -> i32 {
            let _ = Completed::new(&ctx).and_then(|done| $what(&done));
            0
        }
    )*};
}

completed! {
    /// `form::REQUEST_OPEN`
    completed_open = opened;
    /// `form::REQUEST_PATH`
    completed_path = changed;
    /// `form::REQUEST_FILE`
    completed_file = on_file;
    /// `form::REQUEST_SOCKET`
    completed_socket = on_socket;
    /// `form::REQUEST_ACCEPT`
    completed_accept = accepted;
}

#[inline(always)]
fn opened(done: &Completed) -> Option<()> {
    let mut told = done.is_refused() || offsets::is_lsm_tier() && done.ret >= 0;
    if !told && done.ret >= 0 && !is_slot(done.request, done.plan) {
        let flags = done.request.word(done.plan.detail as usize)?;
        told = dentry::of_fd(done.ret)
            .and_then(|opened| tell_open(&done.inside, opened, done.ret, u32::MAX, flags, 0, CALL_APART))
            .is_some();
    }
    let call = done.end()?.call;
    named::tell_end(&done.inside, done.plan, call, done.ret, verdict(&done.inside, 0, 0, 0), told)
}

#[inline(always)]
fn changed(done: &Completed) -> Option<()> {
    let told = done.is_refused() || offsets::is_lsm_tier() && done.ret >= 0;
    let begun = done.end()?;
    // It was told when it changed something.
    if begun.forbidden != 0 {
        return None;
    }
    let (call, verdict) = named::settle(&done.inside, done.plan, Some(begun), done.ret);
    named::tell_end(&done.inside, done.plan, call, done.ret, verdict, told)
}

/// In the LSM tier, hooks have told what succeeded.
#[inline(always)]
fn on_file(done: &Completed) -> Option<()> {
    if done.is_refused() || offsets::is_lsm_tier() && done.ret >= 0 {
        return None;
    }
    let dentry = done.file()?.follow(offsets::file_dentry())?;
    let Plan { op, access, .. } = *done.plan;
    let operation = FileOperation {
        op,
        access,
        ret: done.ret,
        detail: 0,
        before: false,
        syscall: u32::MAX,
        call: CALL_APART,
    };
    tell_file(&done.inside, &operation, dentry, None, &changed_by(&done.inside, dentry, access, done.ret))
}

#[inline(always)]
fn on_socket(done: &Completed) -> Option<()> {
    if done.is_refused() {
        return None;
    }
    let sk = endpoint::of_file(done.file()?)?;
    let mut said = Said::NOTHING;
    if done.ret < 0 && done.plan.second != NO_ARG {
        // The kernel's copy of the address is all that was kept for the request, or part of it. Before 6.10 there is one only
        // where the request was put off.
        let kept = done.request.follow(offsets::kiocb_data())?;
        let part = Address(kept.0.wrapping_add(offsets::async_msg_addr() as u64));
        let family: u16 = sk.get(offsets::sk_family())?;
        let copy = if kept.get::<u16>(0)? == family { kept } else { part };
        if copy.get::<u16>(0)? != family {
            return None;
        }
        let len = done.request.word(done.plan.second as usize)?;
        said = Said { address: copy.0, len, of_kernel: true };
    }
    endpoint::finished(&done.inside, sk, u32::MAX, done.plan.op, done.ret, said)
}

/// accept, socket: the descriptor is what came back.
#[inline(always)]
fn accepted(done: &Completed) -> Option<()> {
    if done.is_refused() || done.ret < 0 || is_slot(done.request, done.plan) {
        return None;
    }
    let sk = endpoint::of_fd(done.ret)?;
    endpoint::finished(&done.inside, sk, u32::MAX, done.plan.op, 0, Said::NOTHING)
}
