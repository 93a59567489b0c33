//! Sockets: cgroup hooks decide on addresses in both tiers, and the end of a call tells what became of a socket.

use crate::maps::REFUSED;
use crate::read::{Address, clear, zeros};
use crate::ring::{Buffer, FACTS_WORDS, Urgency, lose, verdict};
use crate::syscall::thread;
use crate::task::{self, Inside};
use crate::{decide, dentry, offsets};
use abi::{MEANS_CGROUP, Net, VERDICT_REFUSED, Verdict, access, kind, op};
use aya_ebpf::EbpfContext;
use aya_ebpf::macros::{cgroup_sock, cgroup_sock_addr};
use aya_ebpf::programs::{SockAddrContext, SockContext};
use core::mem::{offset_of, size_of};

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const SOCK_RAW: u32 = 3;
const ALLOW: i32 = 1;
const REFUSE: i32 = 0;

/// A peer, as the kernel has copied it.
#[derive(Clone, Copy)]
pub struct Peer {
    /// `AF_*`
    pub family: u16,
    /// `SOCK_*`
    pub kind: u16,
    /// Port in host byte order.
    pub port: u16,
    /// `IPPROTO_*`
    pub protocol: u32,
    /// v4-mapped for IPv4.
    pub addr: [u64; 2],
}

/// IPv4 (in network byte order) as IPv6, `::ffff:a.b.c.d`.
#[inline(always)]
pub fn mapped(ip4: u32) -> [u64; 2] {
    [0, 0xffff_0000 | u64::from(ip4) << 32]
}

/// `connect(2)` of IPv4, and what implies it: TCP fast open, io_uring.
#[cgroup_sock_addr(connect4)]
pub fn connect4(ctx: SockAddrContext) -> i32 {
    to_address(&ctx, op::CONNECT, false)
}

/// `connect(2)` of IPv6.
#[cgroup_sock_addr(connect6)]
pub fn connect6(ctx: SockAddrContext) -> i32 {
    to_address(&ctx, op::CONNECT, true)
}

/// A datagram to an IPv4 address, without connect.
#[cgroup_sock_addr(sendmsg4)]
pub fn sendmsg4(ctx: SockAddrContext) -> i32 {
    to_address(&ctx, op::SEND, false)
}

/// A datagram to an IPv6 address, without connect.
#[cgroup_sock_addr(sendmsg6)]
pub fn sendmsg6(ctx: SockAddrContext) -> i32 {
    to_address(&ctx, op::SEND, true)
}

#[inline(always)]
fn to_address(ctx: &SockAddrContext, op: u16, ipv6: bool) -> i32 {
    let Some(inside) = task::current_by_task() else { return ALLOW };
    // SAFETY: the context of this program type; each field is read with the width that the verifier allows.
    let peer = unsafe {
        let addr = &*ctx.sock_addr;
        let ip = if ipv6 {
            let words: [u32; 4] = [
                core::ptr::read_volatile(&raw const addr.user_ip6[0]),
                core::ptr::read_volatile(&raw const addr.user_ip6[1]),
                core::ptr::read_volatile(&raw const addr.user_ip6[2]),
                core::ptr::read_volatile(&raw const addr.user_ip6[3]),
            ];
            core::mem::transmute::<[u32; 4], [u64; 2]>(words)
        } else {
            mapped(core::ptr::read_volatile(&raw const addr.user_ip4))
        };
        Peer {
            family: if ipv6 { AF_INET6 } else { AF_INET },
            kind: core::ptr::read_volatile(&raw const addr.type_) as u16,
            port: u16::from_be(core::ptr::read_volatile(&raw const addr.user_port) as u16),
            protocol: core::ptr::read_volatile(&raw const addr.protocol),
            addr: ip,
        }
    };
    let decided = decide::address(&inside, peer.addr, peer.port, access::CONNECT, MEANS_CGROUP);
    tell(&inside, op, &peer, None, 0, true, u32::MAX, &decided);
    answer(&inside, &decided)
}

/// A new Internet socket: raw ones pass by the address hooks, so that an armed baseline refuses them here.
#[cgroup_sock(sock_create)]
pub fn sock_create(ctx: SockContext) -> i32 {
    let Some(inside) = task::current_by_task() else { return ALLOW };
    // SAFETY: the context of this program type.
    let (family, kind, protocol) = unsafe {
        let sock = &*ctx.as_ptr().cast::<aya_ebpf::bindings::bpf_sock>();
        (
            core::ptr::read_volatile(&raw const sock.family),
            core::ptr::read_volatile(&raw const sock.type_),
            core::ptr::read_volatile(&raw const sock.protocol),
        )
    };
    if kind != SOCK_RAW {
        return ALLOW;
    }
    let peer = Peer { family: family as u16, kind: kind as u16, port: 0, protocol, addr: zeros() };
    let decided = raw_socket(&inside, MEANS_CGROUP);
    tell(&inside, op::SOCKET, &peer, None, 0, true, u32::MAX, &decided);
    answer(&inside, &decided)
}

