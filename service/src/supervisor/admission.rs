//! Admits or refuses a request for a session: its data is looked up where possible, and policy may refuse.

use super::peer::Peer;
use bstr::{BString, ByteSlice};
use guard::workspace;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use sys::process;
use wire::{Begin, Refused, Why};

/// Admits a request; one whose held command is not the caller's is refused, and one that policy refuses. Only root is
/// believed where a home lies.
pub(super) fn admit(peer: &Peer, mut begin: Begin, held: &OwnedFd) -> Result<Begin, Refused> {
    if let Some(home) = home_of(begin.uid).filter(|_| !peer.is_root()) {
        begin.home = home;
    }
    check(peer, &begin, held)?;
    Ok(begin)
}

fn check(peer: &Peer, begin: &Begin, held: &OwnedFd) -> Result<(), Refused> {
    let not_yours =
        |what: &str| Refused::new(Why::NotOwner, format!("the command is not the caller's: {what}"));
    if process::pid_of(held) != Some(begin.pid) {
        return Err(not_yours("its pidfd stands for another process"));
    }
    if !begin.attach && process::parent(begin.pid) != Some(peer.pid) {
        return Err(not_yours("it is no child of the caller"));
    }
    if process::owner(begin.pid) != Some((begin.uid, begin.gid)) {
        return Err(not_yours("it has another user or group than was said"));
    }
    if !peer.is_root() && peer.uid != begin.uid {
        return Err(not_yours("it is another user's"));
    }
    if begin.uid == 0 && !begin.as_root {
        return Err(Refused::new(Why::Policy, "an agent is not run as root: add `--as-root` if you mean it"));
    }
    if begin.workspaces.is_empty() {
        return Err(Refused::new(Why::Protocol, "a session has a workspace"));
    }
    for path in &begin.workspaces {
        let checked = match (begin.force, peer.is_root()) {
            (true, true) => Ok(()),
            (true, false) => workspace::check_owner(&path_of(path), begin.uid),
            (false, _) => workspace::check(&path_of(path), &path_of(&begin.home)),
        };
        checked.map_err(|refusal| Refused::new(Why::Policy, refusal.to_string()))?;
    }
    Ok(())
}

/// The home that the password file knows.
fn home_of(uid: u32) -> Option<BString> {
    let account = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)).ok().flatten()?;
    let home = fs::canonicalize(&account.dir).unwrap_or(account.dir);
    Some(home.as_os_str().as_bytes().into())
}

fn path_of(path: &BString) -> PathBuf {
    PathBuf::from(path.to_os_str_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::Mode;
    use std::os::unix::net::UnixStream;
    use wire::Confinement;

    fn request(pid: u32) -> Begin {
        let (uid, gid) = process::owner(std::process::id()).unwrap();
        Begin {
            mode: Mode::Enforce,
            agent: "a".parse().unwrap(),
            task: "t".parse().unwrap(),
            command: vec!["true".into()],
            pid,
            uid,
            gid,
            home: "/nonexistent".into(),
            workspaces: vec!["/".into()],
            agent_state: Vec::new(),
            toolchains: Vec::new(),
            variables: Vec::new(),
            way: None,
            force: true,
            force_baseline: false,
            as_root: true,
            confinement: Confinement::default(),
            attach: false,
        }
    }

    fn pidfd(pid: u32) -> OwnedFd {
        let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
        rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap()
    }

    #[test]
    fn only_a_child_of_the_caller_is_taken() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let (stream, _other) = UnixStream::pair().unwrap();
        let peer = Peer::of(&stream).unwrap();
        let refused =
            |begin: &Begin, held: u32| check(&peer, begin, &pidfd(held)).map_err(|refused| refused.why);
        let good = request(child.id());
        assert_eq!(refused(&good, child.id()), Ok(()));
        assert_eq!(refused(&good, std::process::id()), Err(Why::NotOwner));
        let own = Begin { attach: true, ..request(std::process::id()) };
        assert_eq!(refused(&own, std::process::id()), Ok(()), "one that runs need be no child");
        assert_eq!(refused(&Begin { gid: own.gid + 1, ..own }, std::process::id()), Err(Why::NotOwner));
        assert_eq!(refused(&request(std::process::id()), std::process::id()), Err(Why::NotOwner));
        assert_eq!(refused(&Begin { uid: good.uid + 1, ..good.clone() }, child.id()), Err(Why::NotOwner));
        assert_eq!(
            refused(&Begin { workspaces: Vec::new(), ..good.clone() }, child.id()),
            Err(Why::Protocol)
        );
        assert_eq!(refused(&Begin { force: false, ..good.clone() }, child.id()), Err(Why::Policy));
        if good.uid == 0 {
            assert_eq!(refused(&Begin { as_root: false, ..good }, child.id()), Err(Why::Policy));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
