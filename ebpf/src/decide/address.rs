//! What is decided of an address, by networks.

use super::{ALLOW, Decision};
use crate::maps::NETS;
use crate::task::Inside;
use crate::{hold, ring};
use abi::{NetKey, NetLabel, SESSION_T1, STAGE_T0, STAGE_T1, STAGE_T2, Verdict};
use aya_ebpf::maps::lpm_trie::Key;

/// Decides an operation on an address (IPv4 is v4-mapped). `own`: what was learned has no say in it.
#[inline(always)]
pub fn address(inside: &Inside, addr: [u64; 2], port: u16, access: u32, means: u8, own: bool) -> Verdict {
    let decision = net(inside, addr, port, access, own);
    ring::verdict(inside, decision.stage, decision.reason, means)
}

#[inline(always)]
fn net(inside: &Inside, addr: [u64; 2], port: u16, access: u32, own: bool) -> Decision {
    let session = inside.session();
    if let Some(label) = network(0, addr)
        && label.deny & access != 0
        && covers(label, port)
    {
        return Decision { stage: STAGE_T0, reason: label.reason };
    }
    let held = hold::reason(inside);
    if held != 0 {
        return Decision { stage: STAGE_T0, reason: held };
    }
    if session.restrict & access != 0 {
        return Decision { stage: STAGE_T2, reason: session.restrict_reason };
    }
    if own || session.flags & SESSION_T1 == 0 {
        return ALLOW;
    }
    match network(session.policy, addr) {
        Some(label) if covers(label, port) => {
            if label.deny & access != 0 {
                return Decision { stage: STAGE_T1, reason: label.reason };
            }
            ALLOW
        }
        _ if session.unknown_net & access != 0 => {
            Decision { stage: STAGE_T1, reason: session.unknown_net_reason }
        }
        _ => ALLOW,
    }
}

#[inline(always)]
fn network(policy: u32, addr: [u64; 2]) -> Option<&'static NetLabel> {
    // SAFETY: the same sixteen bytes.
    let addr = unsafe { core::mem::transmute::<[u64; 2], [u8; 16]>(addr) };
    NETS.get(Key::new(160, NetKey { policy: policy.to_be_bytes(), addr }))
}

#[inline(always)]
fn covers(label: &NetLabel, port: u16) -> bool {
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
