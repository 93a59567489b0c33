//! Stored events are read back unchanged.
#![expect(clippy::cast_possible_truncation, reason = "a test's numbers are small")]

use crate::sample::{all, any_captured, call, captured, in_order, meta, open, place, summary};
use event::{Alert, Captured, Decision, Event, Means, Segment, Stage, Summary, Syscall};
use proptest::collection::vec;
use proptest::prelude::*;
use std::ops::ControlFlow;
use store::{Counts, Error, Line, Reader, Recorder, SessionId, export_jsonl};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Two sessions in turn, with flushes between, read by another connection and after opening anew.
    #[test]
    fn whatever_was_captured_comes_back(given in vec((any_captured(), any::<bool>(), 0u8..20), 0..80)) {
        let (_directory, path) = place();
        let mut recorder = Recorder::open(&path).unwrap();
        let ids = [recorder.begin_session(&meta("edit")).unwrap(), recorder.begin_session(&meta("test")).unwrap()];
        let mut expected = [Vec::new(), Vec::new()];
        for (captured, second, flush) in given {
            recorder.write(ids[usize::from(second)], &captured).unwrap();
            expected[usize::from(second)].push(captured);
            if flush == 0 {
                recorder.flush().unwrap();
            }
        }
        drop(recorder);
        let reader = Reader::open(&path).unwrap();
        for (id, expected) in ids.into_iter().zip(expected) {
            let decided = expected.iter().filter_map(|c| match c {
                Captured::Event(event) if event.decision.is_some() => Some((**event).clone()),
                _ => None,
            });
            let mut decided: Vec<Event> = decided.collect();
            decided.sort_by_key(|event| event.time_ns);
            let mut decisions = Vec::new();
            reader.decisions(id, &mut |event| {
                decisions.push(event);
                ControlFlow::Continue(())
            }).unwrap();
            prop_assert_eq!(decisions, decided);
            prop_assert_eq!(all(&reader, id), in_order(expected));
        }
    }

    #[test]
    fn a_line_of_an_export_is_what_was_captured(captured in any_captured()) {
        let json = serde_json::to_string(&Line::from(&captured)).unwrap();
        prop_assert!(!json.contains('\n'));
        let line: Line = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(line.captured(), Some(captured));
    }
}

#[test]
fn a_session_comes_back_with_all_that_was_said_about_it() {
    let (_directory, path) = place();
    let mut recorder = Recorder::open(&path).unwrap();
    let id = recorder.begin_session(&meta("edit")).unwrap();
    let segment = Segment { index: 1, task: "test".parse().unwrap(), started_boot_ns: 99 };
    recorder.segment(id, &segment).unwrap();
    recorder.reason(id, 7, "a private key").unwrap();
    recorder.reason(id, 7, "a private key of the user").unwrap();
    let alert = Alert {
        time_ns: 50,
        segment: 1,
        stage: Stage::T2,
        verdict: "restrict".into(),
        p: Some(0.001),
        reasons: vec!["a host that no session reached".into(), "after a secret was read".into()],
    };
    recorder.alert(id, &alert).unwrap();
    recorder.alert(id, &Alert { time_ns: 40, p: None, ..alert.clone() }).unwrap();
    for n in 0..3 {
        recorder.write(id, &captured(n)).unwrap();
    }
    recorder.write(id, &call(1, 5)).unwrap();

    recorder.flush().unwrap();
    let reader = Reader::open(&path).unwrap();
    let session = reader.session(id).unwrap();
    assert!(!session.complete && session.summary.is_none());

    recorder.end_session(id, &summary()).unwrap();
    let session = reader.session(id).unwrap();
    assert!(session.complete);
    assert_eq!(session.meta, meta("edit"));
    assert_eq!(session.summary, Some(summary()));
    let first = Segment { index: 0, task: "edit".parse().unwrap(), started_boot_ns: 5 };
    assert_eq!(session.segments, [first, segment]);
    assert_eq!(reader.sessions().unwrap(), [session]);
    assert_eq!(reader.alerts(id).unwrap(), [Alert { time_ns: 40, p: None, ..alert.clone() }, alert]);
    assert_eq!(
        reader.reasons(id).unwrap().into_iter().collect::<Vec<_>>(),
        [(7, "a private key of the user".into())]
    );
    let counts = Counts { events: 3, syscalls: 1, alerts: 2, ..Counts::default() };
    assert_eq!(reader.counts(id).unwrap(), counts);
}

