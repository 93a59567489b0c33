use super::*;
use crate::decoded::RequestId;
use abi::FileKey;
use event::{File, Object, Origin};

const TID: u32 = 7;

fn file(ino: u64, path: &str, origin: Origin) -> File {
    let key = (origin != Origin::Claimed).then_some(FileKey { ino, dev: 1, generation: 0 });
    File { path: path.into(), key, mode: 0o100_644, origin }
}

fn event(op: Op, path: &str, ret: i32) -> Box<Event> {
    Box::new(Event {
        time_ns: 1,
        pid: TID,
        tid: TID,
        outcome: if ret < 0 { Outcome::Failed(-ret) } else { Outcome::Done(0) },
        ..Event::of(op, Access::empty(), Object::File(file(0, path, Origin::Claimed)))
    })
}

fn call(ret: i64) -> Decoded {
    Decoded::Captured(Captured::Syscall(Syscall { time_ns: 5, tid: TID, number: 87, compat: false, ret }))
}

fn touched(ino: u64, path: &str, after: bool) -> Decoded {
    Decoded::Touched(Touched { pid: TID, call: 9, after, file: file(ino, path, Origin::Trusted) })
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
fn what_had_no_name_is_linked_to_the_name_that_it_has() {
    let mut claimed = event(Op::Link, "/proc/self/fd/5", 0);
    claimed.second = Some(Object::File(file(0, "/a/link/z", Origin::Claimed)));
    let records = vec![
        touched(2, "/a", false),
        call(0),
        touched(2, "/a", true),
        touched(3, "/a/z", true),
        Decoded::Claimed(claimed, 9),
    ];
    let events = joined(records);
    assert_eq!(object(&events[0]), (&b"/proc/self/fd/5"[..], Origin::Claimed));
    let made = events[0].second.as_ref().and_then(Object::file).unwrap();
    assert_eq!((&made.path, made.origin), (&"/a/z".into(), Origin::Trusted));
}

const REQUEST: RequestId = RequestId { call: abi::CALL_OF_REQUEST | 9, pid: TID };

/// A file that the request has changed, told by a worker.
fn changed(ino: u64, path: &str, after: bool) -> Decoded {
    let file = file(ino, path, Origin::Trusted);
    Decoded::Touched(Touched { pid: TID, call: REQUEST.call, after, file })
}

/// The end of the request, with its return value; `None`: another record has told it.
fn ended(ret: Option<i32>) -> Decoded {
    let end = Event { time_ns: 8, object: Object::None, ..*event(Op::Unlink, "", ret.unwrap_or(0)) };
    Decoded::Completed(Box::new(end), REQUEST, ret.is_none())
}

#[test]
fn a_request_is_told_when_it_has_ended_by_what_it_has_changed() {
    let made = |hooked| Decoded::Requested(event(Op::Unlink, "/d/harmless", 0), REQUEST, hooked);
    let records = vec![made(false), call(1), changed(3, "/d/secret", false), ended(Some(0))];
    let events = joined(records);
    assert_eq!(events.len(), 1);
    assert_eq!(object(&events[0]), (&b"/d/secret"[..], Origin::Trusted));
    assert_eq!(events[0].time_ns, 8);
    let failed = joined(vec![made(true), call(1), ended(Some(-2))]);
    assert_eq!((failed.len(), failed[0].outcome), (1, Outcome::Failed(2)));
    assert_eq!(object(&failed[0]), (&b"/d/harmless"[..], Origin::Claimed));
    assert_eq!(joined(vec![made(false), ended(None)]), [], "another record has told it");
    assert_eq!(joined(vec![ended(Some(0))]), [], "nobody knows what it was");
}

#[test]
fn what_a_hook_told_of_a_request_in_a_worker_takes_its_outcome() {
    const WORKER: u32 = 70;
    let told = |ret: i32| {
        let mut told = Vec::new();
        let mut sink = |_, captured| {
            if let Captured::Event(event) = captured {
                told.push((event.outcome, object(&event).1));
            }
        };
        let mut join = Join::default();
        let made = Decoded::Requested(event(Op::Rmdir, "/d", 0), REQUEST, true);
        join.take(0, TID, made, &mut sink);
        let mut hooked = event(Op::Rmdir, "/d", 0);
        (hooked.tid, hooked.object) = (WORKER, Object::File(file(3, "/d", Origin::Trusted)));
        join.take(0, WORKER, Decoded::Before(hooked), &mut sink);
        let end = Event { time_ns: 8, tid: WORKER, ..*event(Op::Unlink, "", ret) };
        join.take(0, WORKER, Decoded::Completed(Box::new(end), REQUEST, ret >= 0), &mut sink);
        join.expire(2 * WAIT_NS, &mut sink);
        told
    };
    assert_eq!(told(0), [(Outcome::Done(0), Origin::Trusted)]);
    assert_eq!(told(-39), [(Outcome::Failed(39), Origin::Trusted)]);
}

#[test]
fn of_too_many_requests_the_oldest_are_told_or_counted() {
    let told = |hooked| {
        let (mut events, mut lost) = (0, 0);
        let mut sink = |_, captured| match captured {
            Captured::Event(_) => events += 1,
            Captured::Loss(loss) => lost += loss.count,
            Captured::Syscall(_) => {}
        };
        let mut join = Join::default();
        for call in 0..5000 {
            let request = RequestId { call: abi::CALL_OF_REQUEST | call, pid: TID };
            let made = Decoded::Requested(event(Op::Unlink, "/d", 0), request, hooked);
            join.take(0, TID, made, &mut sink);
        }
        let left = join.requests.len() as u64;
        (events + left, lost + left)
    };
    assert_eq!((told(false).0, told(true).1), (5000, 5000));
}

#[test]
fn what_was_decided_of_a_request_is_told_though_it_is_forgotten() {
    let Decoded::Completed(mut end, request, told) = ended(Some(0)) else { unreachable!() };
    end.decision = Some(event::Decision {
        stage: event::Stage::T0,
        means: event::Means::Kill,
        enforced: true,
        reason: 3,
    });
    let events = joined(vec![Decoded::Completed(end, request, told)]);
    assert_eq!((events.len(), events[0].op), (1, Op::Unlink));
    assert!(events[0].decision.is_some());
}

#[test]
fn a_request_whose_end_is_not_told_is_under_way_unless_a_hook_tells_it() {
    let told = |hooked, leaves| {
        let mut told = Vec::new();
        let mut sink = |_, captured| {
            if let Captured::Event(event) = captured {
                told.push((event.op, event.outcome));
            }
        };
        let mut join = Join::default();
        let made = Decoded::Requested(event(Op::Rename, "/a", 0), REQUEST, hooked);
        join.take(0, TID, made, &mut sink);
        if leaves {
            let exit = Event { outcome: Outcome::Done(1), ..*event(Op::Exit, "", 0) };
            join.take(0, TID, Decoded::Captured(Captured::Event(Box::new(exit))), &mut sink);
        } else {
            join.expire(2 + WAIT_NS, &mut sink);
            join.expire(3 + WAIT_NS, &mut sink);
            join.take(0, TID, ended(Some(-13)), &mut sink);
        }
        assert_eq!(join.requests.len(), 0);
        told
    };
    let (under_way, failed) = ((Op::Rename, Outcome::Done(0)), (Op::Rename, Outcome::Failed(13)));
    assert_eq!(told(false, false), [under_way, failed]);
    assert_eq!(told(true, false), [failed]);
    assert_eq!(told(false, true), [under_way, (Op::Exit, Outcome::Done(1))]);
    assert_eq!(told(true, true), [(Op::Exit, Outcome::Done(1))]);
}

#[test]
fn what_was_decided_of_a_request_when_it_was_made_holds_where_it_has_changed_something_and_its_end_is_not_told()
 {
    let decision =
        event::Decision { stage: event::Stage::T0, means: event::Means::Kill, enforced: true, reason: 3 };
    let told = |changes, end: Option<Decoded>| {
        let mut told = Vec::new();
        let mut sink = |_, captured| {
            if let Captured::Event(event) = captured {
                told.push(event.decision);
            }
        };
        let mut join = Join::default();
        let made = Box::new(Event { decision: Some(decision), ..*event(Op::Rename, "/a", 0) });
        join.take(0, TID, Decoded::Requested(made, REQUEST, false), &mut sink);
        if changes {
            join.take(0, TID, changed(3, "/d", false), &mut sink);
        }
        end.into_iter().for_each(|end| join.take(0, TID, end, &mut sink));
        join.expire(2 + WAIT_NS, &mut sink);
        told
    };
    assert_eq!(told(true, None), [Some(decision)]);
    assert_eq!(told(false, None), [None]);
    assert_eq!(told(true, Some(ended(Some(0)))), [None]);
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
    refused.decision = Some(event::Decision {
        stage: event::Stage::T0,
        means: event::Means::Lsm,
        enforced: true,
        reason: 3,
    });
    let records = vec![
        Decoded::Before(event(Op::Open, "/fifo", 0)),
        call(-6),
        Decoded::Captured(Captured::Event(refused)),
        call(-1),
    ];
    let told = joined(records);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].decision.is_some_and(|decision| decision.enforced), "{told:?}");
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
