//! One attempt in a child of its own. Between fork and exit the child only makes system calls: it shares its memory's
//! image with a process of many threads, whose locks nobody will release.

use super::place::Place;
use crate::Error;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use rustix::event::{PollFd, PollFlags};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// Time for one attempt: it takes microseconds, and a listener that died must not hold up the probe.
const PATIENCE: Duration = Duration::from_secs(5);

/// An operation that is tried.
pub(super) struct Attempt {
    pub(super) name: &'static str,
    /// It is about an address, and so the cgroup hooks' matter.
    pub(super) is_network: bool,
    /// A name that must not be there after a refusal: an open may be refused when it has already made the file.
    pub(super) makes: Option<&'static str>,
    action: fn(&Names) -> i32,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Failed(i32),
    Killed,
    Hung,
}

impl Outcome {
    pub(super) fn words(&self) -> String {
        match self {
            Outcome::Done => "it went through".into(),
            Outcome::Failed(errno) => std::io::Error::from_raw_os_error(*errno).to_string(),
            Outcome::Killed => "the process was killed".into(),
            Outcome::Hung => "it did not come back in time".into(),
        }
    }
}

impl Attempt {
    /// Whether an outcome says that nothing refused it. Nobody listens at the addresses that are tried, and in a network
    /// namespace whose loopback is down no way leads there.
    pub(super) fn works(&self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Done => true,
            Outcome::Failed(errno) => {
                self.is_network && [libc::ECONNREFUSED, libc::ENETUNREACH].contains(errno)
            }
            Outcome::Killed | Outcome::Hung => false,
        }
    }
}

/// The paths, as system calls want them.
struct Names {
    file: CString,
    new: CString,
    made: CString,
    link: CString,
    directory: CString,
    outside: CString,
    taken_out: CString,
    program: CString,
    library: CString,
    socket: CString,
}

const fn file(name: &'static str, action: fn(&Names) -> i32) -> Attempt {
    Attempt { name, is_network: false, makes: None, action }
}
const fn network(name: &'static str, action: fn(&Names) -> i32) -> Attempt {
    Attempt { name, is_network: true, makes: None, action }
}

const READ: Attempt = file("read a file", |names| open(&names.file, libc::O_RDONLY));
const CONNECT: Attempt = network("connect over IPv4", |_| raw::reach("127.0.0.1:9", false));

/// What is tried before every session: that files and the network are both guarded.
pub(super) const NEEDED: &[Attempt] = &[READ, CONNECT];

/// Every attempt.
pub(super) const ALL: &[Attempt] = &[
    READ,
    file("list a directory", |names| open(&names.directory, libc::O_RDONLY | libc::O_DIRECTORY)),
    file("write a file", |names| open(&names.file, libc::O_WRONLY)),
    Attempt {
        name: "create a file",
        is_network: false,
        makes: Some("new"),
        action: |names| open(&names.new, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL),
    },
    file("truncate a file", |names| {
        nix::unistd::truncate(&*names.file, 0).err().map_or(0, |errno| errno as i32)
    }),
    file("make a directory", |names| call(|| rustix::fs::mkdir(names.made.as_c_str(), 0o700.into()))),
    file("remove a directory", |names| call(|| rustix::fs::rmdir(names.directory.as_c_str()))),
    file("unlink a file", |names| call(|| rustix::fs::unlink(names.file.as_c_str()))),
    file("rename a file away", |names| {
        call(|| rustix::fs::rename(names.file.as_c_str(), names.taken_out.as_c_str()))
    }),
    file("rename a file into place", |names| {
        call(|| rustix::fs::rename(names.outside.as_c_str(), names.new.as_c_str()))
    }),
    file("hard-link a file", |names| {
        call(|| rustix::fs::link(names.file.as_c_str(), names.taken_out.as_c_str()))
    }),
    file("make a symbolic link", |names| call(|| rustix::fs::symlink(c"nowhere", names.link.as_c_str()))),
    file("change a mode", |names| call(|| rustix::fs::chmod(names.file.as_c_str(), 0o644.into()))),
    file("start a program", |names| raw::exec(&names.program)),
    file("map a program", |names| raw::map_exec(&names.library)),
    file("connect to a unix socket", |names| raw::connect_unix(&names.socket)),
    CONNECT,
    network("connect over IPv6", |_| raw::reach("[::1]:9", false)),
    network("send a datagram over IPv4", |_| raw::reach("127.0.0.1:9", true)),
    network("send a datagram over IPv6", |_| raw::reach("[::1]:9", true)),
];

/// 0, or the errno.
fn call<T>(call: impl FnOnce() -> rustix::io::Result<T>) -> i32 {
    call().err().map_or(0, rustix::io::Errno::raw_os_error)
}

fn open(path: &CStr, flags: i32) -> i32 {
    let flags = rustix::fs::OFlags::from_bits_retain(flags as u32);
    call(|| rustix::fs::open(path, flags, 0o600.into()))
}

