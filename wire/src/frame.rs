//! Frames on a unix stream socket, and the descriptors that come with them.

use crate::{Error, PROTOCOL};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeSet;
use std::io::{self, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const MAGIC: [u8; 2] = *b"WL";
const HEAD_BYTES: usize = 8;
/// Descriptors that one frame can carry; `Begin` has one, `Read` two.
const MAX_FDS: usize = 2;
/// Processes that one frame may come from: a child may end what its parent began.
const MAX_SENDERS: usize = 4;

/// One frame without the names of fields, for what is much, and read by the same binary that wrote it.
pub fn terse<T: Serialize>(message: &T) -> Result<Vec<u8>, Error> {
    framed(&rmp_serde::to_vec(message)?)
}

/// One frame.
pub fn named<T: Serialize>(message: &T) -> Result<Vec<u8>, Error> {
    framed(&rmp_serde::to_vec_named(message)?)
}

fn framed(body: &[u8]) -> Result<Vec<u8>, Error> {
    let too_long = |_| Error::TooLong { length: body.len(), limit: u32::MAX as usize };
    let length = u32::try_from(body.len()).map_err(too_long)?;
    let mut frame = Vec::with_capacity(HEAD_BYTES + body.len());
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&PROTOCOL.to_le_bytes());
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(body);
    Ok(frame)
}

/// Sends one frame, with descriptors.
pub fn send<T: Serialize>(stream: &UnixStream, message: &T, fds: &[BorrowedFd<'_>]) -> Result<(), Error> {
    let frame = named(message)?;
    let mut sent = 0;
    if !fds.is_empty() {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = rustix::net::SendAncillaryBuffer::new(&mut space);
        if !control.push(rustix::net::SendAncillaryMessage::ScmRights(fds)) {
            return Err(Error::Descriptors(fds.len()));
        }
        sent = rustix::net::sendmsg(
            stream,
            &[IoSlice::new(&frame)],
            &mut control,
            rustix::net::SendFlags::NOSIGNAL,
        )
        .map_err(io::Error::from)?;
    }
    let mut stream = stream;
    Ok(stream.write_all(frame.get(sent..).unwrap_or_default())?)
}

/// What one frame brought.
#[derive(Debug)]
pub struct Received<T> {
    /// The message.
    pub message: T,
    /// Descriptors, of its first bytes.
    pub fds: Vec<OwnedFd>,
    /// The processes that sent it, as the kernel says where it was asked to; it need not be the one that connected.
    pub senders: BTreeSet<u32>,
}

/// How long a frame is waited for: no byte of it prolongs that.
#[derive(Clone, Copy, Debug)]
pub enum Patience {
    /// As long as the other side takes.
    Endless,
    /// Until then for all of it.
    Until(Instant),
    /// For ever until it begins, and then so long for the rest.
    Once(Duration),
}

/// Receives one frame of at most `limit` bytes, and the descriptors that came with it, however long it takes. `None`: the
/// other side hung up.
pub fn receive<T: DeserializeOwned>(
    stream: &UnixStream,
    limit: usize,
) -> Result<Option<(T, Vec<OwnedFd>)>, Error> {
    let received = receive_within(stream, limit, Patience::Endless)?;
    Ok(received.map(|received| (received.message, received.fds)))
}

/// Receives one frame of at most `limit` bytes in time. `None`: the other side hung up.
pub fn receive_within<T: DeserializeOwned>(
    stream: &UnixStream,
    limit: usize,
    patience: Patience,
) -> Result<Option<Received<T>>, Error> {
    let until = match patience {
        Patience::Until(until) => Some(until),
        Patience::Endless | Patience::Once(_) => None,
    };
    let mut incoming = Incoming { stream, patience, until, fds: Vec::new(), senders: BTreeSet::new() };
    let mut head = [0u8; HEAD_BYTES];
    if !incoming.fill(&mut head)? {
        return Ok(None);
    }
    if head[..2] != MAGIC {
        return Err(Error::Foreign);
    }
    if u16::from_le_bytes([head[2], head[3]]) != PROTOCOL {
        return Err(Error::OtherVersion);
    }
    let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
    if length > limit {
        return Err(Error::TooLong { length, limit });
    }
    let mut body = vec![0; length];
    if length > 0 && !incoming.fill(&mut body)? {
        return Err(Error::Cut);
    }
    let message = rmp_serde::from_slice(&body)?;
    Ok(Some(Received { message, fds: incoming.fds, senders: incoming.senders }))
}

/// A frame on its way in.
struct Incoming<'a> {
    stream: &'a UnixStream,
    patience: Patience,
    until: Option<Instant>,
    fds: Vec<OwnedFd>,
    senders: BTreeSet<u32>,
}

