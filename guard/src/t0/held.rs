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
mod tests {
    use super::*;
    use crate::denylist::fake::Fake;
    use abi::LABEL_WORKSPACE;

    fn of(labels: &[(u32, Label)]) -> Vec<Wanted> {
        labels.iter().map(|(slot, label)| (Holder::base(*slot), *label)).collect()
    }

    fn shared(labels: &[(u32, Label)]) -> Label {
        super::shared(&of(labels))
    }

    fn own(labels: &[(u32, Label)], slot: u32) -> Option<Label> {
        super::own(&of(labels), slot)
    }

    #[test]
    fn merging_refuses_more() {
        let ssh = Label { deny: 3, reason: 1, flags: 0 };
        let wardline = Label { deny: 7, reason: 2, flags: 0 };
        assert_eq!(shared(&[(1, ssh), (2, wardline)]), Label { deny: 7, reason: 2, flags: 0 });
        assert_eq!(shared(&[(1, wardline), (2, ssh)]), Label { deny: 7, reason: 2, flags: 0 });
        let workspace = Label { deny: 0, reason: 0, flags: LABEL_WORKSPACE };
        for labels in [[(1, workspace), (2, ssh)], [(2, ssh), (1, workspace)]] {
            assert_eq!(shared(&labels), Label { flags: LABEL_WORKSPACE, ..ssh });
        }
    }

    #[test]
    fn what_is_closed_for_good_is_held_once_and_outlives_a_task() {
        let (list, mut held) = (Fake::default(), Held::default());
        held.own(1, 1000);
        let file = |ino: u64| Key::File(FileKey { ino, dev: 1, generation: 0 });
        let add = |held: &mut Held, set, ino| {
            held.add(&list, Holder { slot: 1, set }, file(ino), &plain(1, 1)).unwrap();
        };
        for set in [1 | LASTING, 2 | LASTING, 3] {
            add(&mut held, set, 1);
        }
        assert_eq!(held.entries.get(&file(1)).map(Vec::len), Some(1));
        // A task's own goes with it, and not what came for good meanwhile.
        for set in [4, 5 | LASTING] {
            add(&mut held, set, 2);
        }
        held.release_set(&list, Holder { slot: 1, set: 4 }).unwrap();
        assert_eq!(held.entries.get(&file(2)).map(Vec::len), Some(1));
        held.release(&list, 1).unwrap();
        assert!(held.entries.is_empty());
    }