/// Makes an attempt in a child, after `enter` has seen its pid.
pub(super) fn run(
    attempt: &Attempt,
    place: &Place,
    enter: &dyn Fn(u32) -> Result<(), Error>,
) -> Result<Outcome, Error> {
    let (root, closed) = (&place.root, place.closed());
    let name = |parent: &Path, name: &str| {
        CString::new(parent.join(name).as_os_str().as_bytes())
            .map_err(|_| Error::Probe("its directory has a NUL in it"))
    };
    let names = Names {
        file: name(&closed, "file")?,
        new: name(&closed, "new")?,
        made: name(&closed, "made")?,
        link: name(&closed, "link")?,
        directory: name(&closed, "directory")?,
        outside: name(root, "outside")?,
        taken_out: name(root, "new")?,
        program: name(&closed, "program")?,
        library: name(&place.library(), "program")?,
        socket: name(&closed, "socket")?,
    };
    let pipe = || {
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(|e| Error::io("a pipe could not be made", e))
    };
    let (go_read, go_write) = pipe()?;
    let (out_read, out_write) = pipe()?;
    // SAFETY: until it exits the child makes system calls on memory that was prepared before, allocates nothing, and
    // takes no lock.
    let child = match unsafe { fork() }.map_err(|e| Error::io("the probe's child could not be made", e))? {
        ForkResult::Child => raw::child(go_read.as_fd(), out_write.as_fd(), || (attempt.action)(&names)),
        ForkResult::Parent { child } => child,
    };
    drop((go_read, out_write));
    let entered = enter(child.as_raw() as u32);
    if entered.is_ok() {
        #[expect(clippy::let_underscore_must_use, reason = "a child that is gone is noticed below")]
        let _ = rustix::io::write(&go_write, b"g");
    } else {
        #[expect(clippy::let_underscore_must_use, reason = "who is gone already needs no signal")]
        let _ = nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL);
    }
    let outcome = wait(child, out_read.as_fd());
    entered.and(outcome)
}

fn wait(child: Pid, out: std::os::fd::BorrowedFd<'_>) -> Result<Outcome, Error> {
    let timeout = rustix::time::Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
    let mut fds = [PollFd::from_borrowed_fd(out, PollFlags::IN)];
    let answered = rustix::event::poll(&mut fds, Some(&timeout)).map_err(|e| Error::io("poll", e))? > 0;
    if !answered {
        #[expect(clippy::let_underscore_must_use, reason = "who is gone already needs no signal")]
        let _ = nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL);
    }
    let mut errno = [0u8; 4];
    let said = answered && rustix::io::read(out, &mut errno).is_ok_and(|read| read == 4);
    let status = loop {
        match waitpid(child, Some(WaitPidFlag::empty())) {
            Err(nix::errno::Errno::EINTR) => {}
            other => break other.map_err(|e| Error::io("waitpid", e))?,
        }
    };
    Ok(match (status, said) {
        _ if !answered => Outcome::Hung,
        (WaitStatus::Signaled(..), _) => Outcome::Killed,
        (_, true) if i32::from_ne_bytes(errno) == 0 => Outcome::Done,
        (_, true) => Outcome::Failed(i32::from_ne_bytes(errno)),
        // The program that was started closed the pipe by being started.
        (WaitStatus::Exited(_, 0), false) => Outcome::Done,
        _ => Outcome::Killed,
    })
}

/// What no safe wrapper offers without allocating; each keeps its one unsafe call to itself.
mod raw {
    use super::*;
    use rustix::fs::{Mode, OFlags};
    use rustix::mm::{MapFlags, ProtFlags, mmap};
    use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketType};
    use std::net::SocketAddr;

    /// The child's whole life.
    pub(super) fn child(go: BorrowedFd<'_>, out: BorrowedFd<'_>, action: impl FnOnce() -> i32) -> ! {
        if rustix::io::read(go, &mut [0u8]) == Ok(1) {
            let errno = action().to_ne_bytes();
            #[expect(clippy::let_underscore_must_use, reason = "who reads it takes silence for an error")]
            let _ = rustix::io::write(out, &errno);
        }
        // SAFETY: ends the child without running what the parent registered for its own end.
        unsafe { libc::_exit(0) }
    }

    /// Comes back only when it failed.
    pub(super) fn exec(path: &CStr) -> i32 {
        let args = [path.as_ptr(), std::ptr::null()];
        let environment = [std::ptr::null()];
        // SAFETY: a path that ends with NUL, and two lists that end with NULL.
        unsafe { libc::execve(path.as_ptr(), args.as_ptr(), environment.as_ptr()) };
        nix::errno::Errno::last_raw()
    }

    pub(super) fn map_exec(path: &CStr) -> i32 {
        call(|| {
            let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            let (access, flags) = (ProtFlags::READ | ProtFlags::EXEC, MapFlags::PRIVATE);
            // SAFETY: a mapping of its own, whose bytes nobody looks at; the child ends with it.
            unsafe { mmap(std::ptr::null_mut(), 4096, access, flags, &file, 0) }.map(drop)
        })
    }

    pub(super) fn connect_unix(path: &CStr) -> i32 {
        call(|| {
            let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
            rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)
        })
    }

    pub(super) fn reach(address: &str, datagram: bool) -> i32 {
        let Ok(address) = address.parse::<SocketAddr>() else { return libc::EINVAL };
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        call(|| {
            if datagram {
                let socket = rustix::net::socket(family, SocketType::DGRAM, None)?;
                rustix::net::sendto(&socket, b"c", SendFlags::empty(), &address).map(drop)
            } else {
                let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
                rustix::net::connect(&socket, &address)
            }
        })
    }
}
