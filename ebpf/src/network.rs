//! Networks of the deny-list, by policy.

use crate::maps::NETS;
use abi::{NetKey, NetLabel};
use aya_ebpf::maps::lpm_trie::Key;

/// What the deny-list says of an address, by policy; policy 0 is T0.
#[inline(always)]
pub fn network(policy: u32, addr: [u64; 2]) -> Option<&'static NetLabel> {
    // SAFETY: the same sixteen bytes.
    let addr = unsafe { core::mem::transmute::<[u64; 2], [u8; 16]>(addr) };
    NETS.get(Key::new(160, NetKey { policy: policy.to_be_bytes(), addr }))
}

/// Whether a label says anything of a port.
#[inline(always)]
pub fn covers(label: &NetLabel, port: u16) -> bool {
    if label.from != 0 && label.from <= port && port <= label.to {
        return true;
    }
    if label.ports[0] == 0 {
        return label.from == 0;
    }
    let mut i = 0;
    while i < label.ports.len() {
        if label.ports[i] == port {
            return true;
        }
        i += 1;
    }
    false
}
