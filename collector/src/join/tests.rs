use super::*;
use abi::FileKey;
use event::Origin;

const TID: u32 = 7;

fn file(ino: u64, path: &str, origin: Origin) -> File {
    let key = (origin != Origin::Claimed).then_some(FileKey { ino, dev: 1, generation: 0 });
    File { path: path.into(), key, mode: 0o100_644, origin }
}

fn event(op: Op, path: &str, ret: i32) -> Box<Event> {
    Box::new(Event {
        time_ns: 1,
        segment: 0,
        pid: TID,
        tid: TID,
        op,
        access: Access::empty(),
        object: Object::File(file(0, path, Origin::Claimed)),
        second: None,
        outcome: if ret < 0 { Outcome::Failed(-ret) } else { Outcome::Done(0) },
        decision: None,
        fork: None,
        detail: 0,
    })
}

fn call(ret: i64) -> Decoded {
    Decoded::Captured(Captured::Syscall(Syscall { time_ns: 5, tid: TID, number: 87, compat: false, ret }))
}

fn touched(ino: u64, path: &str, after: bool) -> Decoded {
    Decoded::Touched(Touched { call: 9, after, file: file(ino, path, Origin::Trusted) })
}

fn joined(records: Vec<Decoded>) -> Vec<Event> {
    let mut events = Vec::new();
    let mut join = Join::default();
    for record in records {
        join.take(0, TID, record, &mut |_, captured| {
            if let Captured::Event(event) = captured {
                events.push(*event);
            }
        });
    }
    events
}

fn object(event: &Event) -> (&[u8], Origin) {
    let file = event.object.file().unwrap();
    (&file.path, file.origin)
}

#[test]
fn what_a_hook_told_takes_the_outcome_of_its_call_and_is_told_once() {
    let records = vec![
        Decoded::Before(event(Op::Rmdir, "/d", 0)),
        call(-39),
        Decoded::Claimed(event(Op::Rmdir, "/d", -39), 0),
        call(-39),
        Decoded::Claimed(event(Op::Rmdir, "/other", -39), 0),
    ];
    let events = joined(records);
    assert_eq!(events.len(), 2);
    assert_eq!((events[0].outcome, object(&events[0]).0), (Outcome::Failed(39), &b"/d"[..]));
    assert_eq!(object(&events[1]).0, b"/other");
}

#[test]
fn a_failure_is_told_once_though_its_records_come_in_two_batches() {
    let mut told = 0;
    let mut sink = |_, captured| told += usize::from(matches!(captured, Captured::Event(_)));
    let mut join = Join::default();
    join.take(0, TID, Decoded::Before(event(Op::Rmdir, "/d", 0)), &mut sink);
    join.take(0, TID, call(-39), &mut sink);
    join.expire(10, &mut sink);
    join.take(0, TID, Decoded::Claimed(event(Op::Rmdir, "/d", -39), 0), &mut sink);
    assert_eq!(told, 1);
}

#[test]
fn a_removed_file_is_the_one_that_is_gone_whatever_was_claimed() {
    let records = vec![
        touched(2, "/d", false),
        touched(3, "/d/secret", false),
        call(0),
        touched(2, "/d", true),
        Decoded::Claimed(event(Op::Unlink, "/d/harmless", 0), 9),
    ];
    assert_eq!(object(&joined(records)[0]), (&b"/d/secret"[..], Origin::Trusted));
}

#[test]
fn a_renamed_file_has_its_name_before_and_after() {
    let records = vec![
        touched(2, "/a", false),
        touched(4, "/a/b", false),
        touched(3, "/a/x", false),
        call(0),
        touched(2, "/a", true),
        touched(4, "/a/b", true),
        touched(3, "/a/b/y", true),
        Decoded::Claimed(event(Op::Rename, "/a/b", 0), 9),
    ];
    let events = joined(records);
    assert_eq!(object(&events[0]), (&b"/a/x"[..], Origin::Trusted));
    assert_eq!(events[0].second.as_ref().and_then(Object::file).unwrap().path, "/a/b/y");
}

