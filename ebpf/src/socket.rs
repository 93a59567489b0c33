//! Sockets: cgroup hooks decide on addresses in both tiers.

use crate::deadline::{self, PUT_OFF};
use crate::peer::{NetOperation, Peer, mapped, tell};
use crate::read::zeros;
use crate::ring::verdict;
use crate::task::{self, Inside};
use crate::{decide, door, listener, loan, packet, refusal, worker};
use abi::{MEANS_CGROUP, REASON_LENT, STAGE_T0, VERDICT_REFUSED, Verdict, access, op};
use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::bpf_set_retval;
use aya_ebpf::macros::{cgroup_sock, cgroup_sock_addr};
use aya_ebpf::programs::{SockAddrContext, SockContext};

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const ALLOW: i32 = 1;
const REFUSE: i32 = 0;
/// `ENOBUFS`, include/uapi/asm-generic/errno.h
const NO_ROOM: i32 = -105;
const SOCK_STREAM: u16 = 1;

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
    let Some(inside) = task::of_task(task::task()) else { return ALLOW };
    if deadline::puts_off(&inside) {
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_set_retval(PUT_OFF) };
        return REFUSE;
    }
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
    let bound = if op == op::SEND && !ipv6 {
        // SAFETY: as above; only these hooks have the field.
        unsafe { core::ptr::read_volatile(&raw const (*ctx.sock_addr).msg_src_ip4) }
    } else {
        0
    };
    let found = listener::find(ctx, &inside, &peer, bound);
    // What was learned or lent says nothing of what the session listens at itself, or of loopback where nobody does: another
    // address of this machine may be translated.
    let own = found.local && (found.own || found.inode == 0 && listener::is_loopback(peer.addr));
    // A datagram may wait in its socket, and what is added to it goes where that went, with no question.
    if !own
        && inside.session().lent != 0
        && (op == op::CONNECT || loan::narrows(&inside, peer.addr, peer.port))
    {
        listener::keep_peer(ctx, &inside, &peer);
    }
    let decided = if found.reason != 0 {
        verdict(&inside, STAGE_T0, found.reason, MEANS_CGROUP)
    } else {
        decide::address(&inside, peer.addr, peer.port, access::CONNECT, MEANS_CGROUP, own)
    };
    // Who has just begun to listen is told of when it is known who that is.
    let told = decided.stage != 0 || !found.is_new;
    let is_tcp = op == op::CONNECT && peer.kind == SOCK_STREAM;
    if is_tcp && !found.local {
        door::open(ctx);
    } else if is_tcp
        && decided.flags & VERDICT_REFUSED == 0
        && inside.session().flags & abi::SESSION_ENFORCE != 0
    {
        if !door::shut(ctx, &inside, &found, told) {
            // SAFETY: the helper has no preconditions.
            unsafe { bpf_set_retval(NO_ROOM) };
            return REFUSE;
        }
        if !told {
            packet::expect(ctx, &inside, &peer);
            return ALLOW;
        }
    }
    let operation =
        NetOperation { peer: found.pid, own: found.own, socket: found.inode, ..NetOperation::before(op, 0) };
    tell(&inside, &operation, &peer, &decided);
    packet::expect(ctx, &inside, &peer);
    answer(&inside, &decided)
}

/// A new Internet socket: one that passes by the address hooks is refused here by an armed baseline.
#[cgroup_sock(sock_create)]
pub fn sock_create(ctx: SockContext) -> i32 {
    let Some(inside) = task::of_task(task::task()) else { return ALLOW };
    // SAFETY: the context of this program type.
    let (family, kind, protocol) = unsafe {
        let sock = &*ctx.as_ptr().cast::<aya_ebpf::bindings::bpf_sock>();
        (
            core::ptr::read_volatile(&raw const sock.family),
            core::ptr::read_volatile(&raw const sock.type_),
            core::ptr::read_volatile(&raw const sock.protocol),
        )
    };
    let peer = Peer { family: family as u16, kind: kind as u16, port: 0, protocol, addr: zeros() };
    if peer.has_hooks() {
        return ALLOW;
    }
    let decided = unhooked(&inside, MEANS_CGROUP);
    // The end of the call tells what was allowed.
    if decided.stage != 0 {
        tell(&inside, &NetOperation::before(op::SOCKET, 0), &peer, &decided);
    }
    answer(&inside, &decided)
}

/// The last descriptor of an Internet socket is closed.
#[cgroup_sock(sock_release)]
pub fn sock_release(ctx: SockContext) -> i32 {
    listener::forget(&ctx);
    ALLOW
}

/// Decides a socket that reaches past the address hooks.
#[inline(always)]
pub fn unhooked(inside: &Inside, means: u8) -> Verdict {
    let session = inside.session();
    if session.restrict & access::CONNECT != 0 {
        return verdict(inside, abi::STAGE_T2, session.restrict_reason, means);
    }
    if session.lent != 0 && loan::passes_by(inside.slot) {
        return verdict(inside, STAGE_T0, REASON_LENT, means);
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
    refusal::note(worker::key(inside));
    REFUSE
}
