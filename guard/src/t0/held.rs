//! Who holds which entry of the static deny-list: sessions of several users share it, and an entry goes with the last
//! session that needs it. What they share refuses. What a session's own label excepts holds for that session alone, and so does
//! what it refuses of things that may be another session's own.

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

/// Who wants a label: a session, and which of its armings. One whose rules become other ones has two for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) slot: u32,
    pub(super) set: u32,
}

/// Every entry with the labels that sessions want there.
#[derive(Debug, Default)]
pub(super) struct Held {
    entries: HashMap<Key, Vec<(Holder, Label)>>,
    quotas: Quotas,
}

impl Held {
    /// The session in a slot is a user's, whose share of the maps it takes.
    pub(super) fn own(&mut self, slot: u32, uid: u32) {
        self.quotas.own(slot, uid);
    }

    /// Adds a session's label to an entry. Two labels of one entry refuse what either refuses.
    pub(super) fn add(
        &mut self,
        list: &dyn DenyList,
        holder: Holder,
        key: Key,
        label: &Label,
    ) -> Result<(), Error> {
        let labels = self.entries.entry(key).or_default();
        if labels.contains(&(holder, *label)) {
            return Ok(());
        }
        let added = add(list, &mut self.quotas, labels, holder, key, label);
        if labels.is_empty() {
            self.entries.remove(&key);
        }
        added
    }

    /// Whether an entry is held at all.
    pub(super) fn has(&self, key: Key) -> bool {
        self.entries.get(&key).is_some_and(|labels| !labels.is_empty())
    }

    /// Removes what a session holds. Goes on past an error, and reports the first.
    pub(super) fn release(&mut self, list: &dyn DenyList, slot: u32) -> Result<(), Error> {
        let released = self.take_back(list, slot, |_| true);
        self.quotas.disown(slot);
        released
    }

    /// Removes what one of its armings holds alone.
    pub(super) fn release_set(&mut self, list: &dyn DenyList, of: Holder) -> Result<(), Error> {
        self.take_back(list, of.slot, |set| set == of.set)
    }

    fn take_back(
        &mut self,
        list: &dyn DenyList,
        slot: u32,
        is_meant: impl Fn(u32) -> bool,
    ) -> Result<(), Error> {
        let mut first = Ok(());
        self.entries.retain(|&key, labels| {
            let before = labels.len();
            let had_own = own(labels, slot).is_some();
            labels.retain(|(holder, _)| holder.slot != slot || !is_meant(holder.set));
            if labels.len() == before {
                return true;
            }
            self.quotas.give_back(slot, room(key), self.quotas.shared(slot, slots(labels)));
            if had_own && own(labels, slot).is_none() {
                self.quotas.give_back(slot, OWN, Shared::with_nobody());
            }
            let done = if labels.is_empty() { remove(list, key) } else { write(list, key, &shared(labels)) };
            let own = if had_own { write_own(list, key, slot, labels) } else { Ok(()) };
            if first.is_ok() {
                first = done.and(own);
            }
            !labels.is_empty()
        });
        first
    }
}

/// The sessions that want labels.
fn slots(labels: &[(Holder, Label)]) -> impl Iterator<Item = u32> + Clone {
    labels.iter().map(|(holder, _)| holder.slot)
}

