//! The peer of a request. The agent has its user's uid, so a uid proves nothing: what counts is whether the peer, or any
//! ancestor of it, is inside a session.

use crate::Error;
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use sys::process;

/// Ancestors that are asked about before a chain is taken for endless: `pid_max` chains do not occur, a loop of
/// re-used pids may.
const MAX_ANCESTORS: usize = 4096;

/// A peer of the control socket, held by its pidfd: its number may be another's once it has ended, which the pidfd tells.
#[derive(Debug)]
pub struct Peer {
    /// Its process.
    pub pid: u32,
    /// Its user, when it connected.
    pub uid: u32,
    pidfd: OwnedFd,
}

impl Peer {
    /// The process that connected. Linux 6.5 hands out its pidfd; before, one is opened here: a process that has ended by
    /// then is told apart unless its number is another's already.
    pub fn of(stream: &UnixStream) -> Result<Self, Error> {
        let credentials = rustix::net::sockopt::socket_peercred(stream)
            .map_err(|e| Error::io("the peer is not known", e))?;
        let pid = credentials.pid;
        let pidfd = nix::sys::socket::getsockopt(stream, nix::sys::socket::sockopt::PeerPidfd)
            .map_err(std::io::Error::from)
            .or_else(|_| Ok(rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?))
            .map_err(|e: std::io::Error| Error::io("the peer is gone", e))?;
        Ok(Self { pid: pid.as_raw_pid().unsigned_abs(), uid: credentials.uid.as_raw(), pidfd })
    }

    /// What holds it.
    pub fn pidfd(&self) -> &OwnedFd {
        &self.pidfd
    }

    /// Root, to whom nothing of this machine is closed anyway.
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Whether the peer, one of those that sent for it, or an ancestor of theirs is one of `member`. A peer that died
    /// meanwhile is inside: nobody is left to whom an answer would be due, and its pid may be another's.
    pub fn is_inside(
        &self,
        senders: &BTreeSet<u32>,
        member: impl Fn(u32) -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        for &pid in senders.iter().chain([&self.pid]) {
            if has_member(pid, &member)? {
                return Ok(true);
            }
        }
        Ok(!process::is_held_alive(&self.pidfd))
    }
}

/// Whether a process or an ancestor of it is one of `member`; one that is gone counts as such.
fn has_member(mut pid: u32, member: impl Fn(u32) -> Result<bool, Error>) -> Result<bool, Error> {
    for _ in 0..MAX_ANCESTORS {
        if member(pid)? {
            return Ok(true);
        }
        match process::parent(pid) {
            Some(0 | 1) => return Ok(false),
            Some(parent) => pid = parent,
            None => return Ok(true),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_inside_when_an_ancestor_is() {
        let (stream, _other) = UnixStream::pair().unwrap();
        let peer = Peer::of(&stream).unwrap();
        assert_eq!(peer.pid, std::process::id());
        let ancestor = process::parent(peer.pid).unwrap();
        let nobody = BTreeSet::new();
        assert!(peer.is_inside(&nobody, |pid| Ok(pid == ancestor)).unwrap());
        assert!(peer.is_inside(&nobody, |pid| Ok(pid == peer.pid)).unwrap());
        assert!(!peer.is_inside(&nobody, |_| Ok(false)).unwrap());
        let mut sender = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let senders = BTreeSet::from([sender.id()]);
        assert!(!peer.is_inside(&senders, |_| Ok(false)).unwrap());
        assert!(peer.is_inside(&senders, |pid| Ok(pid == sender.id())).unwrap());
        sender.kill().unwrap();
        sender.wait().unwrap();
        assert!(peer.is_inside(&senders, |_| Ok(false)).unwrap(), "one that is gone");
    }

    #[test]
    fn a_dead_peer_is_inside() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let raw = rustix::process::Pid::from_child(&child);
        let pidfd = rustix::process::pidfd_open(raw, rustix::process::PidfdFlags::empty()).unwrap();
        let peer = Peer { pid: child.id(), uid: 0, pidfd };
        child.wait().unwrap();
        assert!(peer.is_inside(&BTreeSet::new(), |_| Ok(false)).unwrap());
    }
}
