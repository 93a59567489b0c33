//! A connection that two processes of a session have: one connects, the other one uses it at once.

use crate::apart::ended;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType, socket};
use std::io::{self, Error};
use std::os::fd::{AsFd, BorrowedFd};

/// Connects to a unix socket of which a child has the same descriptor, in the way that a word names; the child asks by it as soon
/// as it can, and its answer ends this well.
pub(crate) fn connect(how: &str, to: &str) -> io::Result<()> {
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    let flags = match how {
        "inherited" => 0,
        "table" => libc::CLONE_FILES,
        _ => return Err(Error::other(format!("no such way: {how}"))),
    };
    // SAFETY: without flags that share memory the child is a fork, which takes no lock and ends.
    let child = match unsafe { libc::syscall(libc::SYS_clone, flags | libc::SIGCHLD, 0, 0, 0, 0) } {
        -1 => return Err(Error::last_os_error()),
        0 => ask(socket.as_fd()),
        child => child as i32,
    };
    // It asks by then.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let came = rustix::net::connect(&socket, &SocketAddrUnix::new(to)?);
    if came.is_err() {
        let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
    }
    let status = ended(child)?;
    came?;
    if status.exit_status() == Some(0) { Ok(()) } else { Err(Error::other(format!("no answer: {status:?}"))) }
}

/// Sends until it is sent, waits for the answer, and ends.
fn ask(socket: BorrowedFd<'_>) -> ! {
    let mut answer = [0u8; 1];
    while rustix::net::send(socket, b"x", SendFlags::NOSIGNAL) != Ok(1) {}
    let got = rustix::net::recv(socket, &mut answer, RecvFlags::empty()).is_ok_and(|(got, _)| got == 1);
    if got {
        let _ = rustix::io::write(rustix::stdio::stdout(), b"@answered 0\n");
    }
    // SAFETY: it ends the process and runs nothing of it.
    unsafe { libc::_exit(i32::from(!got)) }
}
