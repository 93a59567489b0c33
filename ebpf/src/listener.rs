//! Who listens: the process behind the socket that an address, a file or a name leads to.

use crate::head::Head;
use crate::maps::{CONNECTED, DELEGATES, LISTENERS, LOCAL, NAMES_BOUND, NAMES_KNOWN, OWN_LISTENERS};
use crate::peer::{Peer, inode};
use crate::read::{Address, zeroed};
use crate::task::{self, Inside};
use crate::{beginner, dentry, loan, offsets};
use abi::{Listener, SOCKET_FILE, SOCKET_INODE, SOCKET_NAME, SOCKET_WORDS};
use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::{__sk_buff, bpf_sock_tuple};
use aya_ebpf::helpers::generated::{
    bpf_probe_read_kernel, bpf_sk_lookup_tcp, bpf_sk_lookup_udp, bpf_sk_release,
};
use aya_ebpf::programs::{SockAddrContext, SockContext};
use core::mem::MaybeUninit;

/// The network namespace of the socket that connects.
const OF_SOCKET: u64 = u64::MAX;
const SOCK_STREAM: u16 = 1;
const SOCK_DGRAM: u16 = 2;
const LOOPBACK4: u32 = u32::from_ne_bytes([127, 0, 0, 1]);
/// Upper half of `::ffff:a.b.c.d`, and of `::1`, as they lie in memory.
const MAPPED: u64 = 0xffff_0000;
const LOOPBACK6: u64 = 1u64.to_be();

/// Who listens at an address.
#[derive(Clone, Copy)]
pub struct Found {
    /// The address is this machine's.
    pub local: bool,
    /// Inode of the socket; 0: nobody listens, or not on this machine.
    pub inode: u64,
    /// The process, where it is known.
    pub pid: u32,
    /// It belongs to the session itself.
    pub own: bool,
    /// Why no session but its own may reach it; 0: nothing speaks against it.
    pub reason: u32,
    /// It is somebody outside that has begun to listen since user space looked who does.
    pub is_new: bool,
}

impl Found {
    #[inline(always)]
    fn nobody(local: bool) -> Found {
        Found { local, inode: 0, pid: 0, own: false, reason: 0, is_new: false }
    }

    /// Whose the socket is that was found, for the session in a slot.
    #[inline(always)]
    fn look_up(&mut self, slot: u32) {
        // SAFETY: read only.
        match unsafe { OWN_LISTENERS.get(self.inode) }.copied() {
            Some(listener) => {
                self.pid = listener.tgid;
                self.own = listener.session == slot;
            }
            None => {
                self.is_new = beginner::is_new(self.inode);
                self.pid = listens_at(self.inode) as u32;
            }
        }
        if !self.own && self.pid != 0 {
            self.reason = reason_of(u64::from(slot), u64::from(self.pid)) as u32;
        }
    }
}

/// Why a process may not be reached by the session in a slot; 0 where nothing speaks against it, or it is the session's own.
/// Global linkage, as those that follow: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn reason_of(slot: u64, pid: u64) -> u64 {
    let pid = pid as u32;
    // SAFETY: read only.
    let reason = unsafe { DELEGATES.get(pid) }.copied().unwrap_or(0);
    let own = reason != 0 && task::find(pid, 0).is_some_and(|other| u64::from(other.slot) == slot);
    if own { 0 } else { u64::from(reason) }
}

/// Who listens at a unix socket and may not be reached by the session in a slot, and the reason in the lower half. `pid` has
/// begun to listen, and may have left that to a child.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn behind_unix(slot: u64, pid: u64, unix: u64) -> u64 {
    let reason = reason_of(slot, pid);
    if reason != 0 || unix == 0 {
        return pid << 32 | reason;
    }
    let known = listens_at_unix(unix);
    if known == 0 { pid << 32 } else { known << 32 | reason_of(slot, known) }
}

/// The process that is known to listen at a unix socket, by its file or its abstract name; 0 where none is.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn listens_at_unix(sk: u64) -> u64 {
    let sk = Address(sk);
    let mut place = MaybeUninit::<[u64; SOCKET_WORDS]>::uninit();
    let key = zeroed(&mut place);
    if let Some(inode) = sk.follow(offsets::unix_dentry()).and_then(dentry::inode) {
        let Some(file) = dentry::key(inode) else { return 0 };
        key[0] = SOCKET_FILE;
        key[1] = file.ino;
        key[2] = u64::from(file.generation) << 32 | u64::from(file.dev);
    } else if name(sk, key).is_none() {
        return 0;
    }
    // SAFETY: read only.
    unsafe { LISTENERS.get(&*key) }.map_or(0, |pid| u64::from(*pid))
}

