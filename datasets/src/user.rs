//! The ordinary user that the pretended agent runs as: one that owns nothing but the world.
//!
//! Not the invoking user: should a guard fail, the attacks reach nothing of a real person's. And whatever still runs
//! under this id afterwards was left by a session, so it can be ended, process by process.

use crate::Error;
use crate::error::at;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use std::collections::HashSet;
use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// Ids that nobody hands out: between those of people and of systemd's dynamic users. See systemd's UIDS-GIDS.md.
const UNASSIGNED: std::ops::Range<u32> = 60_706..61_184;

/// The user of recordings: the same in every corpus, unless an account has its id.
const OF_RECORDINGS: u32 = UNASSIGNED.end - 1;

/// The user, and the group of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// Its id, and its group's.
    pub id: u32,
}

impl User {
    /// An id that no account, no process and no other world has, for as long as what comes with it is kept.
    pub fn unused() -> Result<(User, Lease), Error> {
        let running: HashSet<u32> = processes().map(|(_, uid)| uid).collect();
        for id in (UNASSIGNED.start..OF_RECORDINGS).filter(|id| !running.contains(id) && !has_account(*id)) {
            if let Some(lease) = Lease::take(id)? {
                return Ok((User { id }, lease));
            }
        }
        Err(Error::NoUser)
    }

    /// The user of recordings; the next id below that no account has, where one has this.
    pub fn of_recordings() -> Result<User, Error> {
        let mut ids = (UNASSIGNED.start..=OF_RECORDINGS).rev();
        ids.find(|&id| !has_account(id)).map(|id| User { id }).ok_or(Error::NoUser)
    }

    /// Whether an id is one of those that worlds take.
    pub(crate) fn made_up(id: u32) -> bool {
        UNASSIGNED.contains(&id)
    }

    /// `UID:GID`
    pub fn pair(self) -> String {
        format!("{0}:{0}", self.id)
    }

    /// Ends every process of this user, by its own id, and waits until they are gone.
    pub fn end_processes(self) {
        let patience = Instant::now() + Duration::from_secs(3);
        while Instant::now() < patience {
            let mut left = false;
            for (pid, _) in processes().filter(|&(_, uid)| uid == self.id) {
                left = true;
                #[expect(clippy::let_underscore_must_use, reason = "gone in the meantime is what was wanted")]
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            if !left {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Keeps a user to one world: the lock of a file that all worlds of this machine have in common, one for each id. It
/// ends with its holder, however that ends; see flock(2).
#[derive(Debug)]
pub struct Lease {
    _file: File,
}

impl Lease {
    /// Where nobody but root makes files.
    const DIRECTORY: &str = "/run/wardline-users";

    /// The lease of an id, unless another world has it.
    pub(crate) fn take(id: u32) -> Result<Option<Lease>, Error> {
        let directory = Path::new(Self::DIRECTORY);
        at("make", directory, DirBuilder::new().recursive(true).mode(0o700).create(directory))?;
        let path = directory.join(id.to_string());
        let file = at("open", &path, File::options().create(true).append(true).mode(0o600).open(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lease { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => at("lock", &path, Err(error)),
        }
    }
}

fn has_account(id: u32) -> bool {
    matches!(nix::unistd::User::from_uid(Uid::from_raw(id)), Ok(Some(_)))
}

/// Every process with its user, without those of which no thread is left and that only wait for their parent.
fn processes() -> impl Iterator<Item = (i32, u32)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let status = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (_, fields) = status.rsplit_once(") ")?;
        // Its first thread may have exited before others: field 20 of proc_pid_stat(5) counts them.
        let threads: u32 = fields.split(' ').nth(17)?.parse().ok()?;
        let dead = fields.starts_with(['Z', 'X']) && threads <= 1;
        (!dead).then_some((pid, entry.metadata().ok()?.uid()))
    })
}

#[cfg(test)]
mod tests {
    use super::Lease;

    #[test]
    fn an_id_is_leased_once_until_it_is_given_back() {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: this test locks a file in /run, and needs root");
            return;
        }
        // An id that no world takes.
        const ID: u32 = super::UNASSIGNED.end;
        let first = Lease::take(ID).unwrap().expect("nobody has it");
        assert!(Lease::take(ID).unwrap().is_none());
        drop(first);
        assert!(Lease::take(ID).unwrap().is_some());
    }
}
