//! Who asks. The agent has its user's uid, so a uid proves nothing: what counts is whether the peer, or any ancestor of
//! it, is inside a session.

use crate::Error;
use rustix::event::{PollFd, PollFlags, poll};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Ancestors that are asked about before a chain is taken for endless: `pid_max` chains do not occur, a loop of
/// re-used pids may.
const MAX_ANCESTORS: usize = 4096;

/// A peer of the control socket, held by its pidfd: while it is held, its pid means nobody else.
#[derive(Debug)]
pub struct Peer {
    /// Its process.
    pub pid: u32,
    /// Its user, when it connected.
    pub uid: u32,
    pidfd: OwnedFd,
}

impl Peer {
    /// The process that connected. Linux 6.5 hands out its pidfd; before, one is opened here, and the process must
    /// have begun before the connection was accepted, which the check for its life below assures as far as can be.
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

    /// Root, to whom nothing of this machine is closed anyway.
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Whether the peer or an ancestor of it is one of `member`. A peer that died meanwhile is inside: nobody is left
    /// to whom an answer would be due, and its pid may be another's.
    pub fn is_inside(&self, member: impl Fn(u32) -> Result<bool, Error>) -> Result<bool, Error> {
        let mut pid = self.pid;
        for _ in 0..MAX_ANCESTORS {
            if member(pid)? {
                return Ok(true);
            }
            match parent(pid) {
                Some(0 | 1) => return Ok(!is_alive(&self.pidfd)),
                Some(parent) => pid = parent,
                None => return Ok(true),
            }
        }
        Ok(true)
    }
}

/// Whether the process of a pidfd still runs.
pub(crate) fn is_alive(pidfd: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut fds, Some(&now)), Ok(0))
}

/// The parent of a process, from `/proc/PID/stat` (proc_pid_stat(5), field 4); 0 for one without a parent here.
pub(crate) fn parent(pid: u32) -> Option<u32> {
    Stat::read(pid).map(|stat| stat.parent)
}

/// What is read of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Field 4.
    pub(crate) parent: u32,
    /// Field 22: start after boot, in ticks of 10 ms.
    pub(crate) start_ticks: u64,
    /// Field 3 is `Z` or `X`: dead, and not yet waited for.
    pub(crate) dead: bool,
}

impl Stat {
    pub(crate) fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The command (field 2) may hold anything, but ends with the last parenthesis.
    fn parse(stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        Some(Self {
            dead: matches!(*fields.first()?, "Z" | "X"),
            parent: fields.get(1)?.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
        })
    }
}

/// What a pidfd stands for, from its fdinfo; `None` when the process is gone.
pub(crate) fn pid_of(pidfd: &impl AsFd) -> Option<u32> {
    use std::os::fd::AsRawFd;
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_fd().as_raw_fd())).ok()?;
    info.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()
}

/// Real uid and gid of a process.
pub(crate) fn owner(pid: u32) -> Option<(u32, u32)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let real = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let ids: Vec<&str> = line.split_whitespace().collect();
        // Real, effective, saved and file-system ids alike: a held command that could change back is none.
        ids.iter().all(|id| *id == ids[0]).then(|| ids[0].parse().ok()).flatten()
    };
    Some((real("Uid:")?, real("Gid:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_inside_when_an_ancestor_is() {
        let (stream, _other) = UnixStream::pair().unwrap();
        let peer = Peer::of(&stream).unwrap();
        assert_eq!(peer.pid, std::process::id());
        let ancestor = parent(peer.pid).unwrap();
        assert!(peer.is_inside(|pid| Ok(pid == ancestor)).unwrap());
        assert!(peer.is_inside(|pid| Ok(pid == peer.pid)).unwrap());
        assert!(!peer.is_inside(|_| Ok(false)).unwrap());
    }

    #[test]
    fn a_dead_peer_is_inside() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let raw = rustix::process::Pid::from_child(&child);
        let pidfd = rustix::process::pidfd_open(raw, rustix::process::PidfdFlags::empty()).unwrap();
        let peer = Peer { pid: child.id(), uid: 0, pidfd };
        child.wait().unwrap();
        assert!(peer.is_inside(|_| Ok(false)).unwrap());
    }

    #[test]
    fn a_hostile_command_does_not_shift_the_fields() {
        let stat = Stat::parse("7 (a) Z 1) S 42 7 7 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 12345 9 9").unwrap();
        assert_eq!(stat, Stat { parent: 42, start_ticks: 12345, dead: false });
        assert_eq!(Stat::parse("7 (sh"), None);
    }

    #[test]
    fn a_pidfd_tells_its_pid_and_a_process_its_owner() {
        let me = rustix::process::getpid();
        let pidfd = rustix::process::pidfd_open(me, rustix::process::PidfdFlags::empty()).unwrap();
        assert_eq!(pid_of(&pidfd), Some(std::process::id()));
        assert_eq!(owner(std::process::id()).unwrap().0, rustix::process::getuid().as_raw());
    }
}
