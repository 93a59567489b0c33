//! io_uring: no system call is made for a request, so that the request itself is told; what came of opens and accepts
//! is told where no hook sees it.

use crate::descriptor::tell_open;
use crate::process::tell_interface;
use crate::read::Address;
use crate::{offsets, task};
use abi::{CALL_APART, op};
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;

/// `IORING_OP_OPENAT`, `IORING_OP_OPENAT2`: include/uapi/linux/io_uring.h
const OPENS: [u8; 2] = [18, 28];

/// `TP_PROTO(struct io_kiocb *req, ...)`
#[raw_tracepoint(tracepoint = "io_uring_submit_req")]
pub fn io_request(ctx: RawTracePointContext) -> i32 {
    let _ = on_request(Address(ctx.arg(0)));
    0
}

#[inline(always)]
fn on_request(request: Address) -> Option<()> {
    let inside = task::current()?;
    let opcode: u8 = request.get(offsets::kiocb_opcode())?;
    tell_interface(&inside, op::IO_REQUEST, u64::from(opcode), 0)
}

/// `TP_PROTO(struct io_ring_ctx *ctx, void *req, struct io_uring_cqe *cqe)`, since 6.15
#[raw_tracepoint(tracepoint = "io_uring_complete")]
pub fn io_complete(ctx: RawTracePointContext) -> i32 {
    let _ = on_completion(Address(ctx.arg(1)), Address(ctx.arg(2)));
    0
}

#[inline(always)]
fn on_completion(request: Address, entry: Address) -> Option<()> {
    let inside = task::current()?;
    let opcode: u8 = request.get(offsets::kiocb_opcode())?;
    if offsets::is_lsm_tier() || opcode != OPENS[0] && opcode != OPENS[1] {
        return None;
    }
    let fd: i32 = entry.get(offsets::cqe_res())?;
    // A slot of the ring's own table comes back as 0: there, no descriptor names the file.
    if fd <= 0 {
        return None;
    }
    tell_open(&inside, fd, u32::MAX, 0, 0, CALL_APART)
}
