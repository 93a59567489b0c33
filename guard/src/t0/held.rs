//! The holders of each entry of the static deny-list: sessions of several users share it, and an entry goes with the last
//! session that needs it. What they share refuses. What a session's own label excepts holds for that session alone, and so
//! does what it refuses of things that may be another session's own.

use super::quota::{Quotas, Room, Shared};
use crate::{DenyList, Error};
use abi::{
    FileKey, LABEL_EMPTY, LABEL_LOANS, LABEL_OF_ONE, LABEL_OWN, LABEL_READABLE, Label, NameKey, NetKey,
    NetLabel, PlaceKey, RewriteKey, access,
};
use std::collections::HashMap;

/// An entry, by the map that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    File(FileKey),
    Name(NameKey),
    /// With what its name begins with, see [`DenyList::insert_place`].
    Place(PlaceKey, u64),
    /// A place whose file the agent itself may replace.
    Rewrite(RewriteKey),
    Net([u8; 16]),
    Process(u32),
}

/// Who holds an entry: a set of labels of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    /// The session's.
    pub(super) slot: u32,
    /// [`BASE`], or the number of one that came later, with [`LASTING`] where it stays to the session's end.
    pub(super) set: u32,
}

/// The set that a session begins with. Those that come later only close.
pub(super) const BASE: u32 = 0;
/// Set in the number of a later set that is released with its session alone.
pub(crate) const LASTING: u32 = 1 << 31;

impl Holder {
    /// The first set of a session.
    pub(super) fn base(slot: u32) -> Self {
        Self { slot, set: BASE }
    }
}

/// A label, and who wants it.
type Wanted = (Holder, Label);

/// Every entry with the labels that sessions want there.
#[derive(Debug, Default)]
pub(super) struct Held {
    entries: HashMap<Key, Vec<Wanted>>,
    quotas: Quotas,
}

impl Held {
    /// The session in a slot is a user's, whose share of the maps it takes.
    pub(super) fn own(&mut self, slot: u32, uid: u32) {
        self.quotas.own(slot, uid);
    }

    /// Adds a label to an entry. Two labels of one entry refuse what either refuses.
    pub(super) fn add(
        &mut self,
        list: &dyn DenyList,
        holder: Holder,
        key: Key,
        label: &Label,
    ) -> Result<(), Error> {
        let labels = self.entries.entry(key).or_default();
        // What a session closed for good it closes no better twice.
        let holds = |of: &Holder| of.slot == holder.slot && (of.set == holder.set || of.set & LASTING != 0);
        if labels.iter().any(|(of, held)| holds(of) && held == label) {
            return Ok(());
        }
        let added = add(list, &mut self.quotas, labels, holder, key, label);
        if labels.is_empty() {
            self.entries.remove(&key);
        }
        added
    }

    /// Removes what a session holds. Goes on past an error, and reports the first.
    pub(super) fn release(&mut self, list: &dyn DenyList, slot: u32) -> Result<(), Error> {
        let released = self.release_what(list, slot, |holder| holder.slot == slot);
        self.quotas.disown(slot);
        released
    }

    /// Removes one set of a session. Its others stay.
    pub(super) fn release_set(&mut self, list: &dyn DenyList, of: Holder) -> Result<(), Error> {
        self.release_what(list, of.slot, |holder| holder == of)
    }

    fn release_what(
        &mut self,
        list: &dyn DenyList,
        slot: u32,
        is_released: impl Fn(Holder) -> bool,
    ) -> Result<(), Error> {
        let mut first = Ok(());
        self.entries.retain(|&key, labels| {
            if !labels.iter().any(|(holder, _)| is_released(*holder)) {
                return true;
            }
            let had_own = own(labels, slot).is_some();
            labels.retain(|(holder, _)| !is_released(*holder));
            let has_own = own(labels, slot).is_some();
            let shared_with = self.quotas.shared(slot, labels.iter().map(|(holder, _)| holder.slot));
            self.quotas.give_back(slot, room(key), shared_with);
            if had_own && !has_own {
                self.quotas.give_back(slot, OWN, Shared::with_nobody());
            }
            let done = if labels.is_empty() { remove(list, key) } else { write(list, key, &shared(labels)) };
            let taken_back = if had_own { write_own(list, key, slot, labels) } else { Ok(()) };
            if first.is_ok() {
                first = done.and(taken_back);
            }
            !labels.is_empty()
        });
        first
    }

