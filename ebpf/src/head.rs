//! The head of a packet: between whom it goes.

use crate::peer::mapped;
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::bpf_skb_load_bytes;

/// `IPPROTO_TCP`
pub const TCP: u8 = 6;
/// `IPPROTO_UDP`
pub const UDP: u8 = 17;

/// Where a packet comes from and goes to. IPv4 is v4-mapped, ports are in network byte order.
#[derive(Clone, Copy)]
pub struct Head {
    /// `IPPROTO_*`
    pub protocol: u8,
    /// Where the header of that protocol lies.
    pub transport: u32,
    /// Address that it comes from.
    pub source: [u64; 2],
    /// Address that it goes to.
    pub target: [u64; 2],
    /// Port that it comes from.
    pub source_port: u16,
    /// Port that it goes to.
    pub target_port: u16,
}

impl Head {
    /// Of a packet; `None` for a later fragment, and for what is no IP.
    #[inline(always)]
    pub fn of(skb: *mut __sk_buff) -> Option<Head> {
        let [first] = bytes::<1>(skb, 0)?;
        let (protocol, transport, source, target) = match first >> 4 {
            4 => {
                let [fragment_high, fragment_low, _, protocol] = bytes::<4>(skb, 6)?;
                if fragment_high & 0x1f != 0 || fragment_low != 0 {
                    return None;
                }
                let ip = |at| Some(mapped(u32::from_ne_bytes(bytes::<4>(skb, at)?)));
                (protocol, u32::from(first & 15) * 4, ip(12)?, ip(16)?)
            }
            6 => {
                let [protocol] = bytes::<1>(skb, 6)?;
                let half = |at| Some(u64::from_ne_bytes(bytes::<8>(skb, at)?));
                (protocol, 40, [half(8)?, half(16)?], [half(24)?, half(32)?])
            }
            _ => return None,
        };
        let port = |at| Some(u16::from_ne_bytes(bytes(skb, at)?));
        let (source_port, target_port) = (port(transport)?, port(transport + 2)?);
        Some(Head { protocol, transport, source, target, source_port, target_port })
    }

    /// Whether it is IPv4, or an IPv6 packet that says so.
    #[inline(always)]
    pub fn is_ipv4(&self) -> bool {
        self.target[0] == 0 && self.target[1] as u32 == mapped(0)[1] as u32
    }

    /// Where the data of a TCP segment lies.
    #[inline(always)]
    pub fn data(&self, skb: *mut __sk_buff) -> Option<u32> {
        let [offset] = bytes::<1>(skb, self.transport + 12)?;
        Some(self.transport + u32::from(offset >> 4) * 4)
    }
}

/// Some bytes of a packet, from its network header on.
#[inline(always)]
pub fn bytes<const LEN: usize>(skb: *mut __sk_buff, at: u32) -> Option<[u8; LEN]> {
    let mut bytes = [0; LEN];
    // SAFETY: `LEN` bytes of this stack.
    let failed =
        unsafe { bpf_skb_load_bytes(skb.cast_const().cast(), at, bytes.as_mut_ptr().cast(), LEN as u32) };
    (failed == 0).then_some(bytes)
}

/// Bytes of a packet, from its network header on.
#[inline(always)]
pub fn len(skb: *mut __sk_buff) -> u32 {
    // SAFETY: the context of this program type.
    unsafe { core::ptr::read_volatile(&raw const (*skb).len) }
}
