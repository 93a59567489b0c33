//! From the bytes of a ring record to an event. The bytes are the kernel side's, and are checked all the same: a record
//! that does not add up is counted and left out.

use crate::address;
use crate::decoded::{Decoded, RequestId, Touched, captured, event};
use crate::packet::packet;
use crate::resolve::Resolver;
use abi::{Claimed, Exec, Exit, FileFacts, Fork, Header, Kernel, Net, Syscall, Verdict, kind};
use bstr::BString;
use event::{
    Access, Address, Captured, Decision, Event, Exe, Fate, File, Means, Object, Op, Origin, Outcome, Stage,
};
use std::net::IpAddr;
use zerocopy::FromBytes;

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// The head of a record, if the bytes can be one.
pub(crate) fn header(bytes: &[u8]) -> Option<Header> {
    let (header, _) = Header::read_from_prefix(bytes).ok()?;
    (header.len as usize == bytes.len()).then_some(header)
}

/// The record, read; `None` for bytes that do not add up.
pub(crate) fn decode(bytes: &[u8], resolver: &mut Resolver) -> Option<Decoded> {
    let header = header(bytes)?;
    match header.kind {
        kind::PACKET => packet(&header, bytes),
        kind::SYSCALL => syscall(bytes),
        kind::FORK => fork(&header, bytes),
        kind::EXEC => exec(&header, bytes, resolver),
        kind::EXIT => exit(&header, bytes),
        kind::FILE => file(&header, bytes, resolver),
        kind::CLAIMED => claimed(&header, bytes, resolver),
        kind::NET => net(&header, bytes, resolver),
        kind::KERNEL => kernel(&header, bytes),
        kind::TOUCHED => touched(&header, bytes, resolver),
        _ => None,
    }
}

/// An event that a hook told beforehand waits for its outcome, unless it was decided: that is one.
fn told(event: Event, before: bool) -> Option<Decoded> {
    if before && event.decision.is_none() { Some(Decoded::Before(Box::new(event))) } else { captured(event) }
}

fn outcome(ret: i32) -> Outcome {
    if ret < 0 { Outcome::Failed(ret.saturating_neg()) } else { Outcome::Done(i64::from(ret)) }
}

/// What was decided, if anything was; `None` for a verdict that does not add up.
fn decision(verdict: &Verdict) -> Option<Option<Decision>> {
    let stage = match verdict.stage {
        abi::STAGE_NONE => return Some(None),
        abi::STAGE_T0 => Stage::T0,
        abi::STAGE_T1 => Stage::T1,
        abi::STAGE_T2 => Stage::T2,
        _ => return None,
    };
    Some(Some(Decision {
        stage,
        means: Means::from_number(verdict.means)?,
        enforced: verdict.flags & abi::VERDICT_REFUSED != 0,
        reason: verdict.reason,
    }))
}

/// Whether the operation did not happen, since it was refused.
fn is_refused(decision: Option<Decision>) -> bool {
    decision.is_some_and(|decision| decision.fate() == Fate::Refused)
}

/// The tail of a record, taken apart piece by piece.
struct Tail<'a>(&'a [u8]);

impl<'a> Tail<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (piece, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(piece)
    }

    fn names(&mut self, facts: &FileFacts) -> Option<&'a [u8]> {
        self.take(usize::from(facts.names_len))
    }
}

fn syscall(bytes: &[u8]) -> Option<Decoded> {
    let (record, _) = Syscall::read_from_prefix(bytes).ok()?;
    Some(Decoded::Captured(Captured::Syscall(event::Syscall {
        time_ns: record.header.time_ns,
        tid: record.header.tid,
        number: record.header.syscall,
        compat: record.compat != 0,
        ret: record.ret,
    })))
}

fn fork(header: &Header, bytes: &[u8]) -> Option<Decoded> {
    let (record, _) = Fork::read_from_prefix(bytes).ok()?;
    let mut event = event(header, Op::Fork, Object::None, Outcome::Done(i64::from(record.child_tid)));
    event.fork = Some(event::Fork { pid: record.child_tgid, tid: record.child_tid });
    event.detail = record.flags;
    captured(event)
}