impl Incoming<'_> {
    /// Fills a buffer; `false`: the other side hung up before its first byte.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<bool, Error> {
        let mut read = 0;
        while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
            self.wait()?;
            match self.take(rest)? {
                0 if read == 0 => return Ok(false),
                0 => return Err(Error::Cut),
                bytes => read += bytes,
            }
            if let (None, Patience::Once(rest)) = (self.until, self.patience) {
                self.until = Some(Instant::now() + rest);
            }
        }
        Ok(true)
    }

    /// Waits for bytes, up to the frame's deadline.
    fn wait(&self) -> Result<(), Error> {
        let Some(until) = self.until else { return Ok(()) };
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // Also for who always has a byte ready.
                return Err(Error::Late);
            }
            let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            match poll(&mut [PollFd::new(self.stream, PollFlags::IN)], Some(&left)) {
                Ok(0) => {}
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(io::Error::from(e).into()),
            }
        }
    }

    /// Reads once, with what comes beside the bytes.
    fn take(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut beside = nix::cmsg_space!([RawFd; MAX_FDS], UnixCredentials);
        let mut space = [io::IoSliceMut::new(buffer)];
        let (fd, flags) = (self.stream.as_raw_fd(), MsgFlags::MSG_CMSG_CLOEXEC);
        let message = loop {
            match recvmsg::<()>(fd, &mut space, Some(&mut beside), flags) {
                Err(nix::errno::Errno::EINTR) => continue,
                other => break other.map_err(io::Error::from)?,
            }
        };
        let bytes = message.bytes;
        for of in message.cmsgs().map_err(io::Error::from)? {
            match of {
                ControlMessageOwned::ScmRights(rights) => {
                    // SAFETY: the kernel has just made these descriptors, for this message.
                    let owned = rights.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
                    self.fds.extend(owned);
                    self.fds.truncate(MAX_FDS);
                }
                ControlMessageOwned::ScmCredentials(of) => {
                    // 0: of a process that this namespace of processes does not see, or from before it was asked for.
                    self.senders.extend(u32::try_from(of.pid()).ok().filter(|pid| *pid != 0));
                    if self.senders.len() > MAX_SENDERS {
                        return Err(Error::Senders);
                    }
                }
                _ => {}
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Action, Begin, Confinement, Finished, GoOn, MAX_REQUEST_BYTES, Refused, Reply, Report, Request, Why,
    };
    use event::{Mode, SessionRef};
    use std::io::Read;
    use std::os::fd::AsFd;

    #[test]
    fn no_byte_prolongs_a_deadline_and_who_sends_is_known() {
        let (mut a, b) = UnixStream::pair().unwrap();
        rustix::net::sockopt::set_socket_passcred(&b, true).unwrap();
        send(&a, &Request::Sessions, &[]).unwrap();
        let wait = || Patience::Until(Instant::now() + Duration::from_millis(100));
        let received = receive_within::<Request>(&b, MAX_REQUEST_BYTES, wait()).unwrap().unwrap();
        assert_eq!(received.senders, BTreeSet::from([std::process::id()]));
        let until = wait();
        let trickle = std::thread::spawn(move || {
            for byte in b"WL\x01\x00\xff" {
                if a.write_all(&[*byte]).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(40));
            }
            a
        });
        let began = Instant::now();
        let late = receive_within::<Request>(&b, MAX_REQUEST_BYTES, until).unwrap_err();
        assert!(matches!(late, Error::Late), "{late}");
        assert!(began.elapsed() < Duration::from_millis(190), "{:?}", began.elapsed());
        drop(trickle.join());
        let (mut a, b) = UnixStream::pair().unwrap();
        a.write_all(b"WL").unwrap();
        let once = Patience::Once(Duration::from_millis(50));
        let late = receive_within::<Request>(&b, MAX_REQUEST_BYTES, once).unwrap_err();
        assert!(matches!(late, Error::Late), "{late}");
    }

    #[test]
    fn a_frame_arrives_with_its_descriptors() {
        let (a, b) = UnixStream::pair().unwrap();
        let file = tempfile_like();
        let request = Request::Task { session: SessionRef::Last, owner: None, task: "edit".parse().unwrap() };
        send(&a, &request, &[file.as_fd()]).unwrap();
        drop(a);
        let (got, fds) = receive::<Request>(&b, MAX_REQUEST_BYTES).unwrap().unwrap();
        assert!(matches!(got, Request::Task { task, .. } if task.as_str() == "edit"));
        assert_eq!(fds.len(), 1);
        assert!(receive::<Request>(&b, MAX_REQUEST_BYTES).unwrap().is_none());
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let this = PROTOCOL.to_le_bytes();
        let frame = |version: [u8; 2], rest: &[u8]| [b"WL", &version[..], rest].concat();
        for (bytes, told) in [
            (b"GET / HTTP/1.1\r\n".to_vec(), "the other side does not speak Wardline's protocol"),
            (
                frame((PROTOCOL + 1).to_le_bytes(), b"\x01\x00\x00\x00\xc0"),
                "the other side is another version of Wardline: end its supervisor with `wardline stop` and try again",
            ),
            (
                frame(this, b"\xff\xff\xff\xff"),
                "a message of 4294967295 bytes is longer than the 1048576 that are taken",
            ),
            (frame(this, b"\x01\x00\x00\x00\xc1"), "a message cannot be read: wrong msgpack marker Reserved"),
            (frame(this, b""), "the other side ended within a message"),
            (frame(this, b"\x05\x00\x00\x00\xc0"), "the other side ended within a message"),
        ] {
            let (mut a, b) = UnixStream::pair().unwrap();
            a.write_all(&bytes).unwrap();
            drop(a);
            let error = receive::<Request>(&b, MAX_REQUEST_BYTES).unwrap_err();
            assert_eq!(error.to_string(), told, "{bytes:?}");
        }
    }

    /// Seeds of the fuzz target: bodies of frames.
    fn seeds() -> Vec<(&'static str, Vec<u8>)> {
        let (session, owner) = (SessionRef::Last, Some(1000));
        let begin = Begin {
            mode: Mode::Enforce,
            agent: "codex".parse().unwrap(),
            task: "edit".parse().unwrap(),
            command: vec!["codex".into(), "exec".into()],
            pid: 4242,
            uid: 1000,
            gid: 1000,
            home: "/home/u".into(),
            workspaces: vec!["/home/u/w".into()],
            agent_state: vec!["/home/u/.codex".into()],
            toolchains: Vec::new(),
            variables: vec![("SSH_AUTH_SOCK".into(), "/run/a".into())],
            way: Some(crate::Way {
                agent: Some("codex".into()),
                ends: vec![crate::End {
                    program: "/usr/bin/node".into(),
                    script: Some(["/home/u/codex".into(), "/home/u/codex.js".into()]),
                }],
                grounds: vec![crate::Ground { device: 254 << 20, path: "/home/u/w".into() }],
            }),
            force: false,
            force_baseline: false,
            as_root: false,
            confinement: Confinement::default(),
            attach: false,
        };
        let finished = Finished { report: Report::default(), left_behind: 1 };
        let body = |message: &dyn Fn(&UnixStream)| {
            let (a, mut b) = UnixStream::pair().unwrap();
            message(&a);
            drop(a);
            let mut frame = Vec::new();
            b.read_to_end(&mut frame).unwrap();
            frame.split_off(HEAD_BYTES)
        };
        let request = |request: Request| body(&|stream| send(stream, &request, &[]).unwrap());
        let reply = |reply: Reply| body(&|stream| send(stream, &reply, &[]).unwrap());
        vec![
            ("begin", request(Request::Begin(Box::new(begin)))),
            (
                "stop-session",
                request(Request::StopSession { session, owner, action: Action::Thaw(GoOn::Once) }),
            ),
            ("sessions", request(Request::Sessions)),
            ("read", request(Request::Read { args: vec!["show".into(), "last".into()] })),
            ("refused", reply(Refused::new(Why::Busy, "sessions are running").into())),
            ("finished", reply(Reply::Finished(Box::new(finished)))),
        ]
    }

    fn seed_path(name: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/frame").join(name)
    }

    #[test]
    fn every_seed_is_what_is_sent() {
        for (name, bytes) in seeds() {
            if std::env::var_os("WARDLINE_WRITE_SEEDS").is_some() {
                std::fs::write(seed_path(name), &bytes).unwrap();
            }
            assert_eq!(std::fs::read(seed_path(name)).unwrap(), bytes, "{name}: write the seeds anew");
        }
    }

    fn tempfile_like() -> std::fs::File {
        std::fs::File::open("/dev/null").unwrap()
    }
}