/// Writes the abstract name of a unix socket into a key of zeroes, where it has one. Where the kernel keeps it, who connects
/// having the same.
#[inline(always)]
fn name(sk: Address, key: &mut [u64; SOCKET_WORDS]) -> Option<u64> {
    let address = sk.follow(offsets::unix_addr())?;
    // The family, and the NUL before the name.
    let size = address.word(offsets::unix_addr_len())?.wrapping_sub(3);
    if size == 0 || size >= NAME_MAX {
        return None;
    }
    let size = crate::read::opaque(size) & (NAME_MAX - 1);
    let name = address.0.wrapping_add(offsets::unix_addr_name() as u64 + 3);
    key[0] = SOCKET_NAME | u64::from(size) << 8;
    // SAFETY: the key has `NAME_MAX` bytes behind its first word; the helper checks the source.
    let read = unsafe { bpf_probe_read_kernel((&raw mut key[1]).cast(), size, name as *const _) };
    (read == 0).then_some(address.0)
}

/// Whether a unix socket has an abstract name that a policy does not know, and that the session in a slot has not bound itself.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn has_unknown_name(sk: u64, policy: u64, slot: u64) -> u64 {
    let sk = Address(sk);
    if sk.is_null() || sk.follow(offsets::unix_dentry()).is_some() {
        return 0;
    }
    let mut place = MaybeUninit::<[u64; SOCKET_WORDS]>::uninit();
    let key = zeroed(&mut place);
    let Some(address) = name(sk, key) else { return 0 };
    let plain = key[0];
    key[0] = plain | policy << 32;
    // SAFETY: read only.
    if unsafe { NAMES_KNOWN.get(&*key) }.is_some() {
        return 0;
    }
    key[0] = plain | slot << 32;
    // SAFETY: read only.
    let bound = unsafe { NAMES_BOUND.get(&*key) };
    u64::from(!bound.is_some_and(|bound| *bound == address || *bound == abi::ANY_ADDRESS))
}

/// Keeps in mind that the session in a slot has bound a unix socket to the abstract name that it has, if any.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn keep_name(sk: u64, slot: u64) -> u64 {
    let mut place = MaybeUninit::<[u64; SOCKET_WORDS]>::uninit();
    let key = zeroed(&mut place);
    let Some(address) = name(Address(sk), key) else { return 0 };
    key[0] |= slot << 32;
    let _ = NAMES_BOUND.insert(&*key, address, 0);
    1
}

/// Bytes of an abstract name in a key: a power of two, so that the bound is a mask.
const NAME_MAX: u32 = (SOCKET_WORDS as u32 - 1) * 8;
const _: () = assert!(NAME_MAX == 128);

/// The process that is known to listen at a socket, by its inode; 0 where none is.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn listens_at(inode: u64) -> u64 {
    let mut place = MaybeUninit::<[u64; SOCKET_WORDS]>::uninit();
    let key = zeroed(&mut place);
    (key[0], key[1]) = (SOCKET_INODE, inode);
    // SAFETY: read only.
    unsafe { LISTENERS.get(&*key) }.map_or(0, |pid| u64::from(*pid))
}