    #[test]
    fn one_user_leaves_room_for_others_and_all_leave_some_for_root() {
        let (list, mut held) = (Fake::default(), Held::default());
        let file = |ino: u32| Key::File(FileKey { ino: u64::from(ino), dev: 1, generation: 0 });
        let add = |held: &mut Held, slot, ino| held.add(&list, Holder::base(slot), file(ino), &plain(1, 1));
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
            (0..each).for_each(|ino| held.add(&list, Holder::base(slot), file(ino), &readable).unwrap());
        }
        let refused = held.add(&list, Holder::base(2), file(each), &readable).unwrap_err();
        assert!(
            matches!(refused, Error::Quota { uid: 1000, what: "labels of single sessions", .. }),
            "{refused}"
        );
        assert!(
            !held.has(file(each))
                && !list.state().t0.contains_key(&FileKey { ino: u64::from(each), dev: 1, generation: 0 })
        );
        held.add(&list, Holder::base(5), file(0), &readable).unwrap();
        held.release(&list, 1).unwrap();
        held.add(&list, Holder::base(2), file(each), &readable).unwrap();
    }

    #[test]
    fn what_one_session_found_is_closed_to_it_alone() {
        let found = Label { deny: access::READ, reason: 1, flags: LABEL_OWN };
        let closed = Label { deny: access::WRITE, reason: 2, flags: 0 };
        let workspace = Label { deny: 0, reason: 0, flags: LABEL_WORKSPACE };
        let labels = [(1, found), (2, closed), (3, workspace)];
        assert_eq!(shared(&labels), Label { flags: LABEL_OWN | LABEL_WORKSPACE, ..closed });
        assert_eq!([1, 2, 3].map(|slot| own(&labels, slot)), [Some(found), None, Some(workspace)]);
        let readable = Label { deny: access::ALL, reason: 3, flags: LABEL_OWN | LABEL_READABLE };
        assert_eq!(shared(&[(1, readable)]), Label { flags: readable.flags, ..plain(0, 0) });
        assert_eq!(own(&[(1, readable)], 1), Some(readable));
        // Another session's finding does not close what may be read, and one of its own does.
        let own_flags = |labels: &[(u32, Label)]| own(labels, 1).map(|label| label.flags);
        assert_eq!(own_flags(&[(1, readable), (2, found)]), Some(readable.flags));
        assert_eq!(own_flags(&[(1, readable), (1, found)]), Some(LABEL_OWN));
    }

    #[test]
    fn what_is_lent_to_one_session_is_closed_to_another() {
        let lent = Label { deny: access::ALL, reason: 1, flags: LABEL_READABLE | abi::loan(3) };
        let closed = Label { flags: 0, ..lent };
        let labels = [(1, lent), (2, closed)];
        assert_eq!(shared(&labels), lent, "the kernel side asks whose it is");
        assert_eq!(own(&labels, 1), Some(Label { flags: lent.flags, ..plain(0, 0) }));
        assert_eq!(own(&labels, 2), None);
    }

    #[test]
    fn a_directory_that_is_lent_is_listed_though_another_session_closes_it() {
        let closed = Label { deny: access::ALL, reason: 1, flags: 0 };
        let listed = Label { flags: LABEL_READABLE, ..closed };
        let labels = [(1, listed), (2, closed)];
        assert_eq!(shared(&labels), listed, "the kernel side asks whose it is");
        assert_eq!(own(&labels, 1), Some(Label { flags: LABEL_READABLE, ..plain(0, 0) }));
        assert_eq!(own(&labels, 2), None);

        let (list, mut held) = (Fake::default(), Held::default());
        let file = FileKey { ino: 7, dev: 1, generation: 0 };
        let flags = |slot: u32| list.state().own.get(&(slot, file)).map(|label| label.flags);
        for (slot, label) in labels {
            held.add(&list, Holder::base(slot), Key::File(file), &label).unwrap();
        }
        assert_eq!((flags(1), flags(2)), (Some(LABEL_READABLE), None));
        // What its own session closes later is closed to it as well.
        held.add(&list, Holder::base(1), Key::File(file), &closed).unwrap();
        let label = list.state().t0[&file];
        assert_eq!((label, flags(1)), (closed, Some(0)));
    }

    #[test]
    fn what_comes_later_closes_also_what_was_lent_and_goes_alone() {
        let (list, mut held) = (Fake::default(), Held::default());
        let file = FileKey { ino: 7, dev: 1, generation: 0 };
        let flags = |slot: u32| list.state().own.get(&(slot, file)).map_or(0, |label| label.flags);
        let closed = Label { deny: access::ALL, reason: 1, flags: 0 };
        let lent = Label { flags: LABEL_READABLE | abi::loan(3), ..closed };
        let later = |slot: u32, set: u32| Holder { slot, set };
        for slot in [1, 2] {
            held.add(&list, Holder::base(slot), Key::File(file), &lent).unwrap();
        }
        held.add(&list, later(1, 1), Key::File(file), &closed).unwrap();
        assert_eq!((flags(1), flags(2)), (0, lent.flags), "to it alone");
        assert_eq!(list.state().t0[&file].flags & LABEL_READABLE, LABEL_READABLE, "the other one reads it");
        held.add(&list, later(1, 2), Key::File(file), &closed).unwrap();
        held.release_set(&list, later(1, 1)).unwrap();
        assert_eq!(flags(1), 0, "another set of its closes it");
        held.release_set(&list, later(1, 2)).unwrap();
        assert_eq!((flags(1), flags(2)), (lent.flags, lent.flags), "what it began with stays");
        // What closes only a change leaves the loan alone.
        held.add(&list, later(1, 3), Key::File(file), &plain(access::WRITE, 2)).unwrap();
        assert_eq!(flags(1), lent.flags);
        held.release(&list, 1).unwrap();
        held.release(&list, 2).unwrap();
        assert!(list.state().own.is_empty() && list.state().t0.is_empty());
    }

    #[test]
    fn a_set_takes_no_room_that_its_session_has_already() {
        let (list, mut held) = (Fake::default(), Held::default());
        held.own(1, 1000);
        let file = |ino: u32| Key::File(FileKey { ino: u64::from(ino), dev: 1, generation: 0 });
        let half = abi::MAX_T0 / 2;
        (0..half).for_each(|ino| held.add(&list, Holder::base(1), file(ino), &plain(1, 1)).unwrap());
        let later = Holder { slot: 1, set: 1 };
        held.add(&list, later, file(0), &plain(2, 2)).unwrap();
        assert!(held.add(&list, later, file(half), &plain(2, 2)).is_err());
        held.release_set(&list, later).unwrap();
        assert!(held.has(file(0)) && !held.has(file(half)));
        assert!(held.add(&list, Holder::base(1), file(half), &plain(1, 1)).is_err(), "it is full still");
    }

    #[test]
    fn what_a_session_excepts_is_its_own() {
        let (list, mut held) = (Fake::default(), Held::default());
        let file = FileKey { ino: 7, dev: 1, generation: 0 };
        let workspace = Label { flags: LABEL_WORKSPACE, ..plain(0, 0) };
        let readable = Label { deny: access::ALL, reason: 1, flags: LABEL_READABLE };
        let of = |slot: u32| list.state().own.get(&(slot, file)).map(|label| label.flags);
        held.add(&list, Holder::base(1), Key::File(file), &workspace).unwrap();
        held.add(&list, Holder::base(2), Key::File(file), &plain(access::WRITE, 3)).unwrap();
        assert_eq!((of(1), of(2)), (Some(LABEL_WORKSPACE), None));
        held.add(&list, Holder::base(2), Key::File(file), &readable).unwrap();
        held.add(&list, Holder::base(1), Key::File(file), &readable).unwrap();
        assert_eq!((of(1), of(2)), (Some(LABEL_WORKSPACE | LABEL_READABLE), Some(LABEL_READABLE)));
        held.release(&list, 1).unwrap();
        assert_eq!((of(1), of(2)), (None, Some(LABEL_READABLE)));
        assert_eq!(list.state().t0[&file].flags, LABEL_READABLE);
        held.release(&list, 2).unwrap();
        assert!(list.state().own.is_empty() && list.state().t0.is_empty());
    }

    #[test]
    fn an_empty_directory_is_made_where_every_rule_lets_it() {
        let closed = Label { deny: access::ALL, reason: 1, flags: 0 };
        let empty = Label { flags: LABEL_EMPTY, deny: access::MODIFY, ..closed };
        let read = Label { deny: access::READ, ..closed };
        let may = |labels: [Label; 2]| shared(&labels.map(|label| (1, label))).flags & LABEL_EMPTY != 0;
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
            let labels = [(1, labels[0]), (2, labels[1])];
            assert_eq!(shared(&labels), open, "the kernel side asks whose it is");
            let reads = |slot| own(&labels, slot).is_some_and(|label| label.flags & LABEL_READABLE != 0);
            assert_eq!([1, 2].map(reads), may);
            // Of one session both hold.
            let of_one = labels.map(|(_, label)| (1, label));
            let is_open = labels.iter().all(|(_, label)| *label != closed);
            assert_eq!(shared(&of_one), if is_open { open } else { closed });
        }
    }
}
