//! Requests through io_uring, without a library: one a ring.

use std::ffi::CStr;
use std::io::{self, Error};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// `IORING_OP_RENAMEAT`, include/uapi/linux/io_uring.h
pub const RENAMEAT: u8 = 35;
/// `IORING_OP_OPENAT`
const OPENAT: u8 = 18;
/// Whether it is told that a request has completed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// At once.
    #[default]
    Told,
    /// Not where it succeeds: `IOSQE_CQE_SKIP_SUCCESS`.
    Silent,
    /// When its maker looks, who does not: `IORING_SETUP_DEFER_TASKRUN`.
    Deferred,
}

/// `struct io_uring_sqe`: 64 bytes, of which these are set.
#[derive(Default)]
pub struct Entry {
    /// `opcode`
    pub opcode: u8,
    /// In `flags`, and in those of the ring.
    pub answer: Answer,
    /// `fd`
    pub fd: i32,
    /// `off`, `addr2`
    pub offset: u64,
    /// `addr`
    pub address: u64,
    /// `len`
    pub len: u32,
    /// `rw_flags`, `unlink_flags`, ...
    pub operation_flags: u32,
    /// `addr3`
    pub third: u64,
}

impl Entry {
    fn bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        (bytes[0], bytes[1]) = (self.opcode, u8::from(self.answer == Answer::Silent) << 6);
        bytes[4..8].copy_from_slice(&self.fd.to_ne_bytes());
        bytes[8..16].copy_from_slice(&self.offset.to_ne_bytes());
        bytes[16..24].copy_from_slice(&self.address.to_ne_bytes());
        bytes[24..28].copy_from_slice(&self.len.to_ne_bytes());
        bytes[28..32].copy_from_slice(&self.operation_flags.to_ne_bytes());
        bytes[48..56].copy_from_slice(&self.third.to_ne_bytes());
        bytes
    }
}

/// The address of a path, which must outlive the request.
pub fn path(of: &CStr) -> u64 {
    of.as_ptr() as u64
}

/// A request that acts on two paths.
pub fn on_paths(opcode: u8, first: &CStr, second: &CStr) -> Entry {
    let directory = libc::AT_FDCWD;
    let entry = Entry { opcode, fd: directory, address: path(first), ..Entry::default() };
    Entry { offset: path(second), len: directory as u32, ..entry }
}

/// Opens a file to read it, and has nobody told that it was.
pub fn open_silently(file: &str) -> io::Result<()> {
    let file = std::ffi::CString::new(file)?;
    let entry = Entry {
        opcode: OPENAT,
        answer: Answer::Silent,
        fd: libc::AT_FDCWD,
        address: path(&file),
        ..Entry::default()
    };
    request(1, &entry).map(drop)
}

/// `struct io_uring_params`, as words: entries of the queues, features, and where their parts lie.
type Params = [u32; 30];

/// A ring, and where its parts lie.
struct Ring {
    ring: OwnedFd,
    params: Params,
    submissions: *mut u8,
    completions: *mut u8,
    queue: *mut u8,
}

impl Ring {
    fn new(entries: u32, flags: u32) -> io::Result<Ring> {
        let mut params: Params = [0; 30];
        params[2] = flags;
        let setup = call(libc::SYS_io_uring_setup, [entries.into(), params.as_mut_ptr() as i64, 0, 0, 0, 0])?;
        // SAFETY: the call has just returned it.
        let ring = unsafe { OwnedFd::from_raw_fd(setup as i32) };
        let fd = i64::from(ring.as_raw_fd());
        let map = |offset: i64| -> io::Result<*mut u8> {
            let protection = i64::from(libc::PROT_READ | libc::PROT_WRITE);
            let at = call(libc::SYS_mmap, [0, 1 << 16, protection, libc::MAP_SHARED.into(), fd, offset])?;
            Ok(at as *mut u8)
        };
        let (submissions, completions, queue) = (map(0)?, map(0x800_0000)?, map(0x1000_0000)?);
        Ok(Ring { ring, params, submissions, completions, queue })
    }

