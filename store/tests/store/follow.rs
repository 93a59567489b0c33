//! Reading while another writes.

use crate::sample::{captured, meta, open, place};
use std::ops::ControlFlow;
use store::{Reader, Recorder};

#[test]
fn a_follower_sees_each_operation_once() {
    let (_directory, path) = place();
    let mut recorder = Recorder::open(&path).unwrap();
    let id = recorder.begin_session(&meta("edit")).unwrap();
    let other = recorder.begin_session(&meta("edit")).unwrap();
    let reader = Reader::open(&path).unwrap();
    let (mut after, mut seen) = (0, Vec::new());
    for round in 0..5 {
        for n in 0..700 {
            recorder.write(id, &captured(round * 700 + n)).unwrap();
            recorder.write(other, &captured(n)).unwrap();
        }
        recorder.flush().unwrap();
        after = reader
            .events_after(id, after, &mut |_, event| {
                seen.push(event);
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(seen.len() as u64, (round + 1) * 700);
    }
    assert_eq!(reader.events_after(id, after, &mut |_, _| panic!("nothing new")).unwrap(), after);
    assert!(seen.into_iter().eq((0..3500).map(open)));
}

#[test]
fn a_break_is_obeyed_and_a_reader_may_be_used_within_its_own_stream() {
    let (_directory, path) = place();
    let mut recorder = Recorder::open(&path).unwrap();
    let id = recorder.begin_session(&meta("edit")).unwrap();
    for n in 0..10 {
        recorder.write(id, &captured(n)).unwrap();
    }
    recorder.flush().unwrap();
    let reader = Reader::open(&path).unwrap();
    let mut seen = 0;
    reader
        .events(id, &mut |_| {
            seen += 1;
            assert_eq!(reader.counts(id).unwrap().events, 10);
            reader.events_only(id, &mut |_| ControlFlow::Break(())).unwrap();
            if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!(seen, 3);
    let last = reader.events_after(id, 0, &mut |_, _| ControlFlow::Break(())).unwrap();
    assert_eq!(last, (id.0 << 40) + 1);
}

#[test]
fn a_stream_shows_one_state_and_does_not_hold_up_the_writer() {
    let (_directory, path) = place();
    let mut recorder = Recorder::open(&path).unwrap();
    let id = recorder.begin_session(&meta("edit")).unwrap();
    for n in 0..100 {
        recorder.write(id, &captured(n)).unwrap();
    }
    recorder.flush().unwrap();
    let reader = Reader::open(&path).unwrap();
    let mut seen = 0;
    reader
        .events_only(id, &mut |_| {
            recorder.write(id, &captured(1000 + seen)).unwrap();
            recorder.flush().unwrap();
            seen += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(seen, 100);
    assert_eq!(reader.counts(id).unwrap().events, 200);
}
