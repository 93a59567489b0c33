//! Sockets: cgroup hooks decide on addresses in both tiers.

use crate::deadline::{self, PUT_OFF};
use crate::read::{Address, clear, zeros};
use crate::ring::{Buffer, FACTS_WORDS, Said, Urgency, verdict};
use crate::syscall::{note_refusal, running};
use crate::task::{self, Inside};
use crate::{decide, dentry, endpoint, hold, listener, loan, packet};
use abi::{MEANS_CGROUP, Net, REASON_LENT, STAGE_T0, VERDICT_REFUSED, Verdict, access, kind, op};
use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::bpf_set_retval;
use aya_ebpf::macros::{cgroup_sock, cgroup_sock_addr};
use aya_ebpf::programs::{SockAddrContext, SockContext};
use core::mem::{offset_of, size_of};

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const SOCK_RAW: u16 = 3;
/// DCCP, SCTP, UDP-Lite: `struct proto` has no `pre_connect` there, from which the hooks on connects are run.
const WITHOUT_HOOKS: [u32; 3] = [33, 132, 136];
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

impl Peer {
    /// Whether the address hooks see what an Internet socket of this kind and protocol connects to.
    #[inline(always)]
    pub fn has_hooks(&self) -> bool {
        let mut i = 0;
        while i < WITHOUT_HOOKS.len() {
            if self.protocol == WITHOUT_HOOKS[i] {
                return false;
            }
            i += 1;
        }
        self.kind != SOCK_RAW
    }
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
    let decided = if found.reason != 0 {
        verdict(&inside, STAGE_T0, found.reason, MEANS_CGROUP)
    } else {
        // What was learned says nothing of what the session listens at itself, or of loopback where nobody does: another address of
        // this machine may be translated.
        let own = found.local && (found.own || found.inode == 0 && listener::is_loopback(peer.addr));
        decide::address(&inside, peer.addr, peer.port, access::CONNECT, MEANS_CGROUP, own)
    };
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
    if loan::taken(inside.slot) != 0 {
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
    note_refusal(running(inside));
    REFUSE
}

/// What is told of an operation on a socket besides its peer.
#[derive(Clone, Copy)]
pub struct NetOperation {
    /// `op::*`
    pub op: u16,
    /// What it returned.
    pub ret: i32,
    /// Told before the operation.
    pub before: bool,
    /// System call, or `u32::MAX`.
    pub syscall: u32,
    /// The unix socket that tells its file and its name; null for none.
    pub unix: Address,
    /// The process on the other side; 0 where it is not known.
    pub peer: u32,
    /// It is known to be of the session itself.
    pub own: bool,
    /// Inode of the Internet socket on the other side; 0 where it is not on this machine, or not known.
    pub socket: u64,
    /// The address that the caller gave, where the kernel's own was not there.
    pub said: Said,
}

impl NetOperation {
    /// One that a hook tells before it happens.
    #[inline(always)]
    pub fn before(op: u16, ret: i32) -> Self {
        Self {
            op,
            ret,
            before: true,
            syscall: u32::MAX,
            unix: Address(0),
            peer: 0,
            own: false,
            socket: 0,
            said: Said::NOTHING,
        }
    }
}

/// Writes a [`kind::NET`] record. A refusal goes to the control ring.
#[inline(always)]
pub fn tell(inside: &Inside, operation: &NetOperation, peer: &Peer, decided: &Verdict) {
    let Some(buffer) = Buffer::claim() else { return hold::lost(inside, decided) };
    let record: *mut Net = buffer.record();
    let peer_inside = match task::find(operation.peer, 0) {
        Some(other) => other.slot == inside.slot,
        None => operation.own,
    };
    // SAFETY: the buffer is larger than a record, and this program's own until it is submitted.
    unsafe {
        (*record).op = operation.op;
        (*record).family = peer.family;
        (*record).kind = peer.kind;
        (*record).port = peer.port;
        (*record).protocol = peer.protocol;
        (*record).ret = operation.ret;
        (*record).addr = core::mem::transmute::<[u64; 2], [u8; 16]>(peer.addr);
        clear::<FACTS_WORDS>((&raw mut (*record).file).cast());
        (*record).file.file.ino = operation.socket;
        (*record).verdict = *decided;
        (*record).before = u32::from(operation.before);
        (*record).peer = operation.peer;
        (*record).peer_inside = u32::from(peer_inside);
    }
    let mut len = size_of::<Net>();
    let claimed = operation.said.address != 0;
    let file = if claimed { dentry::working_directory() } else { endpoint::file(operation.unix) };
    if let Some(dentry) = file {
        let Some(end) = buffer.append_file(offset_of!(Net, file), len, dentry) else {
            hold::lost(inside, decided);
            return buffer.discard();
        };
        len = end;
    }
    let named = buffer.append_name(len, operation.unix);
    let address = buffer.append_address(len + named as usize, operation.said);
    // SAFETY: as above.
    unsafe {
        (*record).name_len = named as u16;
        (*record).claimed_len = address as u16;
    }
    let urgency = if decided.stage == 0 { Urgency::Operation } else { Urgency::Control };
    let len = len + named as usize + address as usize;
    buffer.submit(kind::NET, inside, operation.syscall, len, urgency);
}
