//! Frames on a unix stream socket, and the descriptors that come with them.

use super::PROTOCOL;
use serde::{Serialize, de::DeserializeOwned};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

const MAGIC: [u8; 2] = *b"WL";
const HEAD_BYTES: usize = 8;
/// Descriptors that one frame can carry; `Begin` has one, `Read` two.
const MAX_FDS: usize = 2;

/// Sends one frame, with descriptors.
pub fn send<T: Serialize>(stream: &UnixStream, message: &T, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let body = rmp_serde::to_vec_named(message).map_err(io::Error::other)?;
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    let mut frame = Vec::with_capacity(HEAD_BYTES + body.len());
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&PROTOCOL.to_le_bytes());
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&body);
    let mut sent = 0;
    if !fds.is_empty() {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = rustix::net::SendAncillaryBuffer::new(&mut space);
        if !control.push(rustix::net::SendAncillaryMessage::ScmRights(fds)) {
            return Err(io::Error::other("too many descriptors for one frame"));
        }
        sent = rustix::net::sendmsg(
            stream,
            &[IoSlice::new(&frame)],
            &mut control,
            rustix::net::SendFlags::NOSIGNAL,
        )?;
    }
    let mut stream = stream;
    stream.write_all(&frame[sent..])
}

/// Receives one frame of at most `limit` bytes, and the descriptors that came with it. `None`: the other side hung up.
pub fn receive<T: DeserializeOwned>(
    stream: &UnixStream,
    limit: usize,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut head = [0u8; HEAD_BYTES];
    let Some(fds) = receive_head(stream, &mut head)? else { return Ok(None) };
    if head[..2] != MAGIC {
        return Err(invalid("the other side does not speak Wardline's protocol"));
    }
    if u16::from_le_bytes([head[2], head[3]]) != PROTOCOL {
        return Err(invalid(
            "the other side is another version of Wardline: end its supervisor with `wardline stop` and try again",
        ));
    }
    let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
    if length > limit {
        return Err(invalid(&format!(
            "a message of {length} bytes is longer than the {limit} that are taken"
        )));
    }
    let mut body = vec![0; length];
    let mut stream = stream;
    stream.read_exact(&mut body)?;
    let message = rmp_serde::from_slice(&body).map_err(|e| invalid(&format!("malformed message: {e}")))?;
    Ok(Some((message, fds)))
}

/// Receives the head, and descriptors with its first byte.
fn receive_head(stream: &UnixStream, head: &mut [u8; HEAD_BYTES]) -> io::Result<Option<Vec<OwnedFd>>> {
    let mut fds = Vec::new();
    let mut read = 0;
    while read < HEAD_BYTES {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = rustix::net::RecvAncillaryBuffer::new(&mut space);
        let message = match rustix::net::recvmsg(
            stream,
            &mut [IoSliceMut::new(&mut head[read..])],
            &mut control,
            rustix::net::RecvFlags::CMSG_CLOEXEC,
        ) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        for ancillary in control.drain() {
            if let rustix::net::RecvAncillaryMessage::ScmRights(rights) = ancillary {
                fds.extend(rights);
            }
        }
        match message.bytes {
            0 if read == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            bytes => read += bytes,
        }
    }
    Ok(Some(fds))
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::super::{
        Action, Begin, Finished, GoOn, MAX_REQUEST_BYTES, Mode, Refused, Reply, Request, Why,
    };
    use super::*;
    use crate::Report;
    use std::os::fd::AsFd;

    #[test]
    fn a_frame_arrives_with_its_descriptors() {
        let (a, b) = UnixStream::pair().unwrap();
        let file = tempfile_like();
        let request = Request::Task { session: "last".into(), owner: None, task: "edit".into() };
        send(&a, &request, &[file.as_fd()]).unwrap();
        drop(a);
        let (got, fds) = receive::<Request>(&b, MAX_REQUEST_BYTES).unwrap().unwrap();
        assert!(matches!(got, Request::Task { task, .. } if task == "edit"));
        assert_eq!(fds.len(), 1);
        assert!(receive::<Request>(&b, MAX_REQUEST_BYTES).unwrap().is_none());
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"WL\x02\x00\x01\x00\x00\x00\xc0",
            b"WL\x01\x00\xff\xff\xff\xff",
            b"WL\x01\x00\x01\x00\x00\x00\xc1",
            b"WL\x01\x00",
            b"WL\x01\x00\x05\x00\x00\x00\xc0",
        ] {
            let (mut a, b) = UnixStream::pair().unwrap();
            a.write_all(bytes).unwrap();
            drop(a);
            assert!(receive::<Request>(&b, MAX_REQUEST_BYTES).is_err(), "{bytes:?}");
        }
    }

    /// Seeds of the fuzz target: bodies of frames.
    fn seeds() -> Vec<(&'static str, Vec<u8>)> {
        let (session, owner) = (String::from("last"), Some(1000));
        let begin = Begin {
            mode: Mode::Enforce,
            agent: "codex".into(),
            task: "edit".into(),
            command: vec!["codex".into(), "exec".into()],
            pid: 4242,
            uid: 1000,
            gid: 1000,
            home: "/home/u".into(),
            workspaces: vec!["/home/u/w".into()],
            agent_state: vec!["/home/u/.codex".into()],
            toolchains: Vec::new(),
            variables: vec![("SSH_AUTH_SOCK".into(), "/run/a".into())],
            force: false,
            as_root: false,
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
