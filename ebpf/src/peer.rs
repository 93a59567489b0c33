//! Who is at the other end of a socket, and how an operation on one is told.

use crate::read::{Address, clear};
use crate::ring::{Buffer, FACTS_WORDS, Said, Urgency};
use crate::task::{self, Inside};
use crate::{dentry, hold, offsets};
use abi::{Net, Verdict, kind};
use core::mem::{offset_of, size_of};

const SOCK_RAW: u16 = 3;
/// DCCP, SCTP, UDP-Lite: `struct proto` has no `pre_connect` there, from which the hooks on connects are run.
const WITHOUT_HOOKS: [u32; 3] = [33, 132, 136];

/// A peer, as the kernel has copied it.
#[derive(Clone, Copy)]
pub struct Peer {
    /// `AF_*`
    pub family: u16,
    /// `SOCK_*`
    pub kind: u16,
    /// Port in host byte order.
    pub port: u16,
    /// `IPPROTO_*`
    pub protocol: u32,
    /// v4-mapped for IPv4.
    pub addr: [u64; 2],
}

impl Peer {
    /// Whether the address hooks see what an Internet socket of this kind and protocol connects to.
    #[inline(always)]
    pub fn has_hooks(&self) -> bool {
        let mut i = 0;
        while i < WITHOUT_HOOKS.len() {
            if self.protocol == WITHOUT_HOOKS[i] {
                return false;
            }
            i += 1;
        }
        self.kind != SOCK_RAW
    }
}

/// IPv4 (in network byte order) as IPv6, `::ffff:a.b.c.d`.
#[inline(always)]
pub fn mapped(ip4: u32) -> [u64; 2] {
    [0, 0xffff_0000 | u64::from(ip4) << 32]
}

/// The file of a unix socket, where it is bound to one.
#[inline(always)]
pub fn file(sk: Address) -> Option<Address> {
    if sk.is_null() { None } else { sk.follow(offsets::unix_dentry()) }
}

/// The number of a socket's inode, as `/proc/PID/fd` shows it; 0 where there is none.
#[inline(always)]
pub fn inode(sk: Address) -> u64 {
    let Some(socket) = (!sk.is_null()).then(|| sk.follow(offsets::sk_socket())).flatten() else { return 0 };
    Address(socket.0.wrapping_add(offsets::socket_inode() as u64)).get(offsets::inode_number()).unwrap_or(0)
}

/// What is told of an operation on a socket besides its peer.
#[derive(Clone, Copy)]
pub struct NetOperation {
    /// `op::*`
    pub op: u16,
    /// What it returned.
    pub ret: i32,
    /// Told before the operation.
    pub before: bool,
    /// System call, or `u32::MAX`.
    pub syscall: u32,
    /// The unix socket that tells its file and its name; null for none.
    pub unix: Address,
    /// The process on the other side; 0 where it is not known.
    pub peer: u32,
    /// It is known to be of the session itself.
    pub own: bool,
    /// Inode of the Internet socket on the other side; 0 where it is not on this machine, or not known.
    pub socket: u64,
    /// The address that the caller gave, where the kernel's own was not there.
    pub said: Said,
}

impl NetOperation {
    /// One that a hook tells before it happens.
    #[inline(always)]
    pub fn before(op: u16, ret: i32) -> Self {
        Self {
            op,
            ret,
            before: true,
            syscall: u32::MAX,
            unix: Address(0),
            peer: 0,
            own: false,
            socket: 0,
            said: Said::NOTHING,
        }
    }
}

/// Writes a [`kind::NET`] record. A refusal goes to the control ring.
#[inline(always)]
pub fn tell(inside: &Inside, operation: &NetOperation, peer: &Peer, decided: &Verdict) {
    let Some(buffer) = Buffer::claim() else { return hold::lost(inside, decided) };
    let record: *mut Net = buffer.record();
    let peer_inside = match task::find(operation.peer, 0) {
        Some(other) => other.slot == inside.slot,
        None => operation.own,
    };
    // SAFETY: the buffer is larger than a record, and this program's own until it is submitted.
    unsafe {
        (*record).op = operation.op;
        (*record).family = peer.family;
        (*record).kind = peer.kind;
        (*record).port = peer.port;
        (*record).protocol = peer.protocol;
        (*record).ret = operation.ret;
        (*record).addr = core::mem::transmute::<[u64; 2], [u8; 16]>(peer.addr);
        clear::<FACTS_WORDS>((&raw mut (*record).file).cast());
        (*record).file.file.ino = operation.socket;
        (*record).verdict = *decided;
        (*record).before = u32::from(operation.before);
        (*record).peer = operation.peer;
        (*record).peer_inside = u32::from(peer_inside);
    }
    let mut len = size_of::<Net>();
    let claimed = operation.said.address != 0;
    let file = if claimed { dentry::working_directory() } else { file(operation.unix) };
    if let Some(dentry) = file {
        let Some(end) = buffer.append_file(offset_of!(Net, file), len, dentry) else {
            hold::lost(inside, decided);
            return buffer.discard();
        };
        len = end;
    }
    let named = buffer.append_name(len, operation.unix);
    let address = buffer.append_address(len + named as usize, operation.said);
    // SAFETY: as above.
    unsafe {
        (*record).name_len = named as u16;
        (*record).claimed_len = address as u16;
    }
    let urgency = if decided.stage == 0 { Urgency::Operation } else { Urgency::Control };
    let len = len + named as usize + address as usize;
    buffer.submit(kind::NET, inside, operation.syscall, len, urgency);
}
