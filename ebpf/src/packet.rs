//! Packets that name hosts: DNS messages, and the beginnings of TLS connections. They are handed on as they are, since user
//! space takes them apart, and every packet passes that a [`door`] lets out.
//!
//! A packet is received in whatever thread is interrupted, so that nothing here asks who runs: a socket belongs to the
//! thread that connected it, or sent by it, and is known by its cookie.

use crate::door;
use crate::head::{self, Head, TCP, UDP, bytes};
use crate::maps::{SCRATCH_LEN, SOCKETS};
use crate::peer::Peer;
use crate::read::opaque;
use crate::ring::{Buffer, Urgency};
use crate::task::{self, Inside};
use abi::{Packet, Socket, kind};
use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::{bpf_get_netns_cookie, bpf_get_socket_cookie, bpf_skb_load_bytes};
use aya_ebpf::macros::cgroup_skb;
use aya_ebpf::programs::{SkBuffContext, SockAddrContext};
use core::mem::size_of;

const PASS: i32 = 1;
const DROP: i32 = 0;
const DNS: u16 = 53;
const SOCK_STREAM: u16 = 1;
/// Bytes of payload that a record carries at most: a DNS message of 1,232 bytes, and a ClientHello with the key shares of
/// today; a power of two, so that the bound is a mask.
const PAYLOAD: u32 = 2048;
/// Segments with data that are looked at: the first ones may speak to a proxy, or ask for TLS in the middle.
const SEGMENTS: u32 = 8;

const _: () = assert!(size_of::<Packet>() + PAYLOAD as usize <= SCRATCH_LEN);

/// Keeps in mind a socket whose packets may name hosts.
#[inline(always)]
pub fn expect(ctx: &SockAddrContext, inside: &Inside, peer: &Peer) {
    if peer.port != DNS && peer.kind != SOCK_STREAM {
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
    let skb = ctx.skb.skb;
    if door::keeps(skb) {
        return DROP;
    }
    look(skb, false);
    PASS
}

#[inline(always)]
fn look(skb: *mut __sk_buff, incoming: bool) -> Option<()> {
    // SAFETY: the context of this program type, for which the helper is made.
    let cookie = unsafe { bpf_get_socket_cookie(skb.cast()) };
    let socket = SOCKETS.get_ptr_mut(cookie)?;
    // SAFETY: the look-up succeeded; an entry that is evicted meanwhile stays readable for a grace period.
    let known = unsafe { *socket };
    let head = Head::of(skb)?;
    let (source, target) = (u16::from_be(head.source_port), u16::from_be(head.target_port));
    let (local_port, remote_port) = if incoming { (target, source) } else { (source, target) };
    let remote = if incoming { head.source } else { head.target };
    let payload = match head.protocol {
        UDP if remote_port == DNS => head.transport + 8,
        TCP if !incoming && known.looked < SEGMENTS => {
            let payload = head.data(skb)?;
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
    let payload_len = head::len(skb).checked_sub(payload).filter(|len| *len > 0)?;
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
        (*record).protocol = u16::from(head.protocol);
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
