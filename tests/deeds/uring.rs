//! Requests through io_uring.

use super::file::{ATTRIBUTE, owned};
use super::network::unix;
use super::tools::{Deed, Place, call, say};
use crate::uring::{Entry, RENAMEAT, on_paths, path, request};
use std::ffi::CString;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::ptr;

/// `IORING_OP_*`, include/uapi/linux/io_uring.h
pub const OPENAT: u8 = 18;
const SENDMSG: u8 = 9;
const ACCEPT: u8 = 13;
const CONNECT: u8 = 16;
/// `IORING_OP_OPENAT2`
pub const OPENAT2: u8 = 28;
const UNLINKAT: u8 = 36;
const MKDIRAT: u8 = 37;
const SYMLINKAT: u8 = 38;
const LINKAT: u8 = 39;
const SETXATTR: u8 = 42;
const SOCKET: u8 = 45;
const FTRUNCATE: u8 = 55;
const BIND: u8 = 56;
const LISTEN: u8 = 57;

/// Entries of the ring of the deed that is called by its ring.
const FEW: u32 = 4;
/// Entries of every other.
const MORE: u32 = 8;

pub(super) const DEEDS: &[Deed] = &[
    ("io_uring", |p| opened(request(FEW, &open(&p.at("uring"))))),
    ("io_uring, openat2, absent", |p| {
        let of = p.at("absent-uring");
        let how = [libc::O_RDONLY as u64, 0, 0];
        let size = size_of_val(&how) as u32;
        opened(request(MORE, &Entry { opcode: OPENAT2, offset: address(&how), len: size, ..open(&of) }))
    }),
    ("io_uring, unlink", |p| on_path(UNLINKAT, &p.at("uring-unlink"), 0)),
    ("io_uring, unlink, absent", |p| on_path(UNLINKAT, &p.at("absent-uring"), 0)),
    ("io_uring, rmdir, full", |p| {
        let of = p.at("uring-full");
        let flags = libc::AT_REMOVEDIR as u32;
        request(MORE, &Entry { opcode: UNLINKAT, operation_flags: flags, ..open(&of) }).map(drop)
    }),
    ("io_uring, mkdir", |p| on_path(MKDIRAT, &p.at("uring-mkdir"), 0o755)),
    ("io_uring, rename", |p| {
        request(MORE, &on_paths(RENAMEAT, &p.at("uring-rename"), &p.at("uring-renamed"))).map(drop)
    }),
    ("io_uring, link", |p| {
        request(MORE, &on_paths(LINKAT, &p.at("uring-link"), &p.at("uring-linked"))).map(drop)
    }),
    ("io_uring, symlink", |p| {
        // The text of a symlink has no directory of its own.
        let of = p.at("uring-symlink");
        request(MORE, &Entry { len: 0, ..on_paths(SYMLINKAT, c"anywhere", &of) }).map(drop)
    }),
    ("io_uring, setxattr", |p| {
        let of = p.at("uring-setxattr");
        let entry = Entry { opcode: SETXATTR, address: path(ATTRIBUTE), len: 1, ..Entry::default() };
        request(MORE, &Entry { offset: path(c"x"), third: path(&of), ..entry }).map(drop)
    }),
    ("io_uring, ftruncate", |p| {
        let file = std::fs::OpenOptions::new().write(true).open(p.path("uring-ftruncate"))?;
        request(MORE, &Entry { opcode: FTRUNCATE, fd: file.as_raw_fd(), offset: 1, ..Entry::default() })
            .map(drop)
    }),
    ("io_uring, socket", |_| {
        let (kind, family) = (libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::AF_NETLINK);
        opened(request(MORE, &Entry { opcode: SOCKET, fd: family, offset: kind as u64, ..Entry::default() }))
    }),
    ("io_uring, bind, listen", |_| {
        let socket = call!(libc::SYS_socket, libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0)?;
        let socket = owned(socket)?;
        bind(&socket, 0)?;
        let listener = TcpListener::from(socket);
        say("uring-tcp", i64::from(listener.local_addr()?.port()));
        let entry = Entry { opcode: LISTEN, fd: listener.as_raw_fd(), len: 1, ..Entry::default() };
        request(MORE, &entry).map(drop)
    }),
    ("io_uring, bind, taken", |_| {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, taken))?;
        say("uring-taken", i64::from(taken));
        let socket = call!(libc::SYS_socket, libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0)?;
        bind(&owned(socket)?, taken)?;
        drop(server);
        Ok(())
    }),
    ("io_uring, connect, accept, unix", |p| {
        let server = UnixListener::bind(p.path("uring.sock"))?;
        connect(p, "uring.sock")?;
        opened(request(MORE, &Entry { opcode: ACCEPT, fd: server.as_raw_fd(), ..Entry::default() }))
    }),
    ("io_uring, connect, unix, absent", |p| connect(p, "absent-uring")),
    ("io_uring, send, unix", |p| {
        let _receiver = UnixDatagram::bind(p.path("uring-datagram.sock"))?;
        let sender = UnixDatagram::unbound()?;
        let (name, size) = unix(p, "uring-datagram.sock");
        let part = libc::iovec { iov_base: c"deed".as_ptr().cast_mut().cast(), iov_len: 4 };
        // SAFETY: integers and pointers, of which zero is a value.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        (message.msg_name, message.msg_namelen) = (ptr::from_ref(&name).cast_mut().cast(), size as u32);
        (message.msg_iov, message.msg_iovlen) = (ptr::from_ref(&part).cast_mut(), 1);
        let entry = Entry { opcode: SENDMSG, fd: sender.as_raw_fd(), len: 1, ..Entry::default() };
        request(MORE, &Entry { address: address(&message), ..entry }).map(drop)
    }),
];

fn address<T>(of: &T) -> u64 {
    ptr::from_ref(of) as u64
}

fn open(of: &CString) -> Entry {
    Entry { opcode: OPENAT, fd: libc::AT_FDCWD, address: path(of), ..Entry::default() }
}

/// The descriptor that came back is closed.
fn opened(result: io::Result<i32>) -> io::Result<()> {
    result.and_then(|fd| owned(i64::from(fd))).map(drop)
}

fn on_path(opcode: u8, of: &CString, mode: u32) -> io::Result<()> {
    request(MORE, &Entry { opcode, len: mode, ..open(of) }).map(drop)
}

fn bind(socket: &OwnedFd, port: u16) -> io::Result<()> {
    let ip = libc::in_addr { s_addr: u32::from(Ipv4Addr::LOCALHOST).to_be() };
    let family = libc::AF_INET as u16;
    let name =
        libc::sockaddr_in { sin_family: family, sin_port: port.to_be(), sin_addr: ip, sin_zero: [0; 8] };
    let entry = Entry { opcode: BIND, fd: socket.as_raw_fd(), address: address(&name), ..Entry::default() };
    request(MORE, &Entry { offset: size_of_val(&name) as u64, ..entry }).map(drop)
}

fn connect(place: &Place, name: &str) -> io::Result<()> {
    let socket = call!(libc::SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0)?;
    let socket = owned(socket)?;
    let (name, size) = unix(place, name);
    let entry =
        Entry { opcode: CONNECT, fd: socket.as_raw_fd(), address: address(&name), ..Entry::default() };
    request(MORE, &Entry { offset: size as u64, ..entry }).map(drop)
}
