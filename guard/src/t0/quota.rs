//! The share of one user's sessions in the static deny-list, so that other users' and root's find room.

use crate::Error;
use std::collections::HashMap;

const ROOT: u32 = 0;

/// What a map holds, and how much of it there can be; `None`: entries of sessions are few by themselves.
pub(super) type Room = Option<(&'static str, usize)>;

/// Who holds how much. An entry that several sessions of a user hold counts once for that user.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    /// Whose session a slot has.
    owners: HashMap<u32, u32>,
    of_user: HashMap<(&'static str, u32), usize>,
    /// What ordinary users hold together: an entry counts once.
    of_users: HashMap<&'static str, usize>,
}

/// Whether an entry is held by others of the same user, and by other ordinary users.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    by_user: bool,
    by_users: bool,
}

impl Shared {
    /// Of what is each session's own.
    pub(super) fn with_nobody() -> Self {
        Self { by_user: false, by_users: false }
    }
}

impl Quotas {
    /// The session in a slot is a user's.
    pub(super) fn own(&mut self, slot: u32, uid: u32) {
        self.owners.insert(slot, uid);
    }

    /// A session is over, and holds nothing any more.
    pub(super) fn disown(&mut self, slot: u32) {
        self.owners.remove(&slot);
    }

    fn user(&self, slot: u32) -> u32 {
        self.owners.get(&slot).copied().unwrap_or(ROOT)
    }

    /// Who else holds an entry that a session takes or gives back.
    pub(super) fn shared(&self, slot: u32, holders: impl Iterator<Item = u32> + Clone) -> Shared {
        let uid = self.user(slot);
        let by_user = holders.clone().any(|holder| self.user(holder) == uid);
        Shared { by_user, by_users: holders.into_iter().any(|holder| self.user(holder) != ROOT) }
    }

    /// A session takes an entry. One user has half of a map at most, and all but root an eighth less than all of it.
    pub(super) fn take(&mut self, slot: u32, room: Room, shared: Shared) -> Result<(), Error> {
        let uid = self.user(slot);
        let Some((what, limit)) = room.filter(|_| uid != ROOT) else { return Ok(()) };
        let of_user = self.of_user.entry((what, uid)).or_default();
        let of_users = self.of_users.entry(what).or_default();
        if !shared.by_user && *of_user >= limit / 2 {
            return Err(Error::Quota { uid, what, held: *of_user });
        }
        if !shared.by_users && *of_users >= limit - limit / 8 {
            return Err(Error::Full { what, held: *of_users });
        }
        *of_user += usize::from(!shared.by_user);
        *of_users += usize::from(!shared.by_users);
        Ok(())
    }

    /// A session gives an entry back.
    pub(super) fn give_back(&mut self, slot: u32, room: Room, shared: Shared) {
        let uid = self.user(slot);
        let Some((what, _)) = room.filter(|_| uid != ROOT) else { return };
        for (count, is_last) in [
            (self.of_user.get_mut(&(what, uid)), !shared.by_user),
            (self.of_users.get_mut(what), !shared.by_users),
        ] {
            if let Some(count) = count {
                *count = count.saturating_sub(usize::from(is_last));
            }
        }
        self.of_user.retain(|_, count| *count > 0);
    }
}