    /// Submits requests of which each waits for the one before it, and waits for so many completions.
    fn submit(&self, entries: &[Entry], wanted: i64) -> io::Result<()> {
        /// `IOSQE_IO_LINK`, in the second byte.
        const LINK: u8 = 1 << 2;
        // SAFETY: the kernel has laid the rings out as `params` says (sq_off from word 10 on: head, tail, mask, ..., the array
        // is the seventh; cq_off from word 20 on: head, tail, mask, entries, overflow, cqes), nobody else has them, and there
        // is room for these.
        unsafe {
            for (index, entry) in entries.iter().enumerate() {
                let mut bytes = entry.bytes();
                bytes[1] |= if index + 1 < entries.len() { LINK } else { 0 };
                self.queue.cast::<[u8; 64]>().add(index).write(bytes);
                self.submissions.add(self.params[16] as usize).cast::<u32>().add(index).write(index as u32);
            }
            let tail = self.submissions.add(self.params[11] as usize).cast::<u32>();
            tail.write_volatile(tail.read_volatile() + entries.len() as u32);
        }
        // IORING_ENTER_GETEVENTS
        let flags = i64::from(wanted > 0);
        call(
            libc::SYS_io_uring_enter,
            [self.ring.as_raw_fd().into(), entries.len() as i64, wanted, flags, 0, 0],
        )
        .map(drop)
    }

    /// How many have completed.
    fn completed(&self) -> u32 {
        // SAFETY: as in `submit`.
        unsafe { self.completions.add(self.params[21] as usize).cast::<u32>().read_volatile() }
    }

    /// What came of the completion of an index.
    fn result(&self, index: usize) -> io::Result<i32> {
        // SAFETY: as in `submit`; a completion has 16 bytes, and its result is behind the first 8.
        let at = unsafe { self.completions.add(self.params[25] as usize + index * 16 + 8) };
        // SAFETY: as above.
        let result = unsafe { at.cast::<i32>().read_volatile() };
        if result < 0 { Err(Error::from_raw_os_error(-result)) } else { Ok(result) }
    }
}

/// Makes one request by a ring of so many entries, and returns what came of it; where that is not told, 0 after a while.
///
/// # Errors
/// No ring, or what the request failed with.
pub fn request(entries: u32, entry: &Entry) -> io::Result<i32> {
    // IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_DEFER_TASKRUN
    let deferred = 1 << 12 | 1 << 13;
    let ring = Ring::new(entries, if entry.answer == Answer::Deferred { deferred } else { 0 })?;
    let is_told = entry.answer == Answer::Told;
    ring.submit(std::slice::from_ref(entry), i64::from(is_told))?;
    if !is_told {
        std::thread::sleep(Duration::from_millis(200));
        return Ok(0);
    }
    ring.result(0)
}

/// Makes two requests of which the second follows the first, without a system call between them, and returns what came of the
/// second; `meanwhile` is done until then.
///
/// # Errors
/// No ring, or what the second failed with.
pub fn chain(entries: [Entry; 2], meanwhile: impl Fn()) -> io::Result<i32> {
    let ring = Ring::new(2, 0)?;
    ring.submit(&entries, 0)?;
    let end = std::time::Instant::now() + Duration::from_secs(10);
    while ring.completed() < 2 {
        meanwhile();
        if std::time::Instant::now() > end {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    ring.result(1)
}

/// Opens a file to append to it, by a request that is worked at when a call to start a program that is not there has ended.
pub fn append_behind_exec(file: &str) -> io::Result<()> {
    /// `IORING_OP_TIMEOUT`
    const TIMEOUT: u8 = 11;
    /// `IORING_TIMEOUT_ETIME_SUCCESS`
    const SUCCEEDS: u32 = 1 << 5;
    let file = std::ffi::CString::new(file)?;
    let soon = [0i64, 2_000_000];
    let timeout = Entry {
        opcode: TIMEOUT,
        fd: -1,
        address: soon.as_ptr() as u64,
        len: 1,
        operation_flags: SUCCEEDS,
        ..Entry::default()
    };
    let open = Entry {
        opcode: OPENAT,
        fd: libc::AT_FDCWD,
        address: path(&file),
        operation_flags: (libc::O_WRONLY | libc::O_APPEND) as u32,
        ..Entry::default()
    };
    let opened = chain([timeout, open], || {
        let nothing = [std::ptr::null::<libc::c_char>()];
        // SAFETY: a path and two empty lists, and no such program.
        unsafe { libc::execve(c"/nonexistent/program".as_ptr(), nothing.as_ptr(), nothing.as_ptr()) };
    })?;
    // SAFETY: the request has just returned it.
    let mut opened = std::fs::File::from(unsafe { OwnedFd::from_raw_fd(opened) });
    std::io::Write::write_all(&mut opened, b"# appended\n")
}

/// `syscall(2)` with its error.
fn call(number: i64, arguments: [i64; 6]) -> io::Result<i64> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: arguments are numbers, or pointers to what outlives the call.
    let ret = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if ret < 0 { Err(Error::last_os_error()) } else { Ok(ret) }
}
