//! The map of members: filled, so that nobody else finds room in it, and processes that are made then.

use crate::apart::ended;
use crate::survivors::clone;
use anyhow::{Context, Result, bail, ensure};
use std::ffi::CString;
use std::fs;
use std::io::{self, Error};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Ways to make a process.
pub const WAYS: [&str; 3] = ["fork", "shared-memory", "vfork"];
/// What root has besides: one with a number of its own.
pub const WAY_OF_ROOT: &str = "namespace";

/// What a child writes to: it cannot allocate any more.
struct Child {
    said: CString,
}

/// Makes so many children in a way, each of which writes a line into `said`, and waits for them. How many ended by themselves,
/// and how many were killed.
pub(crate) fn make(way: &str, count: usize, said: &str) -> io::Result<(usize, usize)> {
    let flags = match way {
        "fork" => 0,
        "shared-memory" => libc::CLONE_VM,
        "vfork" => libc::CLONE_VM | libc::CLONE_VFORK,
        "namespace" => libc::CLONE_NEWPID,
        _ => return Err(Error::other("no such way")),
    };
    let child: &'static Child = Box::leak(Box::new(Child { said: CString::new(said)? }));
    let (mut ran, mut killed) = (0, 0);
    for _ in 0..count {
        let pid = clone(flags | libc::SIGCHLD, act, (&raw const *child).cast_mut().cast())?;
        let status = ended(pid)?;
        ran += usize::from(status.exited());
        killed += usize::from(status.terminating_signal() == Some(libc::SIGKILL));
    }
    Ok((ran, killed))
}

extern "C" fn act(child: *mut libc::c_void) -> libc::c_int {
    let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC;
    // SAFETY: `make` hands on what lives as long as the process; a path and bytes that outlive the calls.
    unsafe {
        let fd = libc::open((*child.cast::<Child>()).said.as_ptr(), flags, 0o666);
        libc::write(fd, c"ran\n".as_ptr().cast(), 4);
        libc::_exit(0)
    }
}

/// `union bpf_attr` as the commands below want it, include/uapi/linux/bpf.h.
#[repr(C)]
struct Element {
    map: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// The same to be told of a map.
#[repr(C)]
struct About {
    map: u32,
    len: u32,
    info: u64,
}

fn bpf<T>(command: libc::c_long, attributes: &T) -> io::Result<i32> {
    // SAFETY: the attributes are of the command, and so long.
    let came = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    if came < 0 { Err(Error::last_os_error()) } else { Ok(came as i32) }
}

/// The map of a supervisor's members.
fn map(supervisor: u32) -> Result<OwnedFd> {
    const GET_BY_ID: libc::c_long = 14;
    const GET_INFO: libc::c_long = 15;
    /// Behind kind, number, sizes of key and value, entries and flags.
    const NAME: usize = 24;
    for entry in fs::read_dir(format!("/proc/{supervisor}/fdinfo"))?.flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        let Some(id) = text.lines().find_map(|line| line.strip_prefix("map_id:")) else { continue };
        let id: u32 = id.trim().parse()?;
        let fd = bpf(GET_BY_ID, &[id, 0, 0])?;
        // SAFETY: the kernel has just made it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let mut info = [0u8; 88];
        let about =
            About { map: fd.as_raw_fd() as u32, len: info.len() as u32, info: info.as_mut_ptr() as u64 };
        bpf(GET_INFO, &about)?;
        if info[NAME..].starts_with(b"MEMBERS\0") {
            return Ok(fd);
        }
    }
    bail!("process {supervisor} has no map of members")
}

/// Leaves no room in a supervisor's map of members: entries of numbers that no process has, of no session. Returns how many.
pub fn fill(supervisor: u32) -> Result<u32> {
    const UPDATE: libc::c_long = 2;
    /// Above what a process can have.
    const FIRST: u32 = 1 << 30;
    const MOST: u32 = 1 << 17;
    let map = map(supervisor)?;
    let nobody = [0u64; 3];
    for added in 0..MOST {
        let key = FIRST + added;
        let element = Element {
            map: map.as_raw_fd() as u32,
            pad: 0,
            key: (&raw const key) as u64,
            value: nobody.as_ptr() as u64,
            flags: 0,
        };
        match bpf(UPDATE, &element) {
            Err(error) if error.raw_os_error() == Some(libc::E2BIG) => {
                ensure!(added > 0, "it was full");
                return Ok(added);
            }
            came => came.context("the map of members")?,
        };
    }
    bail!("the map of members takes any number of entries")
}
