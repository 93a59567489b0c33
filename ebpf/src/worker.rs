//! What the current thread works at: its own system call, or a request that it was given as a worker of io_uring.

use crate::call::thread;
use crate::offsets;
use crate::read::Address;
use crate::task::{self, Inside};

/// The request that the current thread was given, where it is a worker of io_uring.
#[inline(always)]
pub fn request() -> Option<Address> {
    /// `PF_IO_WORKER`, include/linux/sched.h
    const IO_WORKER: u32 = 0x10;
    let task = task::task();
    if task.word(offsets::task_flags())? & IO_WORKER == 0 {
        return None;
    }
    let work = task.follow(offsets::task_worker())?.follow(offsets::worker_work())?;
    Some(Address(work.0.wrapping_sub(offsets::kiocb_work() as u64)))
}

/// Key of what the current thread works at: its call, or the request that it was given as a worker of io_uring. A
/// request's is its address, which no thread's is.
#[inline(always)]
pub fn key(inside: &Inside) -> u64 {
    request().map_or(thread(inside), |request| request.0)
}
