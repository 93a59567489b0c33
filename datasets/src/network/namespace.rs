//! The namespace itself: made, and given its addresses by rtnetlink(7).

use super::{HOSTILE, INDEX, MODEL, NAMES, REMOTE};
use crate::Error;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, send, socket};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Moves the calling thread, and every thread and process that it starts from now on, to a new network namespace that
/// has the addresses of [`super`]. Needs CAP_SYS_ADMIN.
pub fn isolate() -> Result<(), Error> {
    let all = [INDEX, REMOTE, MODEL, NAMES].iter().chain(&HOSTILE);
    isolate_with(&all.map(|address| *address.ip()).collect::<Vec<_>>())
}

/// The same with other addresses.
pub fn isolate_with(addresses: &[Ipv4Addr]) -> Result<(), Error> {
    let failed = |step| move |source: io::Error| Error::Network { step, source };
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)
        .map_err(|errno| failed("make a network namespace")(errno.into()))?;
    request(&link_up()).map_err(failed("bring loopback up"))?;
    for address in addresses {
        request(&add_address(*address)).map_err(failed("add an address"))?;
    }
    Ok(())
}

/// Loopback's index is 1 in every namespace.
const LOOPBACK: u32 = 1;

const NLM_F_REQUEST_ACK: u16 = 0x1 | 0x4;
const NLM_F_CREATE_EXCL: u16 = 0x400 | 0x200;
const NLMSG_ERROR: u16 = 2;
const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// `struct ifinfomsg` that sets IFF_UP; see rtnetlink(7).
fn link_up() -> Vec<u8> {
    const IFF_UP: u32 = 1;
    let mut body = vec![0; 4];
    for word in [LOOPBACK, IFF_UP, IFF_UP] {
        body.extend(word.to_ne_bytes());
    }
    message(RTM_NEWLINK, NLM_F_REQUEST_ACK, &body)
}

/// `struct ifaddrmsg` with one address of its own, without a network around it.
fn add_address(address: Ipv4Addr) -> Vec<u8> {
    const AF_INET: u8 = 2;
    const WHOLE: u8 = 32;
    let mut body = vec![AF_INET, WHOLE, 0, 0];
    body.extend(LOOPBACK.to_ne_bytes());
    for attribute in [IFA_LOCAL, IFA_ADDRESS] {
        body.extend(8_u16.to_ne_bytes());
        body.extend(attribute.to_ne_bytes());
        body.extend(address.octets());
    }
    message(RTM_NEWADDR, NLM_F_REQUEST_ACK | NLM_F_CREATE_EXCL, &body)
}

/// Gives loopback of the calling thread's network namespace one more address. Needs CAP_NET_ADMIN.
pub fn add_address_6(address: Ipv6Addr) -> Result<(), Error> {
    const AF_INET6: u8 = 10;
    const WHOLE: u8 = 128;
    /// Nobody is asked whether it is another one's.
    const IFA_F_NODAD: u8 = 2;
    let mut body = vec![AF_INET6, WHOLE, IFA_F_NODAD, 0];
    body.extend(LOOPBACK.to_ne_bytes());
    for attribute in [IFA_LOCAL, IFA_ADDRESS] {
        body.extend(20_u16.to_ne_bytes());
        body.extend(attribute.to_ne_bytes());
        body.extend(address.octets());
    }
    request(&message(RTM_NEWADDR, NLM_F_REQUEST_ACK | NLM_F_CREATE_EXCL, &body))
        .map_err(|source| Error::Network { step: "add an address", source })
}

/// `struct nlmsghdr` and what follows it; see netlink(7).
fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    const HEADER: usize = 16;
    #[expect(clippy::cast_possible_truncation, reason = "a body is an address or a name")]
    let length = (HEADER + body.len()) as u32;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// Sends one request to the kernel, and waits for its acknowledgement.
fn request(message: &[u8]) -> io::Result<()> {
    // No protocol is NETLINK_ROUTE, which is 0.
    let socket = socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    send(&socket, message, SendFlags::empty())?;
    let mut answer = [0; 1024];
    let (length, _) = recv(&socket, &mut answer, RecvFlags::empty())?;
    let field = |from: usize, to: usize| answer.get(from..to).filter(|_| to <= length);
    let kind = field(4, 6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    let error = field(16, 20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match (kind, error) {
        (Some(NLMSG_ERROR), Some(0)) => Ok(()),
        (Some(NLMSG_ERROR), Some(errno)) => Err(io::Error::from_raw_os_error(-errno)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel gave no acknowledgement")),
    }
}