/// Adds a session's label to those of an entry, or changes nothing.
fn add(
    list: &dyn DenyList,
    quotas: &mut Quotas,
    labels: &mut Vec<(Holder, Label)>,
    holder: Holder,
    key: Key,
    label: &Label,
) -> Result<(), Error> {
    let slot = holder.slot;
    let shared_with = quotas.shared(slot, slots(labels));
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
fn shared(labels: &[(Holder, Label)]) -> Label {
    let all = labels.iter().map(|(_, label)| match label.flags & LABEL_OWN {
        0 => *label,
        _ => Label { flags: label.flags, ..plain(0, 0) },
    });
    let all = merged(all).unwrap_or(plain(0, 0));
    // Whether it may be read, the kernel side asks a session's own label, where one of them may.
    let readable = slots(labels).fold(0, |flags, slot| flags | readable(labels, slot));
    Label { flags: all.flags & !LABEL_READABLE | readable, ..all }
}

/// [`LABEL_READABLE`] where all labels of a session together leave that open; 0: they do not.
fn readable(labels: &[(Holder, Label)], slot: u32) -> u32 {
    let of_slot = labels.iter().filter(|(holder, _)| holder.slot == slot);
    merged(of_slot.map(|(_, label)| *label)).map_or(0, |merged| merged.flags & LABEL_READABLE)
}

/// What the labels of a session say to it alone; `None`: nothing.
fn own(labels: &[(Holder, Label)], slot: u32) -> Option<Label> {
    let of_one =
        labels.iter().filter(|(holder, label)| holder.slot == slot && label.flags & LABEL_OF_ONE != 0);
    let own = merged(of_one.map(|(_, label)| *label))?;
    let own = Label { flags: own.flags & !LABEL_READABLE | readable(labels, slot), ..own };
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
fn write_own(list: &dyn DenyList, key: Key, slot: u32, labels: &[(Holder, Label)]) -> Result<(), Error> {
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
mod tests {
    use super::*;
    use crate::denylist::fake::Fake;
    use abi::LABEL_WORKSPACE;

    /// The only arming of a session.
    fn by(slot: u32) -> Holder {
        Holder { slot, set: slot }
    }

    #[test]
    fn merging_refuses_more() {
        let ssh = Label { deny: 3, reason: 1, flags: 0 };
        let wardline = Label { deny: 7, reason: 2, flags: 0 };
        assert_eq!(shared(&[(by(1), ssh), (by(2), wardline)]), Label { deny: 7, reason: 2, flags: 0 });
        assert_eq!(shared(&[(by(1), wardline), (by(2), ssh)]), Label { deny: 7, reason: 2, flags: 0 });
        let workspace = Label { deny: 0, reason: 0, flags: LABEL_WORKSPACE };
        for labels in [[(by(1), workspace), (by(2), ssh)], [(by(2), ssh), (by(1), workspace)]] {
            assert_eq!(shared(&labels), Label { flags: LABEL_WORKSPACE, ..ssh });
        }
    }

    #[test]
    fn one_user_leaves_room_for_others_and_all_leave_some_for_root() {
        let (list, mut held) = (Fake::default(), Held::default());
        let file = |ino: u32| Key::File(FileKey { ino: u64::from(ino), dev: 1, generation: 0 });
        let add = |held: &mut Held, slot, ino| held.add(&list, by(slot), file(ino), &plain(1, 1));
        for (slot, uid) in [(1, 1000), (2, 1000), (3, 1001), (4, 1002), (5, 0)] {
            held.own(slot, uid);
        }
        let (half, most) = (abi::MAX_T0 / 2, abi::MAX_T0 - abi::MAX_T0 / 8);
        (0..half).for_each(|ino| add(&mut held, 1, ino).unwrap());
        let refused = add(&mut held, 2, half).unwrap_err();
        assert!(
            matches!(refused, Error::Quota { uid: 1000, what: "labels of files", held } if held == half as usize)
        );
        // What the user's other session holds is no more of it.
        add(&mut held, 2, 0).unwrap();
        (half..most).for_each(|ino| add(&mut held, 3, ino).unwrap());
        let refused = add(&mut held, 4, most).unwrap_err();
        assert!(matches!(refused, Error::Full { held, .. } if held == most as usize), "{refused}");
        add(&mut held, 4, 0).unwrap();
        add(&mut held, 5, most).unwrap();
        held.release(&list, 1).unwrap();
        // Another session of that user holds it still.
        assert!(held.has(file(0)));
        held.own(1, 1000);
        (1..half).for_each(|ino| add(&mut held, 1, ino).unwrap());
        assert!(add(&mut held, 1, half).is_err());
    }

    #[test]
    fn what_labels_say_to_single_sessions_is_counted_for_each() {
        let (list, mut held) = (Fake::default(), Held::default());
        let file = |ino: u32| Key::File(FileKey { ino: u64::from(ino), dev: 1, generation: 0 });
        let readable = Label { flags: LABEL_READABLE, ..plain(access::ALL, 1) };
        for (slot, uid) in [(1, 1000), (2, 1000), (3, 1000), (4, 1000), (5, 1001)] {
            held.own(slot, uid);
        }
        // The same files in each: the map of labels holds them once, that of single sessions four times.
        let each = abi::MAX_OWN / 2 / 4;
        assert!(each < abi::MAX_T0 / 2);
        for slot in 1..=4 {
            (0..each).for_each(|ino| held.add(&list, by(slot), file(ino), &readable).unwrap());
        }
        let refused = held.add(&list, by(2), file(each), &readable).unwrap_err();
        assert!(
            matches!(refused, Error::Quota { uid: 1000, what: "labels of single sessions", .. }),
            "{refused}"
        );
        assert!(
            !held.has(file(each))
                && !list.state().t0.contains_key(&FileKey { ino: u64::from(each), dev: 1, generation: 0 })
        );
        held.add(&list, by(5), file(0), &readable).unwrap();
        held.release(&list, 1).unwrap();
        held.add(&list, by(2), file(each), &readable).unwrap();
    }

    #[test]
    fn what_one_session_found_is_closed_to_it_alone() {
        let found = Label { deny: access::READ, reason: 1, flags: LABEL_OWN };
        let closed = Label { deny: access::WRITE, reason: 2, flags: 0 };
        let workspace = Label { deny: 0, reason: 0, flags: LABEL_WORKSPACE };
        let labels = [(by(1), found), (by(2), closed), (by(3), workspace)];
        assert_eq!(shared(&labels), Label { flags: LABEL_OWN | LABEL_WORKSPACE, ..closed });
        assert_eq!([1, 2, 3].map(|slot| own(&labels, slot)), [Some(found), None, Some(workspace)]);
        let readable = Label { deny: access::ALL, reason: 3, flags: LABEL_OWN | LABEL_READABLE };
        assert_eq!(shared(&[(by(1), readable)]), Label { flags: readable.flags, ..plain(0, 0) });
        assert_eq!(own(&[(by(1), readable)], 1), Some(readable));
        // Another session's finding does not close what may be read, and one of its own does.
        let own_flags = |labels: &[(Holder, Label)]| own(labels, 1).map(|label| label.flags);
        assert_eq!(own_flags(&[(by(1), readable), (by(2), found)]), Some(readable.flags));
        assert_eq!(own_flags(&[(by(1), readable), (by(1), found)]), Some(LABEL_OWN));
    }

    #[test]
    fn what_is_lent_to_one_session_is_closed_to_another() {
        let lent = Label { deny: access::ALL, reason: 1, flags: LABEL_READABLE | abi::loan(3) };
        let closed = Label { flags: 0, ..lent };
        let labels = [(by(1), lent), (by(2), closed)];
        assert_eq!(shared(&labels), lent, "the kernel side asks whose it is");
        assert_eq!(own(&labels, 1), Some(Label { flags: lent.flags, ..plain(0, 0) }));
        assert_eq!(own(&labels, 2), None);
    }

    #[test]
    fn a_directory_that_is_lent_is_listed_though_another_session_closes_it() {
        let closed = Label { deny: access::ALL, reason: 1, flags: 0 };
        let listed = Label { flags: LABEL_READABLE, ..closed };
        let labels = [(by(1), listed), (by(2), closed)];
        assert_eq!(shared(&labels), listed, "the kernel side asks whose it is");
        assert_eq!(own(&labels, 1), Some(Label { flags: LABEL_READABLE, ..plain(0, 0) }));
        assert_eq!(own(&labels, 2), None);

        let (list, mut held) = (Fake::default(), Held::default());
        let file = FileKey { ino: 7, dev: 1, generation: 0 };
        let flags = |slot: u32| list.state().own.get(&(slot, file)).map(|label| label.flags);
        for (holder, label) in labels {
            held.add(&list, holder, Key::File(file), &label).unwrap();
        }
        assert_eq!((flags(1), flags(2)), (Some(LABEL_READABLE), None));
        // What its own session closes later is closed to it as well.
        held.add(&list, by(1), Key::File(file), &closed).unwrap();
        let label = list.state().t0[&file];
        assert_eq!((label, flags(1)), (closed, Some(0)));
    }

    #[test]
    fn what_a_session_excepts_is_its_own() {
        let (list, mut held) = (Fake::default(), Held::default());
        let file = FileKey { ino: 7, dev: 1, generation: 0 };
        let workspace = Label { flags: LABEL_WORKSPACE, ..plain(0, 0) };
        let readable = Label { deny: access::ALL, reason: 1, flags: LABEL_READABLE };
        let of = |slot: u32| list.state().own.get(&(slot, file)).map(|label| label.flags);
        held.add(&list, by(1), Key::File(file), &workspace).unwrap();
        held.add(&list, by(2), Key::File(file), &plain(access::WRITE, 3)).unwrap();
        assert_eq!((of(1), of(2)), (Some(LABEL_WORKSPACE), None));
        held.add(&list, by(2), Key::File(file), &readable).unwrap();
        held.add(&list, by(1), Key::File(file), &readable).unwrap();
        assert_eq!((of(1), of(2)), (Some(LABEL_WORKSPACE | LABEL_READABLE), Some(LABEL_READABLE)));
        held.release(&list, 1).unwrap();
        assert_eq!((of(1), of(2)), (None, Some(LABEL_READABLE)));
        assert_eq!(list.state().t0[&file].flags, LABEL_READABLE);
        held.release(&list, 2).unwrap();
        assert!(list.state().own.is_empty() && list.state().t0.is_empty());
    }

    #[test]
    fn of_two_armings_of_a_session_either_refuses_and_the_second_stays_alone() {
        let (list, mut held) = (Fake::default(), Held::default());
        let file = FileKey { ino: 7, dev: 1, generation: 0 };
        held.own(1, 1000);
        let (first, second) = (Holder { slot: 1, set: 8 }, Holder { slot: 1, set: 9 });
        let found = |deny| Label { flags: LABEL_OWN, ..plain(deny, 1) };
        let now = || {
            let state = list.state();
            (state.t0.get(&file).map(|label| label.deny), state.own.get(&(1, file)).map(|label| label.deny))
        };
        held.add(&list, first, Key::File(file), &plain(access::READ, 1)).unwrap();
        held.add(&list, first, Key::File(file), &found(access::WRITE)).unwrap();
        assert_eq!(now(), (Some(access::READ), Some(access::WRITE)));
        held.add(&list, second, Key::File(file), &found(access::EXEC)).unwrap();
        assert_eq!(now(), (Some(access::READ), Some(access::WRITE | access::EXEC)));
        held.release_set(&list, first).unwrap();
        assert_eq!(now(), (Some(0), Some(access::EXEC)));
        held.release_set(&list, first).unwrap();
        assert_eq!(now(), (Some(0), Some(access::EXEC)), "once");
        // What it took of its user's share is there again.
        let each = |ino: u32| Key::File(FileKey { ino: u64::from(ino), dev: 2, generation: 0 });
        (1..abi::MAX_T0 / 2).for_each(|ino| held.add(&list, second, each(ino), &plain(1, 1)).unwrap());
        assert!(held.add(&list, second, each(abi::MAX_T0), &plain(1, 1)).is_err());
        held.release(&list, 1).unwrap();
        assert!(list.state().t0.is_empty() && list.state().own.is_empty());
    }

    #[test]
    fn an_empty_directory_is_made_where_every_rule_lets_it() {
        let closed = Label { deny: access::ALL, reason: 1, flags: 0 };
        let empty = Label { flags: LABEL_EMPTY, deny: access::MODIFY, ..closed };
        let read = Label { deny: access::READ, ..closed };
        let may = |labels: [Label; 2]| shared(&labels.map(|label| (by(1), label))).flags & LABEL_EMPTY != 0;
        assert!(may([empty, empty]) && may([empty, read]) && may([read, empty]));
        assert!(!may([empty, closed]) && !may([closed, empty]));
    }

    #[test]
    fn what_one_session_may_read_is_closed_to_another_that_may_not() {
        let closed = Label { deny: access::ALL, reason: 1, flags: 0 };
        let open = Label { flags: LABEL_READABLE, ..closed };
        let unchanged = Label { deny: access::MODIFY, ..closed };
        for (labels, may) in [
            ([open, closed], [true, false]),
            ([closed, open], [false, true]),
            ([open, unchanged], [true, false]),
            ([open, open], [true, true]),
        ] {
            let labels = [(by(1), labels[0]), (by(2), labels[1])];
            assert_eq!(shared(&labels), open, "the kernel side asks whose it is");
            let reads = |slot| own(&labels, slot).is_some_and(|label| label.flags & LABEL_READABLE != 0);
            assert_eq!([1, 2].map(reads), may);
            // Of one session both hold.
            let of_one = labels.map(|(_, label)| (by(1), label));
            let is_open = labels.iter().all(|(_, label)| *label != closed);
            assert_eq!(shared(&of_one), if is_open { open } else { closed });
        }
    }
}
