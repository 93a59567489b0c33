//! One request through io_uring, without a library.

use super::file::owned;
use super::{Place, call, check};
use std::io::{self, Error};
use std::os::fd::AsRawFd;

/// `IORING_OP_OPENAT`
pub const OPENAT: u8 = 18;

/// `struct io_uring_params`, as words: entries of the queues, features, and where their parts lie.
type Params = [u32; 30];

/// Opens `uring` by a request.
pub(super) fn open(place: &Place) -> io::Result<()> {
    let mut params: Params = [0; 30];
    let ring = owned(call!(libc::SYS_io_uring_setup, 4, params.as_mut_ptr())?)?;
    let map = |offset: i64| -> io::Result<*mut u8> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let at = call!(libc::SYS_mmap, 0, 1 << 16, protection, libc::MAP_SHARED, ring.as_raw_fd(), offset)?;
        Ok(at as *mut u8)
    };
    let (submissions, completions, entries) = (map(0)?, map(0x800_0000)?, map(0x1000_0000)?);
    let path = place.at("uring");
    // SAFETY: the kernel has laid the rings out as `params` says (sq_off from word 10 on: head, tail, mask, ..., the array
    // is the seventh; cq_off from word 20 on: head, tail, mask, entries, overflow, cqes), and nobody else has them.
    unsafe {
        let entry = entries;
        entry.write(OPENAT);
        entry.add(4).cast::<i32>().write(libc::AT_FDCWD);
        entry.add(16).cast::<u64>().write(path.as_ptr() as u64);
        entry.add(28).cast::<i32>().write(libc::O_RDONLY);
        submissions.add(params[16] as usize).cast::<u32>().write(0);
        let tail = submissions.add(params[11] as usize).cast::<u32>();
        tail.write_volatile(tail.read_volatile() + 1);
    }
    // IORING_ENTER_GETEVENTS
    call!(libc::SYS_io_uring_enter, ring.as_raw_fd(), 1, 1, 1, 0, 0)?;
    // SAFETY: as above; one request was made, and its completion is the first entry.
    let result = unsafe { completions.add(params[25] as usize + 8).cast::<i32>().read_volatile() };
    if result < 0 {
        return Err(Error::from_raw_os_error(-result));
    }
    check(i64::from(result)).and_then(owned).map(drop)
}
