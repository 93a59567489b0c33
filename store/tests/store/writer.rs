//! The recorder on its own thread.

use crate::sample::{all, call, captured, meta, place, summary};
use event::{Alert, Segment, Stage};
use std::time::{Duration, Instant};
use store::{Error, Reader, SessionId, Writer, WriterMessage};

#[test]
fn every_message_is_stored() {
    let (_directory, path) = place();
    let writer = Writer::open(&path).unwrap();
    let id = writer.begin_session(meta("edit")).unwrap();
    let alert =
        Alert { time_ns: 1, segment: 0, stage: Stage::T1, verdict: "alert".into(), p: None, reasons: vec![] };
    for message in [
        WriterMessage::Captured(id, captured(1)),
        WriterMessage::Batch(id, vec![captured(2), call(3, 5)]),
        WriterMessage::Segment(id, Segment { index: 1, task: "test".parse().unwrap(), started_boot_ns: 9 }),
        WriterMessage::Alert(id, alert.clone()),
        WriterMessage::Reason(id, 4, "why".into()),
        WriterMessage::End(id, summary()),
    ] {
        writer.send(message).unwrap();
    }
    writer.flush().unwrap();
    let reader = Reader::open(&path).unwrap();
    let session = reader.session(id).unwrap();
    assert!(session.complete);
    assert_eq!(session.segments.len(), 2);
    assert_eq!(all(&reader, id), [captured(1), captured(2), call(3, 5)]);
    assert_eq!(reader.alerts(id).unwrap(), [alert]);
    assert_eq!(reader.reasons(id).unwrap()[&4], "why");
    writer.close().unwrap();
}

#[test]
fn it_flushes_by_itself_and_when_it_is_dropped() {
    let (_directory, path) = place();
    let writer = Writer::open(&path).unwrap();
    let id = writer.begin_session(meta("edit")).unwrap();
    let reader = Reader::open(&path).unwrap();
    writer.send(WriterMessage::Captured(id, captured(1))).unwrap();
    let started = Instant::now();
    while reader.counts(id).unwrap().events == 0 {
        assert!(started.elapsed() < Duration::from_secs(20), "never flushed");
        std::thread::sleep(Duration::from_millis(20));
    }
    writer.send(WriterMessage::Captured(id, captured(2))).unwrap();
    drop(writer);
    assert_eq!(reader.counts(id).unwrap().events, 2);
}

#[test]
fn many_senders_wait_and_nothing_is_lost() {
    let (_directory, path) = place();
    let writer = Writer::open(&path).unwrap();
    let ids: Vec<SessionId> = (0..4).map(|_| writer.begin_session(meta("edit")).unwrap()).collect();
    std::thread::scope(|scope| {
        for &id in &ids {
            let writer = &writer;
            scope.spawn(move || {
                for n in 0..6000 {
                    writer.send(WriterMessage::Captured(id, captured(n))).unwrap();
                }
            });
        }
    });
    writer.close().unwrap();
    let reader = Reader::open(&path).unwrap();
    for id in ids {
        assert_eq!(reader.counts(id).unwrap().events, 6000);
    }
}

#[test]
fn an_error_is_told_to_every_later_caller() {
    let (_directory, path) = place();
    let writer = Writer::open(&path).unwrap();
    let id = writer.begin_session(meta("edit")).unwrap();
    writer.send(WriterMessage::Captured(id, captured(1))).unwrap();
    writer.send(WriterMessage::Captured(SessionId(77), captured(2))).unwrap();
    let expected = Error::NoSession { path: path.clone(), id: SessionId(77) };
    assert_eq!(writer.flush(), Err(expected.clone()));
    assert_eq!(writer.error(), Some(expected.clone()));
    assert_eq!(writer.send(WriterMessage::Captured(id, captured(3))), Err(expected.clone()));
    assert_eq!(writer.begin_session(meta("edit")), Err(expected.clone()));
    assert_eq!(writer.close(), Err(expected));
    assert_eq!(Reader::open(&path).unwrap().counts(id).unwrap().events, 1);
}
