//! What became of a socket, told at the end of a call, and who is behind a unix socket.

use crate::call::{Ended, SIGKILL};
use crate::peer::{NetOperation, Peer, file, mapped, tell};
use crate::read::{Address, each, zeros};
use crate::ring::{Said, lose, verdict};
use crate::task::{self, Inside};
use crate::{deadline, decide, dentry, listener, offsets, shared, touched};
use abi::{
    LOSS_UNREADABLE, MEANS_KILL, NO_ARG, SESSION_NAMES, STAGE_T0, STAGE_T1, VERDICT_REFUSED, Verdict, access,
    op,
};
use aya_ebpf::helpers::generated::{bpf_probe_read_user, bpf_send_signal};
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const SOCK_STREAM: u16 = 1;
const SOCK_DGRAM: u16 = 2;
const SOCK_SEQPACKET: u16 = 5;
const EINPROGRESS: i32 = -115;
/// include/net/tcp_states.h
const TCP_LISTEN: u8 = 10;

/// The process that listens at, or has connected to, a unix socket: what the kernel keeps for `SO_PEERCRED`. 0 where it
/// keeps none.
#[inline(always)]
pub fn behind(sk: Address) -> u32 {
    if sk.is_null() {
        return 0;
    }
    sk.follow(offsets::sk_peer_pid()).and_then(|pid| pid.word(offsets::pid_number())).unwrap_or(0)
}

/// Decides a connection to a unix socket, and who is behind it: what works for others outside of the session would do its work
/// unguarded. Then its file decides, or its name. `sk` keeps who began to listen, `unix` the file or the name.
#[inline(always)]
pub fn decide(inside: &Inside, sk: Address, unix: Address, means: u8) -> (u32, Verdict) {
    let found = listener::behind_unix(u64::from(inside.slot), u64::from(behind(sk)), unix.0);
    let (behind, reason) = ((found >> 32) as u32, found as u32);
    let decided = if reason != 0 {
        verdict(inside, STAGE_T0, reason, means)
    } else if let Some(dentry) = file(unix) {
        decide::file(inside, dentry, access::CONNECT, means)
    } else {
        named(inside, unix, means)
    };
    (behind, decided)
}

/// Makes the current process stand still until it is known who has begun to listen at a unix socket; whether it does. `behind` is who
/// has begun to.
#[inline(always)]
pub fn awaits_look(inside: &Inside, behind: u32, sk: Address) -> bool {
    let waits = listener::is_new_to(u64::from(inside.slot), u64::from(behind), sk.0) != 0
        && deadline::awaits_look(inside);
    if waits {
        deadline::stand_still(inside);
    }
    waits
}

/// Decides a connection to a unix socket without a file: one whose abstract name no baseline knows is refused with one.
#[inline(always)]
fn named(inside: &Inside, unix: Address, means: u8) -> Verdict {
    let session = inside.session();
    let closed = session.flags & SESSION_NAMES != 0
        && listener::has_unknown_name(unix.0, u64::from(session.policy), u64::from(inside.slot)) != 0;
    if closed {
        verdict(inside, STAGE_T1, session.unknown_net_reason, means)
    } else {
        verdict(inside, 0, 0, 0)
    }
}

/// connect, bind, listen.
#[inline(always)]
pub fn on_socket(call: &Ended) -> Option<()> {
    let fd = call.argument(call.plan.dir)? as i32;
    let mut said = Said::NOTHING;
    if call.ret < 0 && call.plan.path != NO_ARG {
        said = Said::of_caller(call.argument(call.plan.path)?, call.argument(call.plan.second)? as u32);
    }
    finished(&call.inside, of_fd(fd)?, call.number, call.plan.op, call.ret, said)
}

/// accept, socket: the descriptor is what came back.
#[inline(always)]
pub fn accepted(call: &Ended) -> Option<()> {
    finished(&call.inside, of_fd(call.ret)?, call.number, call.plan.op, 0, Said::NOTHING)
}