fn exec(header: &Header, bytes: &[u8], resolver: &mut Resolver) -> Option<Decoded> {
    let (record, tail) = Exec::read_from_prefix(bytes).ok()?;
    let mut tail = Tail(tail);
    let names = tail.names(&record.exe)?;
    let args = tail.take(record.args_len as usize)?;
    let args = args.strip_suffix(&[0]).unwrap_or(args);
    let script = match record.script_len {
        0 => None,
        len => {
            let base = tail.names(&record.base)?;
            Some(Object::File(resolver.claimed(&record.base, base, tail.take(len as usize)?)))
        }
    };
    let exe = Exe {
        file: resolver.file(&record.exe, names),
        args: args.split(|&byte| byte == 0).map(Into::into).collect(),
        args_cut: record.args_cut != 0,
    };
    let decided = decision(&record.verdict)?;
    let ended = if is_refused(decided) { Outcome::Failed(libc::EPERM) } else { Outcome::Done(0) };
    let mut event = event(header, Op::Exec, Object::Exe(exe), ended);
    event.access = Access::EXEC;
    event.second = script;
    event.decision = decided;
    captured(event)
}

fn exit(header: &Header, bytes: &[u8]) -> Option<Decoded> {
    let (record, _) = Exit::read_from_prefix(bytes).ok()?;
    let mut event = event(header, Op::Exit, Object::None, Outcome::Done(i64::from(record.group_dead)));
    event.detail = record.code;
    captured(event)
}

fn file(header: &Header, bytes: &[u8], resolver: &mut Resolver) -> Option<Decoded> {
    let (record, tail) = abi::File::read_from_prefix(bytes).ok()?;
    let mut tail = Tail(tail);
    let mut file = resolver.file(&record.file, tail.names(&record.file)?);
    // Nothing has this name any more, or ever had.
    if record.file.nlink == 0 && record.file.mode != 0 {
        file.origin = Origin::Unresolved;
    }
    let second = match record.second.file.dev {
        0 if record.second.file.ino == 0 => None,
        _ => Some(Object::File(resolver.file(&record.second, tail.names(&record.second)?))),
    };
    // A permission mark is asked by every open, and by that of a program that is being started.
    let op = match Op::from_number(record.op)? {
        Op::Open if record.access & abi::access::EXEC != 0 => Op::Exec,
        op => op,
    };
    let mut event = event(header, op, Object::File(file), outcome(record.ret));
    event.access = Access::from_bits_truncate(record.access);
    // The kernel marks as created only what got a name: fs/namei.c, `vfs_tmpfile`.
    if op == Op::Open && record.detail & libc::O_TMPFILE as u32 == libc::O_TMPFILE as u32 {
        event.access |= Access::NEW | Access::CREATE;
    }
    event.second = second;
    event.detail = record.detail;
    event.decision = decision(&record.verdict)?;
    // What was asked before the operation, and was answered with leave: it fails of no answer.
    if record.before != 0 && event.decision.is_some_and(|decision| !decision.enforced) {
        event.outcome = Outcome::Done(0);
    }
    if record.call == abi::CALL_APART {
        return told(event, record.before != 0);
    }
    let call = event::Syscall {
        time_ns: header.time_ns,
        tid: header.tid,
        number: header.syscall,
        compat: record.call == abi::CALL_ENDS_32,
        ret: i64::from(record.ret),
    };
    Some(Decoded::Ended(call, Box::new(event)))
}

fn touched(header: &Header, bytes: &[u8], resolver: &mut Resolver) -> Option<Decoded> {
    let (record, tail) = abi::Touched::read_from_prefix(bytes).ok()?;
    let file = resolver.file(&record.file, Tail(tail).names(&record.file)?);
    let (pid, call, after) = (header.tgid, record.call, record.after != 0);
    Some(Decoded::Touched(Touched { pid, call, after, file }))
}