    /// Whether an entry is held at all.
    #[cfg(test)]
    fn has(&self, key: Key) -> bool {
        self.entries.contains_key(&key)
    }
}

/// Adds a label to those of an entry, or changes nothing.
fn add(
    list: &dyn DenyList,
    quotas: &mut Quotas,
    labels: &mut Vec<Wanted>,
    holder: Holder,
    key: Key,
    label: &Label,
) -> Result<(), Error> {
    let slot = holder.slot;
    let shared_with = quotas.shared(slot, labels.iter().map(|(holder, _)| holder.slot));
    let had_own = own(labels, slot).is_some();
    quotas.take(slot, room(key), shared_with)?;
    labels.push((holder, *label));
    // A label of another kind may close what an exception of the session's had opened.
    let has_own = own(labels, slot).is_some();
    let counts = has_own && !had_own;
    let counted = if counts { quotas.take(slot, OWN, Shared::with_nobody()) } else { Ok(()) };
    let is_counted = counts && counted.is_ok();
    let written = counted.and_then(|()| write(list, key, &shared(labels))).and_then(|()| match has_own {
        false => Ok(()),
        true => write_own(list, key, slot, labels),
    });
    written.inspect_err(|_| {
        labels.pop();
        quotas.give_back(slot, room(key), shared_with);
        if is_counted {
            quotas.give_back(slot, OWN, Shared::with_nobody());
        }
    })
}

/// The room that there is for what labels say to single sessions.
const OWN: Room = Some(("labels of single sessions", abi::MAX_OWN as usize));

/// The room that there is for an entry.
fn room(key: Key) -> Room {
    let (what, limit) = match key {
        Key::File(_) => ("labels of files", abi::MAX_T0),
        Key::Name(_) => ("names", abi::MAX_T0_NAMES),
        Key::Place(..) => ("places", abi::MAX_PLACES),
        Key::Rewrite(_) => ("files of agents' own", abi::MAX_REWRITES),
        Key::Net(_) | Key::Process(_) => return None,
    };
    Some((what, limit as usize))
}

/// What several labels refuse to every session.
fn shared(labels: &[Wanted]) -> Label {
    let all = labels.iter().map(|(_, label)| match label.flags & LABEL_OWN {
        0 => *label,
        _ => Label { flags: label.flags, ..plain(0, 0) },
    });
    let all = merged(all).unwrap_or(plain(0, 0));
    // Whether it may be read, the kernel side asks a session's own label, where one of them may.
    let readable = labels.iter().fold(0, |flags, (holder, _)| flags | readable(labels, holder.slot));
    Label { flags: all.flags & !LABEL_READABLE | readable, ..all }
}

/// [`LABEL_READABLE`] where all labels of a session together leave that open; 0: they do not.
fn readable(labels: &[Wanted], slot: u32) -> u32 {
    if is_closed_later(labels, slot) {
        return 0;
    }
    let of_slot = labels.iter().filter(|(holder, _)| holder.slot == slot);
    merged(of_slot.map(|(_, label)| *label)).map_or(0, |merged| merged.flags & LABEL_READABLE)
}

/// Whether a session was refused to read it when it ran already: then it is lent to it no more.
fn is_closed_later(labels: &[Wanted], slot: u32) -> bool {
    let mut later = labels.iter().filter(|(holder, _)| holder.slot == slot && holder.set != BASE);
    later.any(|(_, label)| label.deny & access::READ != 0)
}