/// The many calls of the 32-bit table that are one: its arguments lie in the caller's memory, so which socket it was is
/// claimed; what became of that socket is not.
#[inline(always)]
pub fn called(call: &Ended) -> Option<()> {
    let which = call.argument(call.plan.dir)?;
    let mut fd = 0i32;
    // SAFETY: the destination is four bytes of this stack; the helper checks the source.
    if unsafe { bpf_probe_read_user((&raw mut fd).cast(), 4, call.argument(call.plan.second)? as *const _) }
        != 0
    {
        return None;
    }
    // include/uapi/linux/net.h
    let (op, made) = match which {
        1 => (op::SOCKET, true),
        2 => (op::BIND, false),
        3 => (op::CONNECT, false),
        4 => (op::LISTEN, false),
        5 | 18 => (op::ACCEPT, true),
        _ => return None,
    };
    if made && call.ret < 0 {
        return None;
    }
    let fd = if made { call.ret } else { fd };
    finished(&call.inside, of_fd(fd)?, call.number, op, if made { 0 } else { call.ret }, Said::NOTHING)
}

/// Datagrams of a unix socket to addresses of their own. Internet addresses were told by the cgroup hooks, and in the
/// LSM tier unix ones by theirs.
#[inline(always)]
pub fn sent(call: &Ended) -> Option<()> {
    if offsets::is_lsm_tier() && call.ret >= 0 {
        return None;
    }
    let sk = of_fd(call.argument(call.plan.dir)? as i32)?;
    if sk.get::<u16>(offsets::sk_family())? != AF_UNIX {
        return None;
    }
    let at = call.argument(call.plan.path)?;
    let (number, failed) = (u64::from(call.number), call.ret.min(0) as u64);
    if call.plan.second != NO_ARG {
        tell_sent(sk.0, at, call.argument(call.plan.second)?, number, failed);
        return Some(());
    }
    // `sendmmsg` returns how many it has sent.
    let is_many = call.plan.detail != NO_ARG && call.ret >= 0;
    let left = if is_many { call.ret as u64 } else { 1 };
    let mut messages = Messages { sk: sk.0, at, left, number, failed, narrow: u64::from(call.compat) };
    each(MESSAGES, message, &mut messages);
    Some(())
}

/// `TP_PROTO(const struct sock *sk)`, since 6.3: something has reached a socket. What is sent to a unix socket, or connects to it, is
/// told in the call that does so, so that who reaches whom no session may reach ends before it is answered; and whichever
/// descriptor the call was made by, another thread may have put another file there by its end.
#[raw_tracepoint(tracepoint = "sk_data_ready")]
pub fn data_ready(ctx: RawTracePointContext) -> i32 {
    let _ = reached(Address(ctx.arg(0)));
    0
}

#[inline(always)]
fn reached(sk: Address) -> Option<()> {
    let inside = task::current()?;
    let (family, kind): (u16, u16) = (sk.get(offsets::sk_family())?, sk.get(offsets::sk_type())?);
    let connects = kind == SOCK_STREAM || kind == SOCK_SEQPACKET;
    if family != AF_UNIX || connects && sk.get::<u8>(offsets::sk_state())? != TCP_LISTEN {
        return None;
    }
    let (behind, decided) = decide(&inside, sk, sk, MEANS_KILL);
    let refused = decided.flags & VERDICT_REFUSED != 0;
    if connects && !refused {
        // The connection is there, and nothing is sent over it by then.
        awaits_look(&inside, behind, sk);
    }
    // The end of the call tells a connection that is not refused.
    if decided.stage == 0 || connects && !refused {
        return None;
    }
    if refused {
        // The connection is there, and its maker ends, but for what it has asked io_uring to send.
        shared::end(&inside, Address(0));
    }
    let peer = Peer { family, kind, port: 0, protocol: 0, addr: zeros() };
    let op = if connects { op::CONNECT } else { op::SEND };
    let operation = NetOperation { before: false, unix: sk, peer: behind, ..NetOperation::before(op, 0) };
    tell(&inside, &operation, &peer, &decided);
    Some(())
}