#[test]
fn many_rows_come_back_in_order_across_batches_and_chunks() {
    let (_directory, path) = place();
    let mut recorder = Recorder::open(&path).unwrap();
    let id = recorder.begin_session(&meta("edit")).unwrap();
    let mut expected = Vec::new();
    for n in 0..6000 {
        // Blocks of 8 arrive backwards, as from rings of several processors.
        let n = n ^ 7;
        let captured = if n % 3 == 0 { captured(n) } else { call(n, n as u32 % 2) };
        recorder.write(id, &captured).unwrap();
        expected.push(captured);
    }
    recorder.end_session(id, &summary()).unwrap();
    let reader = Reader::open(&path).unwrap();
    assert!(all(&reader, id) == in_order(expected));
    assert_eq!(reader.counts(id).unwrap(), Counts { events: 2000, syscalls: 4000, ..Counts::default() });
}

#[test]
fn a_later_recorder_goes_on_with_a_session() {
    let (_directory, path) = place();
    let id = {
        let mut recorder = Recorder::open(&path).unwrap();
        let id = recorder.begin_session(&meta("edit")).unwrap();
        recorder.write(id, &captured(1)).unwrap();
        id
    };
    let mut recorder = Recorder::open(&path).unwrap();
    recorder.write(id, &captured(1)).unwrap();
    recorder.write(id, &captured(2)).unwrap();
    recorder.end_session(id, &summary()).unwrap();
    let reader = Reader::open(&path).unwrap();
    assert_eq!(all(&reader, id), [captured(1), captured(1), captured(2)]);
}

#[test]
fn a_session_that_is_not_there_is_named_and_harms_nothing() {
    let (_directory, path) = place();
    let mut recorder = Recorder::open(&path).unwrap();
    for id in [SessionId(9), SessionId(0), SessionId(-1), SessionId(i64::MAX)] {
        let expected = Error::NoSession { path: path.clone(), id };
        assert_eq!(recorder.write(id, &captured(1)), Err(expected.clone()));
        assert_eq!(recorder.end_session(id, &summary()), Err(expected.clone()));
        let reader = Reader::open(&path).unwrap();
        assert_eq!(reader.session(id), Err(expected.clone()));
        assert_eq!(reader.events(id, &mut |_| ControlFlow::Continue(())), Err(expected));
    }
    let id = recorder.begin_session(&meta("edit")).unwrap();
    recorder.write(id, &captured(1)).unwrap();
    recorder.end_session(id, &summary()).unwrap();
}

#[test]
fn an_export_has_a_line_for_each() {
    let (_directory, path) = place();
    let mut recorder = Recorder::open(&path).unwrap();
    let id = recorder.begin_session(&meta("edit")).unwrap();
    let mut event = open(1);
    event.decision = Some(Decision { stage: Stage::T0, means: Means::Lsm, enforced: true, reason: 7 });
    recorder.write(id, &Captured::Event(Box::new(event.clone()))).unwrap();
    recorder.write(id, &call(2, 5)).unwrap();
    recorder.reason(id, 7, "a private key").unwrap();
    recorder.end_session(id, &summary()).unwrap();
    let mut out = Vec::new();
    export_jsonl(&Reader::open(&path).unwrap(), id, &mut out).unwrap();
    let lines: Vec<&str> = std::str::from_utf8(&out).unwrap().lines().collect();
    assert_eq!(lines.len(), 3);
    for part in [
        r#"{"type":"session","format":1,"id":1,"agent":"codex""#,
        r#""workspaces":["/home/u/w\\xff"]"#,
        r#""reasons":{"7":"a private key"}"#,
        r#""complete":true}"#,
    ] {
        assert!(lines[0].contains(part), "{part} in {}", lines[0]);
    }
    assert_eq!(
        lines[1],
        r#"{"type":"event","time_ns":1001,"segment":0,"pid":10,"tid":11,"op":"open","access":["read"],"object":{"kind":"file","path":"/home/u/w/1","key":{"dev":1,"ino":1,"generation":2},"mode":33188,"origin":"trusted"},"outcome":{"done":3},"decision":{"stage":"T0","means":"lsm","fate":"refused","reason":7},"detail":0}"#
    );
    assert_eq!(lines[2], r#"{"type":"syscall","time_ns":1002,"tid":5,"number":2,"compat":false,"ret":-2}"#);
    let session: Line = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(serde_json::to_string(&session).unwrap(), lines[0]);
}

#[test]
fn an_export_into_a_closed_pipe_says_so() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (_directory, path) = place();
    let id = Recorder::open(&path).unwrap().begin_session(&meta("edit")).unwrap();
    let error = export_jsonl(&Reader::open(&path).unwrap(), id, &mut Closed).unwrap_err();
    assert!(matches!(error, Error::Sink { kind: std::io::ErrorKind::BrokenPipe, .. }), "{error:?}");
}

