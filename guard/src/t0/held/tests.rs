//! Tests of the holders of labels, without a kernel.

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
