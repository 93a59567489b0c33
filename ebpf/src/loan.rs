//! Loans: who has read a credential that was lent to its session connects to the hosts that it is for, and to those that rules
//! or the baseline name. What was connected before could carry it elsewhere, and the kernel sends what waits in a socket long
//! after who wrote it is gone: nothing is lent while such a connection is open.
//!
//! A word of `LOANS` has the loans that somebody began to take in its lower half and those that were lent in its upper one. Who
//! connects notes the connection and then looks at the word; who reads sets its bit and then looks at the connections. So one of
//! both sees the other. A bit is never taken back: whoever was refused a loan makes no new connection that would refuse it again.

use crate::atomic;
use crate::maps::{CONNECTED, LOANS};
use crate::network::{covers, network};
use crate::read::zeroed;
use crate::task::Inside;
use abi::{Connected, LABEL_LOANS, SESSION_T1, Session, access};
use aya_ebpf::helpers::generated::bpf_for_each_map_elem;
use core::mem::MaybeUninit;

/// Beside the loans in a word of `LOANS`: a socket was made, or connected, that nobody looks after.
const UNSEEN: u64 = 1;
const _: () = assert!(LABEL_LOANS & UNSEEN as u32 == 0);

/// What is looked for among connections.
struct Search {
    /// Index of the session.
    slot: u64,
    /// As in [`is_for`].
    policies: u64,
    /// The loans that it is asked for.
    loans: u64,
    /// A connection is open to who is none of those that they are for.
    found: u64,
}

/// A session reads what is lent, with bits of [`LABEL_LOANS`]; whether it may.
#[inline(always)]
pub fn take(inside: &Inside, loans: u32) -> bool {
    loans == 0 || lend(u64::from(inside.slot), policies(inside.session()), u64::from(loans)) != 0
}

/// See [`take`]; 0: it may not. Global linkage: see [`crate::dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn lend(slot: u64, policies: u64, loans: u64) -> u64 {
    let Some(word) = LOANS.get_ptr_mut(slot as u32) else { return 0 };
    let before = atomic::fetch_or(word, loans);
    if before >> 32 & loans == loans {
        return 1;
    }
    if before & UNSEEN != 0 {
        return 0;
    }
    let mut place = MaybeUninit::<Search>::uninit();
    let search = zeroed(&mut place);
    (search.slot, search.policies, search.loans) = (slot, policies, loans);
    // SAFETY: the callback has the signature that the helper calls, and the context outlives the call.
    unsafe {
        bpf_for_each_map_elem(
            (&raw const CONNECTED).cast_mut().cast(),
            look as *mut _,
            (&raw mut *search).cast(),
            0,
        );
    }
    if search.found != 0 {
        return 0;
    }
    atomic::fetch_or(word, loans << 32);
    1
}

/// Looks at a connection, a callback of `bpf_for_each_map_elem`. 1 ends it.
unsafe extern "C" fn look(_: u64, _: *const u64, open: *const Connected, search: *mut Search) -> i64 {
    // SAFETY: the helper hands on an entry of the map, and the pointer that `lend` gave it.
    let (open, search) = unsafe { (&*open, &mut *search) };
    if u64::from(open.session) == search.slot
        && is_for(open.addr[0], open.addr[1], u64::from(open.port), search.policies, search.loans) == 0
    {
        search.found = 1;
        return 1;
    }
    0
}

/// Keeps in mind whom the socket with an inode is connected to. One that was connected to somebody else before may still be, so
/// that no loan is for it. Global linkage, as above.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn keep(inode: u64, high: u64, low: u64, port: u64, slot: u64) -> u64 {
    let mut place = MaybeUninit::<Connected>::uninit();
    let open = zeroed(&mut place);
    // SAFETY: read only.
    let is_new = unsafe { CONNECTED.get(inode) }
        .is_none_or(|before| before.addr == [high, low] && u64::from(before.port) == port);
    if is_new {
        (open.addr, open.port) = ([high, low], port as u32);
    }
    open.session = slot as u32;
    if inode == 0 || CONNECTED.insert(inode, &*open, 0).is_err() {
        passes_by(slot as u32);
    } else if let Some(word) = LOANS.get_ptr_mut(slot as u32) {
        // Whoever looks at connections from here on sees this one, and what was taken before is seen below.
        atomic::fetch_or(word, 0);
    }
    0
}

/// Something is used that reaches others and that nobody looks after; whether loans were taken before.
#[inline(always)]
pub fn passes_by(slot: u32) -> bool {
    LOANS.get_ptr_mut(slot).is_some_and(|word| atomic::fetch_or(word, UNSEEN) & u64::from(LABEL_LOANS) != 0)
}

/// Whether loans that a session has taken are not for who is at an address.
#[inline(always)]
pub fn closes(inside: &Inside, addr: [u64; 2], port: u16) -> bool {
    // SAFETY: arrays are never freed while the program runs; others write the word whole.
    let word = LOANS.get_ptr(inside.slot).map_or(0, |word| unsafe { word.read_volatile() });
    let loans = word & u64::from(LABEL_LOANS);
    loans != 0 && is_for(addr[0], addr[1], u64::from(port), policies(inside.session()), loans) == 0
}

/// Whether some loan of a session's is not for who is at an address.
#[inline(always)]
pub fn narrows(inside: &Inside, addr: [u64; 2], port: u16) -> bool {
    is_for(addr[0], addr[1], u64::from(port), policies(inside.session()), u64::from(LABEL_LOANS)) == 0
}

/// The first halves of the keys of `NETS`, of a session's loans in the upper half and of its baseline in the lower; 0 for none.
#[inline(always)]
fn policies(session: &Session) -> u64 {
    let learned = if session.flags & SESSION_T1 == 0 { 0 } else { session.policy };
    u64::from(session.lent) << 32 | u64::from(learned)
}

/// Whether all of some loans are for who is at an address, or the baseline knows it; 0: no. `policies`: see there. Global linkage,
/// as above.
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