/// Decides a socket that reaches past the address hooks.
#[inline(always)]
pub fn raw_socket(inside: &Inside, means: u8) -> Verdict {
    let session = inside.session();
    if session.restrict & access::CONNECT != 0 {
        return verdict(inside, abi::STAGE_T2, session.restrict_reason, means);
    }
    if session.flags & abi::SESSION_T1 != 0 && session.unknown_net & access::CONNECT != 0 {
        return verdict(inside, abi::STAGE_T1, session.unknown_net_reason, means);
    }
    verdict(inside, 0, 0, 0)
}

#[inline(always)]
fn answer(inside: &Inside, decided: &Verdict) -> i32 {
    if decided.flags & VERDICT_REFUSED == 0 {
        return ALLOW;
    }
    let _ = REFUSED.insert(thread(inside), 1, 0);
    REFUSE
}

/// Writes a [`kind::NET`] record. A refusal goes to the control ring.
#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "one record, one call; a structure would only be filled and emptied"
)]
pub fn tell(
    inside: &Inside,
    op: u16,
    peer: &Peer,
    unix: Option<Address>,
    ret: i32,
    before: bool,
    syscall: u32,
    decided: &Verdict,
) {
    let Some(buffer) = Buffer::claim() else { return };
    let record: *mut Net = buffer.record();
    // SAFETY: the buffer is larger than a record, and this program's own until it is submitted.
    unsafe {
        (*record).op = op;
        (*record).family = peer.family;
        (*record).kind = peer.kind;
        (*record).port = peer.port;
        (*record).protocol = peer.protocol;
        (*record).ret = ret;
        (*record).addr = core::mem::transmute::<[u64; 2], [u8; 16]>(peer.addr);
        clear::<FACTS_WORDS>((&raw mut (*record).file).cast());
        (*record).verdict = *decided;
        (*record).before = u32::from(before);
        (*record).pad = 0;
    }
    let mut len = size_of::<Net>();
    if let Some(dentry) = unix {
        let Some(end) = buffer.append_file(offset_of!(Net, file), len, dentry) else {
            lose(u32::from(kind::NET));
            return buffer.discard();
        };
        len = end;
    }
    let urgency = if decided.stage == 0 { Urgency::Operation } else { Urgency::Control };
    buffer.submit(kind::NET, inside, syscall, len, urgency);
}

/// The file of a unix socket, where it is bound to one.
#[inline(always)]
pub fn unix_file(sk: Address) -> Option<Address> {
    sk.follow(offsets::unix_dentry())
}

/// A call on a socket came back. Internet connects were told by the cgroup hooks, with their decision.
#[inline(always)]
pub fn finished(inside: &Inside, fd: i32, number: u32, op: u16, ret: i32) -> Option<()> {
    // The descriptor may be anything: only a socket's `struct file` has a `struct socket` as private data.
    const S_IFMT: u16 = 0o170000;
    const S_IFSOCK: u16 = 0o140000;
    let (file, dentry) = dentry::of_fd(fd)?;
    if dentry::inode(dentry)?.get::<u16>(offsets::inode_mode())? & S_IFMT != S_IFSOCK {
        return None;
    }
    let sk = file.follow(offsets::file_private())?.follow(offsets::socket_sk())?;
    let family: u16 = sk.get(offsets::sk_family())?;
    let mut peer = Peer {
        family,
        kind: sk.get(offsets::sk_type())?,
        port: 0,
        protocol: u32::from(sk.get::<u16>(offsets::sk_protocol())?),
        addr: zeros(),
    };
    let mut unix = None;
    match family {
        AF_UNIX => {
            if op == op::CONNECT && offsets::is_lsm_tier() && ret == 0 {
                return None;
            }
            let bound = if op == op::CONNECT { sk.follow(offsets::unix_peer()) } else { Some(sk) };
            unix = bound.and_then(unix_file);
        }
        AF_INET | AF_INET6 => {
            let local = op == op::BIND || op == op::LISTEN;
            if op == op::CONNECT && (ret == 0 || ret == -115) {
                return None;
            }
            peer.port =
                if local { sk.get(offsets::sk_num())? } else { u16::from_be(sk.get(offsets::sk_dport())?) };
            peer.addr = if family == AF_INET {
                mapped(sk.word(if local { offsets::sk_rcv_saddr() } else { offsets::sk_daddr() })?)
            } else {
                sk.get(if local { offsets::sk_v6_rcv_saddr() } else { offsets::sk_v6_daddr() })?
            };
            if op == op::CONNECT {
                return None;
            }
        }
        _ => {}
    }
    let mut decided = verdict(inside, 0, 0, 0);
    if op == op::CONNECT
        && let Some(dentry) = unix
    {
        decided = decide::file(inside, dentry, access::CONNECT, abi::MEANS_KILL);
        if decided.flags & VERDICT_REFUSED != 0 {
            // The connection is there, and its maker ends before it can use it.
            // SAFETY: the helper has no preconditions.
            unsafe { aya_ebpf::helpers::generated::bpf_send_signal(9) };
        }
    }
    tell(inside, op, &peer, unix, ret, false, number, &decided);
    Some(())
}