#[test]
fn a_link_is_the_name_that_was_not_there() {
    let records = vec![
        touched(3, "/a/x", false),
        touched(2, "/a", false),
        call(0),
        touched(3, "/a/z", true),
        touched(3, "/a/x", true),
        touched(2, "/a", true),
        Decoded::Claimed(event(Op::Link, "/a/x", 0), 9),
    ];
    let events = joined(records);
    assert_eq!(object(&events[0]), (&b"/a/x"[..], Origin::Trusted));
    assert_eq!(events[0].second.as_ref().and_then(Object::file).unwrap().path, "/a/z");
}

#[test]
fn what_another_call_touched_says_nothing() {
    let records =
        vec![touched(3, "/a/x", false), call(0), Decoded::Claimed(event(Op::Unlink, "/a/y", 0), 10)];
    assert_eq!(object(&joined(records)[0]), (&b"/a/y"[..], Origin::Claimed));
}

#[test]
fn what_takes_long_is_told_under_way_and_again_when_it_fails() {
    let mut events = Vec::new();
    let mut sink = |_, captured| {
        if let Captured::Event(event) = captured {
            events.push(event.outcome);
        }
    };
    let mut join = Join::default();
    join.take(0, TID, Decoded::Before(event(Op::Connect, "/s", 0)), &mut sink);
    join.expire(2, &mut sink);
    join.expire(2 + WAIT_NS, &mut sink);
    join.take(0, TID, call(-110), &mut sink);
    assert_eq!(events, [Outcome::Done(0), Outcome::Failed(110)]);
}

#[test]
fn a_refusal_behind_a_failure_of_the_same_kind_is_told() {
    let mut refused = event(Op::Open, "/k", -1);
    refused.decision =
        Some(event::Decision { stage: event::Stage::T0, means: event::Means::Lsm, refused: true, reason: 3 });
    let records = vec![
        Decoded::Before(event(Op::Open, "/fifo", 0)),
        call(-6),
        Decoded::Captured(Captured::Event(refused)),
        call(-1),
    ];
    let told = joined(records);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].decision.is_some_and(|decision| decision.refused), "{told:?}");
}

#[test]
fn a_thread_that_never_ends_a_call_is_remembered_in_part() {
    let mut join = Join::default();
    let mut told = 0;
    for _ in 0..10 * HELD {
        join.take(0, TID, Decoded::Before(event(Op::Open, "/f", 0)), &mut |_, _| told += 1);
    }
    let thread = &join.threads[&TID];
    assert!(thread.held.len() < HELD && thread.under_way.len() <= UNDER_WAY);
    assert_eq!(told + thread.held.len(), 10 * HELD);
}

/// Records of a rmdir, and of the end of a call that failed, with what is missing; what is told.
fn with_gap(gap: Option<Gap>, batches: [Vec<Decoded>; 2]) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let mut join = Join::default();
    let mut sink = |_, captured| {
        if let Captured::Event(event) = captured {
            outcomes.push(event.outcome);
        }
    };
    join.missing(gap.into_iter().collect());
    for batch in batches {
        for record in batch {
            join.take(0, TID, record, &mut sink);
        }
        join.expire(10, &mut sink);
    }
    outcomes
}

#[test]
fn a_call_whose_end_may_be_missing_does_not_get_the_outcome_of_the_next() {
    let before = || Decoded::Before(event(Op::Rmdir, "/d", 0));
    let gap = |from_ns, to_ns| Some(Gap { from_ns, to_ns });
    let one = |gap| with_gap(gap, [vec![before(), call(-39)], vec![]]);
    let unknown = Outcome::Done(0);
    assert_eq!(one(None), [Outcome::Failed(39)]);
    assert_eq!(one(gap(0, 1)), [Outcome::Failed(39)], "missing before it began");
    assert_eq!(one(gap(5, 9)), [Outcome::Failed(39)], "missing after it had ended");
    assert_eq!(one(gap(2, 4)), [unknown]);
    assert_eq!(one(gap(0, 4)), [unknown]);
    // Told at the end of the batch with the gap, and not again.
    let late = |gap| with_gap(gap, [vec![before()], vec![call(-39)]]);
    assert_eq!(late(gap(2, 4)), [unknown]);
    assert_eq!(late(None), [Outcome::Failed(39)]);
}