fn claimed(header: &Header, bytes: &[u8], resolver: &mut Resolver) -> Option<Decoded> {
    let (record, tail) = Claimed::read_from_prefix(bytes).ok()?;
    let request = RequestId { call: record.call, pid: header.tgid };
    if matches!(record.request, abi::REQUEST_ENDED | abi::REQUEST_TOLD) {
        let op = Op::from_number(record.op)?;
        let mut event = event(header, op, Object::None, outcome(record.ret));
        event.access = Access::from_bits_truncate(record.access);
        event.decision = decision(&record.verdict)?;
        return Some(Decoded::Completed(Box::new(event), request, record.request == abi::REQUEST_TOLD));
    }
    let mut tail = Tail(tail);
    let names = tail.names(&record.base)?;
    let path = tail.take(usize::from(record.path_len))?;
    let second_names = tail.names(&record.second_base)?;
    let second = tail.take(usize::from(record.second_len))?;
    let op = match Op::from_number(record.op)? {
        Op::Unlink if record.detail & libc::AT_REMOVEDIR as u32 != 0 => Op::Rmdir,
        op => op,
    };
    let file = resolver.claimed(&record.base, names, path);
    let object = match op {
        Op::Exec => Object::Exe(Exe { file, args: Vec::new(), args_cut: false }),
        _ => Object::File(file),
    };
    let mut event = event(header, op, object, outcome(record.ret));
    event.access = Access::from_bits_truncate(record.access);
    event.access.set(Access::DIR, op == Op::Rmdir || event.access.contains(Access::DIR));
    // An open whose flags are its own says what it wants beforehand.
    if op == Op::Open && record.access == 0 {
        event.access = asked(record.detail);
    }
    // A file system of the caller's own may number its directories 0.
    let starts_with_the_first = record.second_base.file.dev == 0 && record.second_base.file.ino == 0;
    let (start, names) =
        if starts_with_the_first { (&record.base, names) } else { (&record.second_base, second_names) };
    event.second = (!second.is_empty()).then(|| Object::File(resolver.claimed(start, names, second)));
    event.detail = record.detail;
    event.decision = decision(&record.verdict)?;
    let event = Box::new(event);
    Some(match record.request {
        abi::REQUEST_NONE => Decoded::Claimed(event, record.call),
        made => Decoded::Requested(event, request, made == abi::REQUEST_HOOKED),
    })
}

/// What the flags of an open ask for.
fn asked(flags: u32) -> Access {
    let flags = flags as i32;
    if flags & libc::O_PATH != 0 {
        return Access::PATH_ONLY;
    }
    let mut access = match flags & libc::O_ACCMODE {
        libc::O_RDONLY => Access::READ,
        libc::O_WRONLY => Access::WRITE,
        _ => Access::READ | Access::WRITE,
    };
    access.set(Access::CREATE, flags & libc::O_CREAT != 0);
    if flags & libc::O_TRUNC != 0 {
        access |= Access::TRUNC | Access::WRITE;
    }
    access
}

fn net(header: &Header, bytes: &[u8], resolver: &mut Resolver) -> Option<Decoded> {
    let (record, tail) = Net::read_from_prefix(bytes).ok()?;
    let mut tail = Tail(tail);
    let op = Op::from_number(record.op)?;
    let names = tail.names(&record.file)?;
    let name = tail.take(usize::from(record.name_len))?;
    let address = tail.take(usize::from(record.claimed_len))?;
    let object = match record.family {
        AF_UNIX | AF_INET | AF_INET6 if op == Op::Socket => {
            Object::Socket { family: record.family, kind: record.kind }
        }
        AF_UNIX | AF_INET | AF_INET6 if !address.is_empty() => said(&record, names, address, resolver)?,
        AF_UNIX if record.file.mode != 0 => Object::Unix(resolver.file(&record.file, names)),
        // An abstract name is the kernel's own; a socket that is bound to nothing has an empty one.
        AF_UNIX => {
            Object::Unix(File { path: BString::from(name), key: None, mode: 0, origin: Origin::Trusted })
        }
        AF_INET | AF_INET6 => Object::Address(Address {
            ip: address::of_bytes(record.addr),
            port: record.port,
            protocol: short(record.protocol),
            host: None,
        }),
        family => Object::Socket { family, kind: record.kind },
    };
    let mut event = event(header, op, object, outcome(record.ret));
    event.access = match op {
        Op::Bind | Op::Listen | Op::Accept => Access::LISTEN,
        _ => Access::CONNECT,
    };
    // Of an Internet socket it is known that somebody listens, and not always who.
    let socket = if matches!(record.family, AF_INET | AF_INET6) { record.file.file.ino } else { 0 };
    event.second = (record.peer != 0 || socket != 0).then_some(Object::Process {
        pid: record.peer,
        inside: record.peer_inside != 0,
        detail: socket,
    });
    event.decision = decision(&record.verdict)?;
    if is_refused(event.decision) {
        event.outcome = Outcome::Failed(libc::EPERM);
    }
    told(event, record.before != 0)
}

