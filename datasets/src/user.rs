//! The ordinary user that the pretended agent runs as: one that owns nothing but the world.
//!
//! Not the invoking user: should a guard fail, the attacks reach nothing of a real person's. And whatever still runs
//! under this id afterwards was left by a session, so it can be ended, process by process.

use crate::Error;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
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
    /// An id that no account and no process has. `near` spreads the choice, so that two worlds that are made at the same
    /// time get two users.
    pub fn unused(near: usize) -> Result<User, Error> {
        let running: HashSet<u32> = processes().map(|(_, uid)| uid).collect();
        let free = |id: &u32| !running.contains(id) && !has_account(*id);
        let ids = UNASSIGNED.cycle().skip(near % UNASSIGNED.len()).take(UNASSIGNED.len());
        ids.into_iter().find(free).map(|id| User { id }).ok_or(Error::NoUser)
    }

    /// The user of recordings; the next id below that no account has, where one has this.
    pub fn of_recordings() -> Result<User, Error> {
        let mut ids = (UNASSIGNED.start..=OF_RECORDINGS).rev();
        ids.find(|&id| !has_account(id)).map(|id| User { id }).ok_or(Error::NoUser)
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
                // Gone in the meantime is what was wanted.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            if !left {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn has_account(id: u32) -> bool {
    matches!(nix::unistd::User::from_uid(Uid::from_raw(id)), Ok(Some(_)))
}

/// Every process with its user, without those that are only waiting for their parent.
fn processes() -> impl Iterator<Item = (i32, u32)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let status = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let dead = status.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']));
        (!dead).then_some((pid, entry.metadata().ok()?.uid()))
    })
}