/// Who listens where a socket is about to connect to, or to send. It is looked up as the kernel will; `bound` is the address
/// from which a datagram says that it is sent.
#[inline(always)]
pub fn find(ctx: &SockAddrContext, inside: &Inside, peer: &Peer, bound: u32) -> Found {
    let mut found = Found::nobody(false);
    let own = socket(ctx);
    if peer.kind == SOCK_DGRAM {
        // Whoever is sent to may answer.
        keep(inside, own);
    }
    if peer.kind != SOCK_STREAM && peer.kind != SOCK_DGRAM {
        return found;
    }
    found.local = is_local(peer.addr);
    let is_cast = peer.kind == SOCK_DGRAM && is_to_many(peer.addr);
    if !found.local && !is_cast {
        return found;
    }
    let addr = led(own, bound, peer.addr);
    let mut place = MaybeUninit::zeroed();
    let size = tuple(&mut place, addr, addr, 0, peer.port.to_be());
    // SAFETY: the context of this program type, and a tuple of that size.
    let sk = unsafe {
        if peer.kind == SOCK_STREAM {
            bpf_sk_lookup_tcp(ctx.as_ptr(), place.as_mut_ptr(), size, OF_SOCKET, 0)
        } else {
            bpf_sk_lookup_udp(ctx.as_ptr(), place.as_mut_ptr(), size, OF_SOCKET, 0)
        }
    };
    if sk.is_null() {
        return found;
    }
    found.inode = inode(plain(sk.cast()));
    // SAFETY: what the look-up has returned.
    unsafe { bpf_sk_release(sk.cast()) };
    if found.inode == 0 {
        return found;
    }
    found.look_up(inside.slot);
    // Of what is sent to many, who may not be reached is all that matters.
    if !found.local && found.reason == 0 {
        (found.inode, found.pid, found.own) = (0, 0, false);
    }
    found
}

/// Who answers, or is to answer, a packet by TCP that the session in a slot sends; `None` where nobody does.
#[inline(always)]
pub fn answers(skb: *mut __sk_buff, head: &Head, slot: u32) -> Option<Found> {
    let mut found = Found::nobody(true);
    // Until the connection is there, what the kernel finds for a packet is who listens. Later, and where the handshake is left out,
    // it is the connection's own end.
    let is_end = sought(skb, head, head.source_port, &mut found);
    if is_end {
        sought(skb, head, 0, &mut found);
    }
    if found.inode == 0 {
        return None;
    }
    found.look_up(slot);
    Some(found)
}

/// Looks up the socket for a packet, and whether it is one end of a connection.
#[inline(always)]
fn sought(skb: *mut __sk_buff, head: &Head, source_port: u16, found: &mut Found) -> bool {
    /// include/net/tcp_states.h
    const TCP_LISTEN: u32 = 10;
    let mut place = MaybeUninit::zeroed();
    let size = tuple(&mut place, head.source, head.target, source_port, head.target_port);
    // SAFETY: the context of this program type, and a tuple of that size.
    let sk = unsafe { bpf_sk_lookup_tcp(skb.cast(), place.as_mut_ptr(), size, OF_SOCKET, 0) };
    if sk.is_null() {
        return false;
    }
    // SAFETY: what the look-up has returned.
    let listens = unsafe { core::ptr::read_volatile(&raw const (*sk).state) } == TCP_LISTEN;
    found.inode = if listens { inode(plain(sk.cast())) } else { 0 };
    // SAFETY: as above.
    unsafe { bpf_sk_release(sk.cast()) };
    !listens
}

/// Writes what a socket is looked up by, ports in network byte order, and returns its size.
#[inline(always)]
fn tuple(
    place: &mut MaybeUninit<bpf_sock_tuple>,
    source: [u64; 2],
    target: [u64; 2],
    source_port: u16,
    target_port: u16,
) -> u32 {
    let words =
        |addr: [u64; 2]| [addr[0] as u32, (addr[0] >> 32) as u32, addr[1] as u32, (addr[1] >> 32) as u32];
    if is_mapped(target) {
        // SAFETY: the place of a tuple, all of it zero.
        let ipv4 = unsafe { &mut (*place.as_mut_ptr()).__bindgen_anon_1.ipv4 };
        (ipv4.saddr, ipv4.sport) = ((source[1] >> 32) as u32, source_port);
        (ipv4.daddr, ipv4.dport) = ((target[1] >> 32) as u32, target_port);
        return 12;
    }
    // SAFETY: as above.
    let ipv6 = unsafe { &mut (*place.as_mut_ptr()).__bindgen_anon_1.ipv6 };
    (ipv6.saddr, ipv6.sport) = (words(source), source_port);
    (ipv6.daddr, ipv6.dport) = (words(target), target_port);
    36
}

/// The socket that a hook on an address is about.
#[inline(always)]
fn socket(ctx: &SockAddrContext) -> Address {
    // SAFETY: the context of this program type, which has the socket.
    plain(unsafe { core::ptr::read_volatile(&raw const (*ctx.sock_addr).__bindgen_anon_1.sk) }.cast())
}