/// Most that one call sends: `UIO_MAXIOV`, include/uapi/linux/uio.h.
const MESSAGES: u32 = 1024;

/// Messages that one call has sent, and those of them that were not told yet. Plain integers, as in the walk that decides.
#[repr(C)]
struct Messages {
    sk: u64,
    /// Where the next one's head lies in the caller's memory.
    at: u64,
    left: u64,
    number: u64,
    /// What the call returned, where it has failed.
    failed: u64,
    /// A 32-bit call's.
    narrow: u64,
}

/// Tells the receiver of one message, a callback of `bpf_loop`. 1 ends it.
unsafe extern "C" fn message(_: u64, messages: *mut Messages) -> i64 {
    // SAFETY: `bpf_loop` hands on the pointer that `sent` gave it.
    let messages = unsafe { &mut *messages };
    if messages.left == 0 {
        return 1;
    }
    messages.left -= 1;
    // `msg_name` and `msg_namelen` of a `struct msghdr`, whose fields are half as wide in a 32-bit one; and the size of a
    // `struct mmsghdr`.
    let (width, size) = if messages.narrow == 0 { (8, 64) } else { (4, 32) };
    let mut head = [0u64; 2];
    // SAFETY: the destination is sixteen bytes of this stack; the helper checks the source.
    if unsafe { bpf_probe_read_user((&raw mut head).cast(), width * 2, messages.at as *const _) } != 0 {
        // What was sent was there.
        if messages.failed == 0 {
            lose(LOSS_UNREADABLE);
        }
        return 1;
    }
    let (place, len) = if messages.narrow == 0 {
        (head[0], head[1] & 0xffff_ffff)
    } else {
        (head[0] & 0xffff_ffff, head[0] >> 32)
    };
    tell_sent(messages.sk, place, len, messages.number, messages.failed);
    messages.at = messages.at.wrapping_add(size);
    0
}

/// Tells what was sent from a unix socket to an address of `len` bytes; nothing where it went to whoever the socket is connected
/// to. Global linkage: see [`dentry::append_file`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn tell_sent(sk: u64, place: u64, len: u64, number: u64, ret: u64) -> u64 {
    let sk = Address(sk);
    let Some(inside) = task::current() else { return 0 };
    if place == 0 || len as u32 == 0 {
        return 0;
    }
    let peer = Peer {
        family: AF_UNIX,
        kind: sk.get(offsets::sk_type()).unwrap_or(0),
        port: 0,
        protocol: u32::from(sk.get::<u16>(offsets::sk_protocol()).unwrap_or(0)),
        addr: zeros(),
    };
    let operation = NetOperation {
        op: op::SEND,
        ret: ret as i32,
        before: false,
        syscall: number as u32,
        unix: Address(0),
        peer: 0,
        own: false,
        socket: 0,
        said: Said::of_caller(place, len as u32),
    };
    tell(&inside, &operation, &peer, &verdict(&inside, 0, 0, 0));
    1
}

/// The `struct sock` behind a descriptor.
#[inline(always)]
pub fn of_fd(fd: i32) -> Option<Address> {
    of_file(dentry::file_of_fd(fd)?)
}

/// The `struct sock` of an open file. It may be anything: only a socket's `struct file` has a `struct socket` as private
/// data.
#[inline(always)]
pub fn of_file(file: Address) -> Option<Address> {
    const S_IFMT: u16 = 0o170000;
    const S_IFSOCK: u16 = 0o140000;
    let dentry = file.follow(offsets::file_dentry())?;
    if dentry::inode(dentry)?.get::<u16>(offsets::inode_mode())? & S_IFMT != S_IFSOCK {
        return None;
    }
    file.follow(offsets::file_private())?.follow(offsets::socket_sk())
}

