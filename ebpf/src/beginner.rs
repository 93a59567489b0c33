//! Who outside of all sessions has just begun to listen. User space is asked to look who that is; until it has, nobody knows.

use crate::maps::{BEGINNERS, LOOK};
use crate::read::{Address, argument};
use crate::{atomic, offsets, peer, task};
use abi::{LOOK_ASKED, LOOK_KNOWN};
use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::macros::{fentry, raw_tracepoint};
use aya_ebpf::programs::{FEntryContext, RawTracePointContext};

/// include/net/tcp_states.h
const TCP_LISTEN: i32 = 10;

/// `TP_PROTO(const struct sock *sk, const int oldstate, const int newstate)`: before the socket can be found by who connects.
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub fn tcp_listens(ctx: RawTracePointContext) -> i32 {
    if ctx.arg::<i32>(2) == TCP_LISTEN {
        begins(Address(ctx.arg(0)));
    }
    0
}

/// `unix_listen(struct socket *sock, int backlog)`: likewise.
#[fentry(function = "unix_listen")]
pub fn unix_listens(ctx: FEntryContext) -> i32 {
    if let Some(sk) = Address(argument(ctx.as_ptr(), 0)).follow(offsets::socket_sk()) {
        begins(sk);
    }
    0
}

#[inline(always)]
fn begins(sk: Address) {
    // What members listen at is known by `OWN_LISTENERS`.
    if task::current().is_some() {
        return;
    }
    let inode = peer::inode(sk);
    // SAFETY: the helper has no preconditions.
    if inode == 0 || BEGINNERS.insert(inode, unsafe { bpf_ktime_get_ns() }, 0).is_err() {
        return;
    }
    if let Some(asked) = LOOK.get_ptr_mut(LOOK_ASKED) {
        atomic::fetch_add(asked, 1);
    }
}

/// Whether somebody outside has begun to listen at a socket whom user space has not looked at since. To be asked before it is
/// asked who that is: what a look finds is written down before it is said that the look is done.
#[inline(always)]
pub fn is_new(inode: u64) -> bool {
    // SAFETY: read only.
    let Some(began) = (unsafe { BEGINNERS.get(inode) }).copied() else { return false };
    // SAFETY: arrays are never freed while the program runs; user space writes the word whole.
    let known = LOOK.get_ptr(LOOK_KNOWN).map_or(0, |known| unsafe { known.read_volatile() });
    known != 0 && began >= known
}
