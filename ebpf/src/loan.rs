//! Loans: who has read a credential that was lent to its session connects to the hosts that it is for, and to those that rules
//! or the baseline name.

use crate::atomic;
use crate::decide::{covers, network};
use crate::maps::LOANS;
use crate::task::Inside;
use abi::{SESSION_T1, Session, access};

/// A session has read what is lent: bits of [`abi::LABEL_LOANS`].
#[inline(always)]
pub fn take(slot: u32, loans: u32) {
    if loans != 0
        && let Some(taken) = LOANS.get_ptr_mut(slot)
    {
        atomic::fetch_or(taken, u64::from(loans));
    }
}

/// The loans that a session has taken.
#[inline(always)]
pub fn taken(slot: u32) -> u32 {
    // SAFETY: arrays are never freed while the program runs; others write the word whole.
    LOANS.get_ptr(slot).map_or(0, |taken| unsafe { taken.read_volatile() }) as u32
}

/// Whether loans that a session has taken are not for who is at an address.
#[inline(always)]
pub fn closes(inside: &Inside, addr: [u64; 2], port: u16) -> bool {
    let loans = taken(inside.slot);
    loans != 0 && close(inside.session(), loans, addr, port)
}

/// Whether some loans are not for who is at an address.
#[inline(always)]
pub fn close(session: &Session, loans: u32, addr: [u64; 2], port: u16) -> bool {
    let learned = if session.flags & SESSION_T1 == 0 { 0 } else { session.policy };
    let policies = u64::from(session.lent) << 32 | u64::from(learned);
    is_for(addr[0], addr[1], u64::from(port), policies, u64::from(loans)) == 0
}

/// Whether all of some loans are for who is at an address, or the baseline knows it; 0: no. `policies` are the first halves of the
/// keys of `NETS`: of the loans in the upper half, of the baseline in the lower, 0 for none. Global linkage: see
/// [`crate::dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn is_for(high: u64, low: u64, port: u64, policies: u64, loans: u64) -> u64 {
    let (addr, port) = ([high, low], port as u16);
    let lent = (policies >> 32) as u32;
    if lent != 0
        && let Some(label) = network(lent, addr)
        && covers(label, port)
        && label.deny & loans as u32 == 0
    {
        return 1;
    }
    let learned = policies as u32;
    if learned != 0
        && let Some(label) = network(learned, addr)
        && covers(label, port)
        && label.deny & access::CONNECT == 0
    {
        return 1;
    }
    0
}