/// A protocol; of a number that a caller made up, what a protocol has room for.
#[expect(clippy::cast_possible_truncation, reason = "no protocol is cut by it")]
fn short(protocol: u32) -> u16 {
    protocol as u16
}

/// The address that only the caller has said: of an attempt that failed, or of a datagram whose receiver no hook saw.
fn said(record: &Net, names: &[u8], address: &[u8], resolver: &mut Resolver) -> Option<Object> {
    let (family, rest) = address.split_first_chunk::<2>()?;
    let protocol = short(record.protocol);
    let port = || Some(u16::from_be_bytes(rest.first_chunk::<2>().copied()?));
    Some(match u16::from_ne_bytes(*family) {
        AF_INET => {
            let ip = IpAddr::from(*rest.get(2..)?.first_chunk::<4>()?);
            Object::Address(Address { ip, port: port()?, protocol, host: None })
        }
        AF_INET6 => {
            let ip = address::of_bytes(*rest.get(6..)?.first_chunk()?);
            Object::Address(Address { ip, port: port()?, protocol, host: None })
        }
        AF_UNIX if rest.first().is_none_or(|&byte| byte == 0) => {
            Object::Unix(File { path: BString::from(rest), key: None, mode: 0, origin: Origin::Claimed })
        }
        AF_UNIX => {
            let path = rest.split(|&byte| byte == 0).next().unwrap_or_default();
            Object::Unix(resolver.claimed(&record.file, names, path))
        }
        family => Object::Socket { family, kind: record.kind },
    })
}

fn kernel(header: &Header, bytes: &[u8]) -> Option<Decoded> {
    let (record, _) = Kernel::read_from_prefix(bytes).ok()?;
    let op = Op::from_number(record.op)?;
    let object = match op {
        Op::Signal | Op::Ptrace => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "what a caller made up is cut; a group is negative"
            )]
            let pid = record.first as u32;
            Object::Process { pid, inside: record.inside != 0, detail: record.second }
        }
        _ => Object::Interface { first: record.first, second: record.second },
    };
    let mut event = event(header, op, object, outcome(record.ret));
    event.decision = decision(&record.verdict)?;
    captured(event)
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn arbitrary_records_are_refused_or_decoded_without_panic(
            kind in 0u16..14,
            mut bytes in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            let len = bytes.len() as u32;
            if bytes.len() >= 8 {
                bytes[0..2].copy_from_slice(&kind.to_le_bytes());
                bytes[4..8].copy_from_slice(&len.to_le_bytes());
            }
            let _ = decode(&bytes, &mut Resolver::new());
        }
    }

    #[test]
    fn a_record_whose_length_lies_is_left_out() {
        let mut bytes = vec![0; 64];
        bytes[0] = kind::SYSCALL as u8;
        bytes[4] = 65;
        assert_eq!(decode(&bytes, &mut Resolver::new()), None);
        bytes[4] = 64;
        assert!(decode(&bytes, &mut Resolver::new()).is_some());
    }
}