#[test]
fn what_is_imported_exports_the_same() {
    let (_first, path) = place();
    let mut recorder = Recorder::open(&path).unwrap();
    for task in ["edit", "test"] {
        let id = recorder.begin_session(&meta(task)).unwrap();
        recorder
            .segment(id, &Segment { index: 1, task: "other".parse().unwrap(), started_boot_ns: 9 })
            .unwrap();
        recorder.reason(id, 7, "a reason").unwrap();
        for number in 0..50 {
            recorder
                .write(
                    id,
                    &Captured::Syscall(Syscall { time_ns: number, tid: 3, number: 1, compat: false, ret: 0 }),
                )
                .unwrap();
        }
        recorder.end_session(id, &Summary::default()).unwrap();
    }
    let export = |path: &std::path::Path| {
        let reader = Reader::open(path).unwrap();
        let mut lines = Vec::new();
        for session in reader.sessions().unwrap() {
            store::export_jsonl(&reader, session.id, &mut lines).unwrap();
        }
        lines
    };
    let lines = export(&path);
    let (_second, other) = place();
    let mut recorder = Recorder::open(&other).unwrap();
    let mut import = store::Import::new(&mut recorder);
    let mut ids = Vec::new();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        ids.extend(import.line(line).unwrap());
    }
    import.end().unwrap();
    assert_eq!(ids, [SessionId(1), SessionId(2)]);
    assert_eq!(String::from_utf8(export(&other)).unwrap(), String::from_utf8(lines).unwrap());
}

#[test]
fn a_line_that_is_none_is_named_and_the_next_is_taken() {
    let (_directory, path) = place();
    let mut recorder = Recorder::open(&path).unwrap();
    let mut import = store::Import::new(&mut recorder);
    assert!(matches!(import.line(b"nonsense"), Err(store::Error::Line { line: 1, .. })));
    let loss = br#"{"type":"loss","time_ns":7,"cpu":1,"kind":2,"count":40}"#;
    assert!(matches!(import.line(loss), Err(store::Error::Line { line: 2, .. })));
}

/// What builds before had as text is read as what it says: the description of a session, as it lies in the file.
#[test]
fn a_description_has_names_modes_and_tiers_as_text() {
    #[derive(serde::Deserialize)]
    struct Text {
        agent: String,
        task: String,
        mode: String,
        tier: String,
    }
    let (_directory, path) = place();
    let mut recorder = Recorder::open(&path).unwrap();
    let id = recorder.begin_session(&meta("unknown")).unwrap();
    drop(recorder);
    let rows = rusqlite::Connection::open(&path).unwrap();
    let body: Vec<u8> =
        rows.query_row("SELECT meta FROM session WHERE id = ?1", [id.0], |row| row.get(0)).unwrap();
    let Text { agent, task, mode, tier } = rmp_serde::from_slice(&body).unwrap();
    assert_eq!([&*agent, &*task, &*mode, &*tier], ["codex", "unknown", "record", "lsm"]);
    assert!(Reader::open(&path).unwrap().session(id).unwrap().meta.task.is_unsaid());
}
