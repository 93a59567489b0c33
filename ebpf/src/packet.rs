//! Packets that name hosts: DNS messages, and the beginnings of TLS connections. They are handed on as they are, since user
//! space takes them apart, and every packet passes but those that a loan closes.
//!
//! A packet is received in whatever thread is interrupted, so that nothing here asks who runs: a socket belongs to the
//! thread that connected it, or sent by it, and is known by its cookie.

use crate::maps::{SCRATCH_LEN, SESSIONS, SOCKETS};
use crate::read::opaque;
use crate::ring::{Buffer, Urgency};
use crate::socket::{Peer, mapped};
use crate::task::{self, Inside};
use crate::{listener, loan};
use abi::{Packet, SESSION_ENFORCE, Socket, kind};
use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::{bpf_get_netns_cookie, bpf_get_socket_cookie, bpf_skb_load_bytes};
use aya_ebpf::macros::cgroup_skb;
use aya_ebpf::programs::{SkBuffContext, SockAddrContext};
use core::mem::size_of;

const PASS: i32 = 1;
const DROP: i32 = 0;
const DNS: u16 = 53;
const TCP: u8 = 6;
const UDP: u8 = 17;
const SOCK_STREAM: u16 = 1;
/// Bytes of payload that a record carries at most: a DNS message of 1,232 bytes, and a ClientHello with the key shares of
/// today; a power of two, so that the bound is a mask.
const PAYLOAD: u32 = 2048;
/// Segments with data that are looked at: the first ones may speak to a proxy, or ask for TLS in the middle.
const SEGMENTS: u32 = 8;

/// `Socket::looked` of a socket from which nothing goes out any more.
const CLOSED: u32 = u32::MAX;

const _: () = assert!(size_of::<Packet>() + PAYLOAD as usize <= SCRATCH_LEN);

/// Keeps in mind a socket whose packets may name hosts, or may be closed by a loan.
#[inline(always)]
pub fn expect(ctx: &SockAddrContext, inside: &Inside, peer: &Peer) {
    if peer.port != DNS && peer.kind != SOCK_STREAM && inside.session().lent == 0 {
        return;
    }
    // SAFETY: the context of this program type, for which both helpers are made.
    let (cookie, netns) =
        unsafe { (bpf_get_socket_cookie(ctx.as_ptr()), bpf_get_netns_cookie(ctx.as_ptr())) };
    let socket = Socket { netns, tgid: inside.tgid, tid: inside.tid, session: inside.slot, looked: 0 };
    let _ = SOCKETS.insert(cookie, socket, 0);
}

/// A packet for a socket.
#[cgroup_skb(ingress)]
pub fn ingress(ctx: SkBuffContext) -> i32 {
    look(ctx.skb.skb, true);
    PASS
}

/// A packet from a socket.
#[cgroup_skb(egress)]
pub fn egress(ctx: SkBuffContext) -> i32 {
    if is_closed(ctx.skb.skb).unwrap_or(false) {
        return DROP;
    }
    look(ctx.skb.skb, false);
    PASS
}

/// Whether a packet goes to who is none of those that its session's loans are for: over a connection that was there before.
#[inline(always)]
fn is_closed(skb: *mut __sk_buff) -> Option<bool> {
    // SAFETY: the context of this program type, for which the helper is made.
    let cookie = unsafe { bpf_get_socket_cookie(skb.cast()) };
    let socket = SOCKETS.get_ptr_mut(cookie)?;
    // SAFETY: the look-up succeeded; an entry that is evicted meanwhile stays readable for a grace period.
    let known = unsafe { *socket };
    // What was not sent while the session ran is tried again when it is over.
    if known.looked == CLOSED {
        return Some(true);
    }
    let slot = known.session;
    let loans = loan::taken(slot);
    if loans == 0 {
        return None;
    }
    // SAFETY: arrays are never freed while the program runs.
    let session = unsafe { &*SESSIONS.get_ptr(slot)? };
    if session.flags & SESSION_ENFORCE == 0 {
        return None;
    }
    let way = Way::of(skb, false)?;
    let closed = !listener::is_loopback(way.remote) && loan::close(session, loans, way.remote, way.target);
    if closed {
        // SAFETY: as above.
        unsafe { (*socket).looked = CLOSED };
    }
    Some(closed)
}

/// Where a packet goes.
struct Way {
    protocol: u8,
    /// Where its transport header begins.
    transport: u32,
    remote: [u64; 2],
    source: u16,
    target: u16,
}