/// What the labels of a session say to it alone; `None`: nothing.
fn own(labels: &[Wanted], slot: u32) -> Option<Label> {
    let of_one =
        labels.iter().filter(|(holder, label)| holder.slot == slot && label.flags & LABEL_OF_ONE != 0);
    let own = merged(of_one.map(|(_, label)| *label))?;
    let lent = if is_closed_later(labels, slot) { LABEL_LOANS } else { 0 };
    let own = Label { flags: own.flags & !(LABEL_READABLE | lent) | readable(labels, slot), ..own };
    // What it refuses to everybody, everybody's map says.
    let is_own = own.flags & LABEL_OWN != 0;
    Some(if is_own { own } else { Label { flags: own.flags, ..plain(0, 0) } })
}

/// One label for several: everything that one of them refuses.
fn merged(labels: impl Iterator<Item = Label>) -> Option<Label> {
    // What one of them opens, none of the others may close.
    const OPEN: [(u32, u32); 2] = [(LABEL_READABLE, access::READ), (LABEL_EMPTY, access::CREATE)];
    labels.reduce(|merged, label| {
        let flags = merged.flags | label.flags;
        // What is lent stays so: each session's own label says whether it is lent to it.
        let closes = |(flag, access): (u32, u32)| {
            let is_lent = flag == LABEL_READABLE && flags & LABEL_LOANS != 0;
            !is_lent
                && [merged, label].iter().any(|label| label.deny & access != 0 && label.flags & flag == 0)
        };
        let closed = OPEN.into_iter().filter(|open| closes(*open)).map(|(flag, _)| flag);
        let flags = flags & !closed.fold(0, |all, flag| all | flag);
        if label.deny == 0 && merged.deny != 0 {
            return Label { flags, ..merged };
        }
        if merged.deny == 0 {
            return Label { flags, ..label };
        }
        let wider = label.deny & !merged.deny != 0 && merged.deny & !label.deny == 0;
        Label {
            deny: merged.deny | label.deny,
            reason: if wider { label.reason } else { merged.reason },
            flags,
        }
    })
}

/// Writes what a session's labels say to it alone of an object, or that they say nothing any more.
fn write_own(list: &dyn DenyList, key: Key, slot: u32, labels: &[Wanted]) -> Result<(), Error> {
    match (key, own(labels, slot)) {
        (Key::File(file), None) => list.remove_own(slot, &file),
        (Key::File(file), Some(label)) => list.insert_own(slot, &file, &label),
        _ => Ok(()),
    }
}

fn write(list: &dyn DenyList, key: Key, label: &Label) -> Result<(), Error> {
    match key {
        Key::File(file) => list.insert_t0(&file, label),
        Key::Name(name) => list.insert_name(&name, label),
        Key::Place(place, first) => list.insert_place(&place, first, label),
        Key::Rewrite(key) => list.insert_rewrite(&key),
        Key::Net(addr) => {
            let label = NetLabel { deny: label.deny, reason: label.reason, ports: [0; 8], from: 0, to: 0 };
            list.insert_net(128, NetKey { policy: [0; 4], addr }, &label)
        }
        Key::Process(pid) => list.protect(pid),
    }
}

fn remove(list: &dyn DenyList, key: Key) -> Result<(), Error> {
    match key {
        Key::File(file) => list.remove_t0(&file),
        Key::Name(name) => list.remove_name(&name),
        Key::Place(place, _) => list.remove_place(&place),
        Key::Rewrite(key) => list.remove_rewrite(&key),
        Key::Net(addr) => list.remove_net(128, NetKey { policy: [0; 4], addr }),
        Key::Process(pid) => list.unprotect(pid),
    }
}

/// A label of accesses alone.
pub(super) fn plain(deny: u32, reason: u32) -> Label {
    Label { deny, reason, flags: 0 }
}

#[cfg(test)]
mod tests;
