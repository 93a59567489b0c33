//! What is decided of an address, by networks.

use super::{ALLOW, Decision};
use crate::network::{covers, network};
use crate::task::Inside;
use crate::{hold, loan, ring};
use abi::{REASON_LENT, SESSION_T1, STAGE_T0, STAGE_T1, STAGE_T2, Verdict, access};

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
    if !own && access & access::CONNECT != 0 && loan::closes(inside, addr, port) {
        return Decision { stage: STAGE_T0, reason: REASON_LENT };
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