impl Way {
    /// `None` of a fragment but the first, and of what is neither IPv4 nor IPv6.
    #[inline(always)]
    fn of(skb: *mut __sk_buff, incoming: bool) -> Option<Self> {
        let [first] = bytes::<1>(skb, 0)?;
        let (protocol, transport, remote) = match first >> 4 {
            4 => {
                let [fragment_high, fragment_low, _, protocol] = bytes::<4>(skb, 6)?;
                if fragment_high & 0x1f != 0 || fragment_low != 0 {
                    return None;
                }
                let ip4 = bytes::<4>(skb, if incoming { 12 } else { 16 })?;
                (protocol, u32::from(first & 15) * 4, mapped(u32::from_ne_bytes(ip4)))
            }
            6 => {
                let [protocol] = bytes::<1>(skb, 6)?;
                let low = bytes::<8>(skb, if incoming { 8 } else { 24 })?;
                let high = bytes::<8>(skb, if incoming { 16 } else { 32 })?;
                (protocol, 40, [u64::from_ne_bytes(low), u64::from_ne_bytes(high)])
            }
            _ => return None,
        };
        let (source, target) = (word(bytes(skb, transport)?), word(bytes(skb, transport + 2)?));
        Some(Self { protocol, transport, remote, source, target })
    }
}

/// Some bytes of a packet, from its network header on.
#[inline(always)]
fn bytes<const LEN: usize>(skb: *mut __sk_buff, at: u32) -> Option<[u8; LEN]> {
    let mut bytes = [0; LEN];
    // SAFETY: `LEN` bytes of this stack.
    let failed =
        unsafe { bpf_skb_load_bytes(skb.cast_const().cast(), at, bytes.as_mut_ptr().cast(), LEN as u32) };
    (failed == 0).then_some(bytes)
}

#[inline(always)]
fn word(bytes: [u8; 2]) -> u16 {
    u16::from_be_bytes(bytes)
}

#[inline(always)]
fn look(skb: *mut __sk_buff, incoming: bool) -> Option<()> {
    // SAFETY: the context of this program type, for which the helper is made.
    let cookie = unsafe { bpf_get_socket_cookie(skb.cast()) };
    let socket = SOCKETS.get_ptr_mut(cookie)?;
    // SAFETY: the look-up succeeded; an entry that is evicted meanwhile stays readable for a grace period.
    let known = unsafe { *socket };
    let Way { protocol, transport, remote, source, target } = Way::of(skb, incoming)?;
    let (local_port, remote_port) = if incoming { (target, source) } else { (source, target) };
    let payload = match protocol {
        UDP if remote_port == DNS => transport + 8,
        TCP if !incoming && known.looked < SEGMENTS => {
            let [offset] = bytes::<1>(skb, transport + 12)?;
            let payload = transport + u32::from(offset >> 4) * 4;
            // TLS: a record with a handshake, whose first message is a ClientHello.
            let [record, version, _, _, _, message] = bytes::<6>(skb, payload)?;
            // SAFETY: as above. Two segments of one socket do not pass at once; if they did, one more would be looked at.
            unsafe { (*socket).looked = known.looked + 1 };
            if record != 22 || version != 3 || message != 1 {
                return None;
            }
            // SAFETY: as above.
            unsafe { (*socket).looked = SEGMENTS };
            payload
        }
        _ => return None,
    };
    // The process may have ended, and its session's place have been given to another one.
    let inside = task::find(known.tgid, known.tid).filter(|inside| inside.slot == known.session)?;
    // SAFETY: the context of this program type.
    let whole = unsafe { core::ptr::read_volatile(&raw const (*skb).len) };
    let payload_len = whole.checked_sub(payload).filter(|len| *len > 0)?;
    let buffer = Buffer::claim()?;
    let record: *mut Packet = buffer.record();
    let taken = (opaque(payload_len.min(PAYLOAD) - 1) & (PAYLOAD - 1)) + 1;
    // SAFETY: the buffer is larger than a record with its payload, and this program's own until it is submitted.
    let failed = unsafe {
        (*record).socket = cookie;
        (*record).netns = known.netns;
        (*record).remote = core::mem::transmute::<[u64; 2], [u8; 16]>(remote);
        (*record).remote_port = remote_port;
        (*record).local_port = local_port;
        (*record).protocol = u16::from(protocol);
        (*record).incoming = u16::from(incoming);
        (*record).payload_len = taken;
        (*record).cut = u32::from(payload_len > PAYLOAD);
        bpf_skb_load_bytes(
            skb.cast_const().cast(),
            payload,
            buffer.base().add(size_of::<Packet>()).cast(),
            taken,
        )
    };
    if failed != 0 {
        buffer.discard();
        return None;
    }
    buffer.submit(kind::PACKET, &inside, u32::MAX, size_of::<Packet>() + taken as usize, Urgency::Operation);
    Some(())
}
