//! A connection that two processes of a session have: one connects, the other one uses it at once.

use std::io::{self, Error};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Connects to a unix socket of which a child has the same descriptor, in the way that a word names; the child asks by it as soon
/// as it can, and its answer ends this well.
pub(crate) fn connect(how: &str, to: &str) -> io::Result<()> {
    let socket = socket()?;
    let flags = match how {
        "inherited" => 0,
        "table" => libc::CLONE_FILES,
        _ => return Err(Error::other(format!("no such way: {how}"))),
    };
    // SAFETY: without flags that share memory the child is a fork, which takes no lock and ends.
    let child = match unsafe { libc::syscall(libc::SYS_clone, flags | libc::SIGCHLD, 0, 0, 0, 0) } {
        -1 => return Err(Error::last_os_error()),
        0 => ask(socket.as_raw_fd()),
        child => child as i32,
    };
    // It asks by then.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let (name, size) = address(to);
    // SAFETY: the address outlives the call.
    let came = unsafe { libc::connect(socket.as_raw_fd(), (&raw const name).cast(), size) };
    let error = Error::last_os_error();
    let mut status = 0;
    // SAFETY: the child is this process's own, and the status outlives the call.
    unsafe {
        if came != 0 {
            libc::kill(child, libc::SIGKILL);
        }
        libc::waitpid(child, &mut status, 0);
    }
    match (came, status) {
        (0, 0) => Ok(()),
        (0, _) => Err(Error::other(format!("no answer: {status}"))),
        _ => Err(error),
    }
}

fn socket() -> io::Result<OwnedFd> {
    // SAFETY: integers alone, and what comes back is nobody else's.
    unsafe {
        match libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0) {
            -1 => Err(Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

fn address(path: &str) -> (libc::sockaddr_un, u32) {
    // SAFETY: integers, of which zero is a value.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as u16;
    for (to, from) in address.sun_path.iter_mut().zip(path.bytes()) {
        *to = from as libc::c_char;
    }
    (address, size_of_val(&address) as u32)
}

/// Sends until it is sent, waits for the answer, and ends.
fn ask(socket: i32) -> ! {
    let mut answer = [0u8; 1];
    // SAFETY: what is sent and received outlives the calls; the process ends here.
    unsafe {
        while libc::send(socket, c"x".as_ptr().cast(), 1, libc::MSG_NOSIGNAL) != 1 {}
        let got = libc::recv(socket, answer.as_mut_ptr().cast(), 1, 0);
        const SAID: &[u8] = b"@answered 0\n";
        if got == 1 {
            libc::write(1, SAID.as_ptr().cast(), SAID.len());
        }
        libc::_exit(i32::from(got != 1))
    }
}
