//! 32-bit system calls, made by a 64-bit process.

use super::tools::{Deed, IMPOSSIBLE, Place, in_child};
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Error};
use std::os::fd::{FromRawFd, OwnedFd};

pub(super) const DEEDS: &[Deed] = &[
    ("32-bit open", |p| with_path(p, "o32", |path| call(5, path, 0, 0))),
    ("32-bit mkdir", |p| with_path(p, "m32", |path| call(39, path, 0o755, 0))),
    ("32-bit unlink", |p| with_path(p, "u32", |path| call(10, path, 0, 0))),
    ("32-bit unlink, absent", |p| with_path(p, "absent32", |path| call(10, path, 0, 0))),
    ("32-bit connect", |_| {
        with_words(|at| {
            // socketcall: SYS_SOCKET with its three arguments, then SYS_CONNECT.
            let fd = socketcall(at, 1, [2, 1, 0])?;
            // 127.0.0.1, port 1
            let address = at + 64;
            // SAFETY: the page of `with_words`.
            unsafe { (address as *mut [u8; 16]).write([2, 0, 0, 1, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]) };
            socketcall(at, 3, [fd, address, 16]).map(drop)
        })
    }),
];

fn socketcall(at: u32, which: u32, arguments: [u32; 3]) -> io::Result<u32> {
    // SAFETY: the page of `with_words`.
    unsafe { (at as *mut [u32; 3]).write(arguments) };
    call(102, which, at, 0).map(|value| value as u32)
}

/// `int 0x80`: number and three arguments; a fourth is 0.
fn call(number: u32, first: u32, second: u32, third: u32) -> io::Result<i32> {
    let mut value = number;
    // SAFETY: the arguments are numbers, or addresses of the page of `with_words`. rbx is the compiler's own, and is put
    // back; the entry clears r8 to r11 on some kernels.
    unsafe {
        std::arch::asm!(
            "xchg {first}, rbx", "int 0x80", "xchg {first}, rbx",
            first = inout(reg) u64::from(first) => _,
            inout("eax") value,
            in("ecx") second,
            in("edx") third,
            in("esi") 0,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    let value = value as i32;
    if (-4095..0).contains(&value) { Err(Error::from_raw_os_error(-value)) } else { Ok(value) }
}

/// A page below 4 GiB.
fn page() -> io::Result<u32> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
    let page =
        super::tools::call!(libc::SYS_mmap, 0, 4096, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)?;
    Ok(page as u32)
}

/// With a page below 4 GiB. In a child: a kernel without 32-bit calls ends it.
fn with_words(deed: impl FnOnce(u32) -> io::Result<()>) -> io::Result<()> {
    let came = in_child(|| deed(page()?));
    match came {
        Err(error) if error.raw_os_error() == Some(255) => Err(Error::from_raw_os_error(IMPOSSIBLE)),
        came => came,
    }
}

fn with_path(place: &Place, name: &str, deed: impl FnOnce(u32) -> io::Result<i32>) -> io::Result<()> {
    at_path(&place.at(name), deed)
}

/// Opens a file by a call of 32 bits, and does something with it in the process that has it.
pub(crate) fn open(path: &CStr, with: impl FnOnce(File) -> io::Result<()>) -> io::Result<()> {
    at_path(path, |path| {
        // SAFETY: the call has just returned it.
        let file = File::from(unsafe { OwnedFd::from_raw_fd(call(5, path, 0, 0)?) });
        with(file).map(|()| 0)
    })
}

/// Binds a unix socket to a place by a call of 32 bits, and asks in the process that has it whether it is there.
pub(crate) fn bind(place: &CStr) -> io::Result<()> {
    with_words(|at| {
        let (name, bytes) = (at + 64, place.to_bytes());
        // socketcall: SYS_SOCKET with its three arguments, then SYS_BIND.
        let fd = socketcall(at, 1, [libc::AF_UNIX as u32, libc::SOCK_STREAM as u32, 0])?;
        // SAFETY: the page of `with_words`, and a name is shorter.
        unsafe {
            (name as *mut u16).write(libc::AF_UNIX as u16);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), (name + 2) as *mut u8, bytes.len());
        }
        socketcall(at, 2, [fd, name, 3 + bytes.len() as u32]).map(drop)
    })
}

/// Sets a limit of a process by a call of 32 bits. Not in a child: whoever does it ends by it where it is not refused.
pub(crate) fn limit(pid: i32, resource: u32, limit: libc::rlimit) -> io::Result<()> {
    let at = page()?;
    // SAFETY: a page of its own.
    unsafe { (at as *mut [u64; 2]).write([limit.rlim_cur, limit.rlim_max]) };
    // prlimit64
    call(340, pid as u32, resource, at).map(drop)
}

fn at_path(path: &CStr, deed: impl FnOnce(u32) -> io::Result<i32>) -> io::Result<()> {
    with_words(|at| {
        let bytes = path.to_bytes_with_nul();
        // SAFETY: the page of `with_words`, and a path is shorter.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, bytes.len()) };
        deed(at).map(drop)
    })
}
