//! Sockets.

use super::file::owned;
use super::tools::{Deed, Place, call, in_child, say};
use rustix::net::{AddressFamily, SocketType};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::ptr;

pub(super) const DEEDS: &[Deed] = &[
    ("socket", |_| {
        call!(libc::SYS_socket, libc::AF_INET6, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0)
            .and_then(owned)
            .map(drop)
    }),
    ("socket, unix", |_| {
        call!(libc::SYS_socket, libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0)
            .and_then(owned)
            .map(drop)
    }),
    ("bind, listen, connect, accept", |_| {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        say("tcp", i64::from(server.local_addr()?.port()));
        let client = TcpStream::connect(server.local_addr()?)?;
        say("client", i64::from(client.local_addr()?.port()));
        server.accept().map(drop)
    }),
    ("connect, refused", |_| {
        // A port that was free a moment ago.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        say("refused", i64::from(port));
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map(drop)
    }),
    ("bind, taken", |_| {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        say("taken", i64::from(server.local_addr()?.port()));
        TcpListener::bind(server.local_addr()?).map(drop)
    }),
    ("connect, IPv6", |_| {
        let server = TcpListener::bind((Ipv6Addr::LOCALHOST, 0))?;
        say("tcp6", i64::from(server.local_addr()?.port()));
        TcpStream::connect(server.local_addr()?).map(drop)
    }),
    ("connect, v4-mapped", |_| {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = server.local_addr()?.port();
        say("mapped", i64::from(port));
        TcpStream::connect((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), port)).map(drop)
    }),
    ("connect, UDP-Lite", |_| {
        const UDP_LITE: u32 = 136;
        let protocol = std::num::NonZeroU32::new(UDP_LITE).map(rustix::net::Protocol::from_raw);
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        say("udp-lite", i64::from(receiver.local_addr()?.port()));
        let sender = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, protocol)?;
        Ok(rustix::net::connect(&sender, &receiver.local_addr()?)?)
    }),
    ("sendto", |_| {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        say("udp", i64::from(receiver.local_addr()?.port()));
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.send_to(b"deed", receiver.local_addr()?).map(drop)
    }),
    ("sendmsg", |_| {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address: SocketAddr = receiver.local_addr()?;
        say("sendmsg", i64::from(address.port()));
        let sender = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
        rustix::net::sendmsg_addr(
            &sender,
            &address,
            &[io::IoSlice::new(b"deed")],
            &mut rustix::net::SendAncillaryBuffer::default(),
            rustix::net::SendFlags::empty(),
        )?;
        Ok(())
    }),
    ("bind, unix", |p| UnixListener::bind(p.path("bound.sock")).map(drop)),
    ("connect, unix, outside", |p| UnixStream::connect(p.path("outside.sock")).map(drop)),
    ("connect, unix, inside", |p| {
        let _server = UnixListener::bind(p.path("inside.sock"))?;
        say("inside", i64::from(std::process::id()));
        UnixStream::connect(p.path("inside.sock")).map(drop)
    }),
    ("connect, unix, absent", |p| UnixStream::connect(p.path("absent")).map(drop)),
    ("connect, unix, abstract", |_| {
        abstract_address("deed-outside").and_then(|at| UnixStream::connect_addr(&at)).map(drop)
    }),
    ("send, unix", |p| UnixDatagram::unbound()?.send_to(b"deed", p.path("datagram.sock")).map(drop)),
    ("send, unix, abstract", |_| {
        UnixDatagram::unbound()?.send_to_addr(b"deed", &abstract_address("deed-datagram")?).map(drop)
    }),
    ("sendmmsg, unix", |p| {
        let names = ["first.sock", "second.sock"];
        let _receivers = names.map(|name| UnixDatagram::bind(p.path(name)));
        let addresses = names.map(|name| unix(p, name));
        let part = libc::iovec { iov_base: c"deed".as_ptr().cast_mut().cast(), iov_len: 4 };
        let mut messages = addresses.each_ref().map(|(address, size)| {
            // SAFETY: integers and pointers, of which zero is a value.
            let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
            let head = &mut message.msg_hdr;
            (head.msg_name, head.msg_namelen) = (ptr::from_ref(address).cast_mut().cast(), *size as u32);
            (head.msg_iov, head.msg_iovlen) = (ptr::from_ref(&part).cast_mut(), 1);
            message
        });
        let sender = UnixDatagram::unbound()?;
        let sent = call!(libc::SYS_sendmmsg, sender.as_raw_fd(), messages.as_mut_ptr(), messages.len(), 0)?;
        if sent == 2 { Ok(()) } else { Err(io::Error::other(format!("{sent} of 2 messages"))) }
    }),
    ("raw socket", |_| {
        in_child(|| {
            let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
            call!(libc::SYS_socket, libc::AF_INET, kind, libc::IPPROTO_ICMP).and_then(owned).map(drop)
        })
    }),
];

/// An abstract address.
pub(super) fn abstract_address(name: &str) -> io::Result<std::os::unix::net::SocketAddr> {
    <std::os::unix::net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)
}

/// The address of a unix socket, and its length.
pub(super) fn unix(place: &Place, name: &str) -> (libc::sockaddr_un, usize) {
    // SAFETY: integers, of which zero is a value.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as u16;
    let path = place.at(name);
    for (to, from) in address.sun_path.iter_mut().zip(path.as_bytes_with_nul()) {
        *to = *from as libc::c_char;
    }
    (address, size_of_val(&address))
}

/// What the listeners outside of the session are.
pub struct Outside {
    _stream: UnixListener,
    _named: UnixListener,
    _datagrams: [UnixDatagram; 2],
}

impl Outside {
    /// Opens them.
    pub fn open(directory: &std::path::Path) -> io::Result<Outside> {
        Ok(Outside {
            _stream: UnixListener::bind(directory.join("outside.sock"))?,
            _named: UnixListener::bind_addr(&abstract_address("deed-outside")?)?,
            _datagrams: [
                UnixDatagram::bind(directory.join("datagram.sock"))?,
                UnixDatagram::bind_addr(&abstract_address("deed-datagram")?)?,
            ],
        })
    }
}
