//! Connections by TCP to this machine, until it is known who is at their other end.
//!
//! The hook on a connect decides by who listens then. Its first packet may leave later, and be sent again, and somebody else may
//! listen by then; or somebody listens of whom user space knows nothing yet. So the hook shuts a door at the socket, by which
//! nothing leaves but the bare request for a connection. Whoever answers that is looked up at the next packet: it opens the door
//! where the session may reach them, and is dropped otherwise. What was dropped TCP sends again.

use crate::head::{self, Head, TCP, bytes};
use crate::listener::{self, Found};
use crate::maps::{DOORS, Door};
use crate::peer::{NetOperation, Peer, inode, tell};
use crate::ring::verdict;
use crate::task::{self, Inside};
use crate::{decide, loan};
use abi::{MEANS_CGROUP, STAGE_T0, VERDICT_REFUSED, access, op};
use aya_ebpf::bindings::{__sk_buff, BPF_SK_STORAGE_GET_F_CREATE, bpf_sock};
use aya_ebpf::helpers::generated::bpf_sk_storage_get;
use aya_ebpf::programs::SockAddrContext;
use core::ptr::null_mut;

/// `Door::state`: everything passes.
const OPEN: u32 = 0;
/// `Door::state`: it is not known who is at the other end. The connect was told.
const TOLD: u32 = 1;
/// `Door::state`: likewise, and nothing was told of the connect.
const UNTOLD: u32 = 2;
/// `Door::state`: who is at the other end may not be reached, and that was told.
const REFUSED: u32 = 3;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const SOCK_STREAM: u16 = 1;
/// include/net/tcp_states.h
const TCP_LISTEN: u32 = 10;
/// `LOOPBACK_IFINDEX`, include/net/flow.h: in each network namespace.
const LOOPBACK: u32 = 1;

/// Shuts the door of a socket that is about to connect to who was found; `false` where there is no memory for it. `told`: so was the
/// connect.
#[inline(always)]
pub fn shut(ctx: &SockAddrContext, inside: &Inside, found: &Found, told: bool) -> bool {
    let door = of(socket(ctx), BPF_SK_STORAGE_GET_F_CREATE.into());
    if door.is_null() {
        return false;
    }
    let (tgid, tid, session) = (inside.tgid, inside.tid, inside.slot);
    // SAFETY: the entry of the socket that the caller has locked.
    unsafe {
        *door = Door { inode: found.inode, tgid, tid, session, state: if told { TOLD } else { UNTOLD } }
    };
    true
}

/// Opens the door of a socket that was connected to this machine before, and is about to connect elsewhere.
#[inline(always)]
pub fn open(ctx: &SockAddrContext) {
    let door = of(socket(ctx), 0);
    if !door.is_null() {
        // SAFETY: as above.
        unsafe { (*door).state = OPEN };
    }
}

#[inline(always)]
fn socket(ctx: &SockAddrContext) -> *mut bpf_sock {
    // SAFETY: the context of this program type, which has the socket.
    unsafe { core::ptr::read_volatile(&raw const (*ctx.sock_addr).__bindgen_anon_1.sk) }
}

#[inline(always)]
fn of(sk: *mut bpf_sock, flags: u64) -> *mut Door {
    // SAFETY: a socket of the context, and the map that is made for them.
    unsafe { bpf_sk_storage_get((&raw const DOORS).cast_mut().cast(), sk.cast(), null_mut(), flags) }.cast()
}

/// Whether a packet that a socket sends is to be dropped.
#[inline(always)]
pub fn keeps(skb: *mut __sk_buff) -> bool {
    // SAFETY: the context of this program type.
    let sk = unsafe { core::ptr::read_volatile(&raw const (*skb).__bindgen_anon_2.sk) };
    if sk.is_null() {
        return false;
    }
    let door = of(sk, 0);
    if door.is_null() {
        return false;
    }
    // It listens now: this packet is an answer.
    // SAFETY: a socket of the context.
    if unsafe { core::ptr::read_volatile(&raw const (*sk).state) } == TCP_LISTEN {
        return false;
    }
    // SAFETY: the look-up succeeded; the entry lives as long as its socket.
    let known = unsafe { *door };
    if known.state == OPEN || known.state == REFUSED {
        return known.state == REFUSED;
    }
    let Some(head) = Head::of(skb).filter(|head| head.protocol == TCP) else { return true };
    if asks(skb, &head) == Some(true) {
        return false;
    }
    let Some(state) = leads(skb, sk, &head, &known) else { return true };
    // SAFETY: as above. Packets of one socket do not pass at once; if they did, both would find the same.
    unsafe { (*door).state = state };
    state == REFUSED
}

/// Whether a segment asks for a connection and carries nothing.
#[inline(always)]
fn asks(skb: *mut __sk_buff, head: &Head) -> Option<bool> {
    const SYN: u8 = 1 << 1;
    const ACK: u8 = 1 << 4;
    let [flags] = bytes::<1>(skb, head.transport + 13)?;
    Some(flags & (SYN | ACK) == SYN && head.data(skb)? == head::len(skb))
}

/// What becomes of a door, by who is at the other end; `None`: that is not known yet.
#[inline(always)]
fn leads(skb: *mut __sk_buff, sk: *mut bpf_sock, head: &Head, door: &Door) -> Option<u32> {
    // SAFETY: the context of this program type.
    let device = unsafe { core::ptr::read_volatile(&raw const (*skb).ifindex) };
    // Translated, perhaps, or of another network namespace: what stays in one goes by its loopback device.
    if device != LOOPBACK || !listener::is_local(head.target) {
        return Some(OPEN);
    }
    // Connected to itself, which TCP allows.
    if head.source == head.target && head.source_port == head.target_port {
        return Some(OPEN);
    }
    let found = listener::answers(skb, head, door.session)?;
    if found.own {
        return Some(OPEN);
    }
    if found.reason == 0 && found.is_new {
        return None;
    }
    let is_other = found.inode != door.inode;
    if found.reason == 0 && !is_other && door.state == TOLD {
        return Some(OPEN);
    }
    // The process may have ended, and its session's place have been given to another one.
    let Some(inside) = task::find(door.tgid, door.tid).filter(|inside| inside.slot == door.session) else {
        // Whoever has the socket now: nothing speaks against who it was connected to.
        return if found.reason == 0 && !is_other { Some(OPEN) } else { None };
    };
    let peer = Peer {
        family: if head.is_ipv4() { AF_INET } else { AF_INET6 },
        kind: SOCK_STREAM,
        port: u16::from_be(head.target_port),
        protocol: u32::from(TCP),
        addr: head.target,
    };
    if is_other && inside.session().lent != 0 {
        let (own, port) = (inode(listener::plain(sk.cast())), u64::from(peer.port));
        loan::keep(own, peer.addr[0], peer.addr[1], port, u64::from(inside.slot));
    }
    let decided = if found.reason != 0 {
        verdict(&inside, STAGE_T0, found.reason, MEANS_CGROUP)
    } else if is_other {
        decide::address(&inside, peer.addr, peer.port, access::CONNECT, MEANS_CGROUP, false)
    } else {
        verdict(&inside, 0, 0, 0)
    };
    let operation =
        NetOperation { peer: found.pid, socket: found.inode, ..NetOperation::before(op::CONNECT, 0) };
    tell(&inside, &operation, &peer, &decided);
    Some(if decided.flags & VERDICT_REFUSED == 0 { OPEN } else { REFUSED })
}