/// A call on a socket, or a request, has ended. Internet connects were told by the cgroup hooks, with their decision, where
/// they run.
#[inline(always)]
pub fn finished(inside: &Inside, sk: Address, number: u32, op: u16, ret: i32, said: Said) -> Option<()> {
    let family: u16 = sk.get(offsets::sk_family())?;
    let mut peer = Peer {
        family,
        kind: sk.get(offsets::sk_type())?,
        port: 0,
        protocol: u32::from(sk.get::<u16>(offsets::sk_protocol())?),
        addr: zeros(),
    };
    let mut unix = Address(0);
    let connects = ret == 0 || ret == EINPROGRESS;
    match family {
        AF_UNIX if op == op::CONNECT => {
            let stream = peer.kind == SOCK_STREAM || peer.kind == SOCK_SEQPACKET;
            if offsets::is_lsm_tier() && ret == 0 && stream {
                return None;
            }
            if ret == 0 {
                unix = sk.follow(offsets::unix_peer()).unwrap_or(Address(0));
            }
        }
        AF_UNIX if op == op::ACCEPT || said.address == 0 && op != op::SOCKET => unix = sk,
        AF_INET | AF_INET6 if op == op::CONNECT && connects && peer.has_hooks() => return None,
        AF_INET | AF_INET6 if op != op::SOCKET && (op != op::CONNECT || connects) => {
            let local = op == op::BIND || op == op::LISTEN;
            peer.port =
                if local { sk.get(offsets::sk_num())? } else { u16::from_be(sk.get(offsets::sk_dport())?) };
            peer.addr = if family == AF_INET {
                mapped(sk.word(if local { offsets::sk_rcv_saddr() } else { offsets::sk_daddr() })?)
            } else {
                sk.get(if local { offsets::sk_v6_rcv_saddr() } else { offsets::sk_v6_daddr() })?
            };
        }
        _ => {}
    }
    // A socket keeps its peer's process itself, from the moment on that it is connected.
    let connected = family == AF_UNIX && ret == 0 && (op == op::CONNECT || op == op::ACCEPT);
    let mut behind = if connected { behind(sk) } else { 0 };
    let mut decided = verdict(inside, 0, 0, 0);
    if connected && op == op::CONNECT {
        (behind, decided) = decide(inside, sk, unix, MEANS_KILL);
        if decided.flags & VERDICT_REFUSED != 0 {
            let file =
                sk.follow(offsets::sk_socket()).and_then(|socket| socket.follow(offsets::socket_file()));
            shared::end(inside, file.unwrap_or(Address(0)));
            // It was told when it reached the listener.
            if offsets::tells_ready() && peer.kind != SOCK_DGRAM {
                return None;
            }
        }
    }
    let internet = family == AF_INET || family == AF_INET6;
    if internet && ret == 0 && (op == op::BIND || op == op::LISTEN) {
        listener::keep(inside, sk);
    }
    if family == AF_UNIX && op == op::CONNECT && ret == 0 {
        // Who has no name may have been given one.
        listener::keep_name(sk.0, u64::from(inside.slot));
    }
    if family == AF_UNIX && op == op::BIND {
        let reason = touched::why_not_bound(inside);
        if ret == 0 {
            listener::keep_name(sk.0, u64::from(inside.slot));
        }
        if ret == 0 && reason != 0 {
            decided = verdict(inside, STAGE_T0, reason, MEANS_KILL);
            if decided.flags & VERDICT_REFUSED != 0 {
                // SAFETY: the helper has no preconditions.
                unsafe { bpf_send_signal(SIGKILL) };
            }
        }
    }
    let operation = NetOperation {
        op,
        ret,
        before: false,
        syscall: number,
        unix,
        peer: behind,
        own: false,
        socket: 0,
        said,
    };
    tell(inside, &operation, &peer, &decided);
    Some(())
}