/// Keeps in mind that a socket is a session's own.
#[inline(always)]
pub fn keep(inside: &Inside, sk: Address) {
    keep_own(sk.0, u64::from(inside.tgid), u64::from(inside.slot));
}

/// A socket is closed for good: the number of its inode is given to another one.
#[inline(always)]
pub fn forget(ctx: &SockContext) {
    let inode = inode(plain(ctx.as_ptr()));
    // SAFETY: read only.
    if inode != 0 && unsafe { OWN_LISTENERS.get(inode) }.is_some() {
        let _ = OWN_LISTENERS.remove(inode);
    }
    // SAFETY: read only.
    if inode != 0 && unsafe { CONNECTED.get(inode) }.is_some() {
        let _ = CONNECTED.remove(inode);
    }
}

/// Keeps in mind whom the socket connects to that a hook is about, see [`loan::keep`].
#[inline(always)]
pub fn keep_peer(ctx: &SockAddrContext, inside: &Inside, peer: &Peer) {
    let inode = inode(socket(ctx));
    loan::keep(inode, peer.addr[0], peer.addr[1], u64::from(peer.port), u64::from(inside.slot));
}

/// See [`keep`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn keep_own(sk: u64, tgid: u64, slot: u64) -> u64 {
    let inode = inode(Address(sk));
    // SAFETY: read only.
    let known =
        unsafe { OWN_LISTENERS.get(inode) }.is_some_and(|listener| u64::from(listener.session) == slot);
    if inode != 0 && !known {
        let _ = OWN_LISTENERS.insert(inode, Listener { tgid: tgid as u32, session: slot as u32 }, 0);
    }
    inode
}

/// Whether an address is this machine's.
#[inline(always)]
pub fn is_local(addr: [u64; 2]) -> bool {
    // SAFETY: read only.
    is_loopback(addr) || unsafe { LOCAL.get(addr) }.is_some()
}

/// Whether an address leads to this machine whoever has it. The unspecified one does, too.
#[inline(always)]
pub fn is_loopback(addr: [u64; 2]) -> bool {
    let ip = (addr[1] >> 32) as u32;
    if is_mapped(addr) {
        ip == 0 || ip as u8 == 127
    } else {
        addr[0] == 0 && (addr[1] == 0 || addr[1] == LOOPBACK6)
    }
}

/// Whether an address leads to whoever listens for it, on this machine as well: of multicast and broadcast.
#[inline(always)]
fn is_to_many(addr: [u64; 2]) -> bool {
    if is_mapped(addr) { (addr[1] >> 32) as u8 >= 224 } else { addr[0] as u8 == 0xff }
}

/// Where the unspecified address leads: to the one that the socket is bound to, or to loopback. Others lead to themselves.
#[inline(always)]
fn led(own: Address, bound: u32, addr: [u64; 2]) -> [u64; 2] {
    if is_mapped(addr) && addr[1] >> 32 == 0 {
        let bound = if bound == 0 { own.word(offsets::sk_rcv_saddr()).unwrap_or(0) } else { bound };
        return [0, MAPPED | u64::from(if bound == 0 { LOOPBACK4 } else { bound }) << 32];
    }
    if addr[0] != 0 || addr[1] != 0 {
        return addr;
    }
    let bound: u64 = own.get(offsets::sk_v6_rcv_saddr() + 8).unwrap_or(0);
    let mapped = bound as u32 == MAPPED as u32;
    if mapped { [0, MAPPED | u64::from(LOOPBACK4) << 32] } else { [0, LOOPBACK6] }
}

#[inline(always)]
fn is_mapped(addr: [u64; 2]) -> bool {
    addr[0] == 0 && addr[1] as u32 == MAPPED as u32
}

/// A pointer with a type as a plain address: read from where it is kept.
#[inline(always)]
pub fn plain(sk: *mut core::ffi::c_void) -> Address {
    let kept = MaybeUninit::new(sk);
    let mut address = MaybeUninit::<u64>::uninit();
    // SAFETY: both are eight bytes of this stack.
    let failed = unsafe { bpf_probe_read_kernel(address.as_mut_ptr().cast(), 8, kept.as_ptr().cast()) };
    // SAFETY: the helper filled it, or zeroed it when it failed.
    if failed == 0 { Address(unsafe { address.assume_init() }) } else { Address(0) }
}
