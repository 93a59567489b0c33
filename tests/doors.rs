//! More ways out of a machine, and in: by calls and by kinds of sockets that few programs use.

use crate::ways::{connect, send_to, socket};
use rustix::net::{
    AddressFamily, MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, SocketFlags, SocketType, sendmmsg,
    sendmsg_addr, sendto, socket_with,
};
use std::io::{self, Error, IoSlice};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;

/// Port 9, of this machine: nobody listens there, and nobody minds.
const HARMLESS: &str = "127.0.0.1:9";

/// Sends something to an address in the way that a verb names; `None` for another verb.
pub(crate) fn send(verb: &str, to: &str) -> Option<io::Result<()>> {
    const STREAM: i32 = libc::SOCK_STREAM;
    const DATAGRAM: i32 = libc::SOCK_DGRAM;
    let address = || to.parse::<SocketAddr>().map_err(Error::other);
    Some(match verb {
        "udp-message" => address().and_then(|to| message(&to)),
        "udp-messages" => address().and_then(|to| messages(&to)),
        "udp-anew" => address().and_then(|to| {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.connect(HARMLESS)?;
            socket.connect(to)?;
            socket.send(b"x").map(drop)
        }),
        "udp-lite" => address().and_then(|to| {
            let socket = socket(&to, DATAGRAM, libc::IPPROTO_UDPLITE)?;
            connect(&socket, &to)?;
            send_on(&socket)
        }),
        "sctp" => address().and_then(|to| connect(&socket(&to, STREAM, libc::IPPROTO_SCTP)?, &to)),
        "raw" => address().and_then(|to| send_to(&socket(&to, libc::SOCK_RAW, 253)?, &to, 0)),
        "ping" => address().and_then(|to| ping(&to)),
        "packet" => address().and_then(|to| packet(&to)),
        _ => return None,
    })
}

fn send_on(socket: &OwnedFd) -> io::Result<()> {
    rustix::net::send(socket, b"x", SendFlags::empty())?;
    Ok(())
}

fn message(to: &SocketAddr) -> io::Result<()> {
    let socket = socket(to, libc::SOCK_DGRAM, 0)?;
    let nothing = &mut SendAncillaryBuffer::default();
    sendmsg_addr(&socket, to, &[IoSlice::new(b"x")], nothing, SendFlags::empty())?;
    Ok(())
}

/// Behind one for somebody whom it may be sent to.
fn messages(to: &SocketAddr) -> io::Result<()> {
    let socket = socket(to, libc::SOCK_DGRAM, 0)?;
    let harmless: SocketAddr = HARMLESS.parse().map_err(Error::other)?;
    let names = [harmless, *to].map(SocketAddrAny::from);
    let text = [IoSlice::new(b"x")];
    let mut nothing = [SendAncillaryBuffer::default(), SendAncillaryBuffer::default()];
    let mut both: Vec<_> =
        names.iter().zip(&mut nothing).map(|(to, none)| MMsgHdr::new_with_addr(to, &text, none)).collect();
    match sendmmsg(&socket, &mut both, SendFlags::empty())? {
        2 => Ok(()),
        // The error of the second is told by the next call, which is the same once more.
        _ => message(to),
    }
}

/// An echo request, by a socket that needs no right.
fn ping(to: &SocketAddr) -> io::Result<()> {
    let socket = socket(to, libc::SOCK_DGRAM, libc::IPPROTO_ICMP)?;
    sendto(&socket, &[8, 0, 0, 0, 0, 0, 0, 1], SendFlags::empty(), to)?;
    Ok(())
}

/// A datagram that it has built itself, past every protocol: packet(7).
fn packet(to: &SocketAddr) -> io::Result<()> {
    let SocketAddr::V4(to) = to else { return Err(Error::other("no such packet")) };
    const IP: u16 = 0x0800;
    const LOOPBACK: i32 = 1;
    let protocol = std::num::NonZeroU32::new(IP.to_be().into()).map(rustix::net::Protocol::from_raw);
    let socket = socket_with(AddressFamily::PACKET, SocketType::DGRAM, SocketFlags::CLOEXEC, protocol)?;
    let mut datagram = vec![0x45, 0, 0, 29, 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1];
    datagram.extend(to.ip().octets());
    datagram.extend([0, 9]);
    datagram.extend(to.port().to_be_bytes());
    datagram.extend([0, 9, 0, 0, b'x']);
    // SAFETY: integers, of which zero is a value.
    let mut name: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    (name.sll_family, name.sll_protocol) = (libc::AF_PACKET as u16, IP.to_be());
    (name.sll_ifindex, name.sll_halen) = (LOOPBACK, 6);
    // SAFETY: address and data outlive the call.
    let sent = unsafe {
        let at = (&raw const name).cast();
        let size = size_of_val(&name) as u32;
        libc::sendto(socket.as_raw_fd(), datagram.as_ptr().cast(), datagram.len(), 0, at, size)
    };
    if sent < 0 { Err(Error::last_os_error()) } else { Ok(()) }
}

/// Has a socket of a family that leads elsewhere than to a host: by its name.
pub(crate) fn family(name: &str) -> io::Result<()> {
    let (family, kind) = match name {
        "netlink" => (AddressFamily::NETLINK, SocketType::RAW),
        "alg" => (AddressFamily::from_raw(libc::AF_ALG as u16), SocketType::SEQPACKET),
        _ => (AddressFamily::VSOCK, SocketType::STREAM),
    };
    drop(socket_with(family, kind, SocketFlags::CLOEXEC, None)?);
    Ok(())
}

/// Listens, and takes the connection of somebody outside, who is told by a file where.
pub(crate) fn taken(told: &str) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    std::fs::write(format!("{told}.new"), listener.local_addr()?.to_string())?;
    std::fs::rename(format!("{told}.new"), told)?;
    listener.set_nonblocking(true)?;
    for _ in 0..200 {
        match listener.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            came => return came.map(drop),
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// Connects as soon as a file says where, and until nobody needs it any more.
pub fn connects_to(told: std::path::PathBuf) {
    std::thread::spawn(move || {
        for _ in 0..6_000 {
            if let Ok(at) = std::fs::read_to_string(&told) {
                let _ = std::fs::remove_file(&told);
                drop(TcpStream::connect(at));
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    });
}

/// Listens at places of the file system, for everybody, until the test ends.
pub fn listen_at(places: &[String]) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    for place in places {
        let path = std::path::Path::new(place);
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?;
        // One that is hung up on at once is nobody's connection, and has carried nothing.
        std::thread::spawn(move || {
            let mut taken = Vec::new();
            listener.incoming().for_each(|stream| taken.push(stream));
        });
    }
    Ok(())
}
