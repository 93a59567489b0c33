//! The store's own ways: the recorder, the writer's thread, and the way back.

use crate::input::Input;
use crate::timer::{Timer, Took};
use event::{Captured, SessionMeta};
use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use store::{Reader, Recorder, SessionId, Writer, WriterMessage};

/// Events that a sender hands over at once.
const BATCH: usize = 256;

pub fn record(path: &Path, captured: &[Captured], sessions: usize) -> Took {
    let mut recorder = Recorder::open(path).expect("a store");
    let ids: Vec<SessionId> =
        (0..sessions).map(|_| recorder.begin_session(&meta()).expect("a session")).collect();
    let timer = Timer::start();
    for (captured, id) in captured.iter().zip(ids.iter().cycle()) {
        recorder.write(*id, captured).expect("a write");
    }
    recorder.flush().expect("a flush");
    timer.took(captured.len())
}

pub fn write(path: &Path, captured: &[Captured]) -> Took {
    let writer = Writer::open(path).expect("a store");
    let id = writer.begin_session(meta()).expect("a session");
    let batches: Vec<Vec<Captured>> = captured.chunks(BATCH).map(<[_]>::to_vec).collect();
    let timer = Timer::start();
    for batch in batches {
        writer.send(WriterMessage::Batch(id, batch)).expect("a batch");
    }
    // Its thread is there until it is closed, and its time with it.
    writer.flush().expect("a flush");
    let took = timer.took(captured.len());
    writer.close().expect("a close");
    took
}

pub fn read(path: &Path, captured: &[Captured]) -> Took {
    record(path, captured, 1);
    let reader = Reader::open(path).expect("a reader");
    let timer = Timer::start();
    let mut events = 0;
    reader
        .events_only(SessionId(1), &mut |event| {
            black_box(event);
            events += 1;
            ControlFlow::Continue(())
        })
        .expect("events");
    assert_eq!(events, captured.len());
    timer.took(events)
}

pub fn merge(path: &Path, input: &Input) -> Took {
    let both: Vec<Captured> =
        input.operations.iter().zip(&input.calls).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    record(path, &both, 1);
    let reader = Reader::open(path).expect("a reader");
    let timer = Timer::start();
    let mut count = 0;
    reader
        .events(SessionId(1), &mut |captured| {
            black_box(captured);
            count += 1;
            ControlFlow::Continue(())
        })
        .expect("events");
    assert_eq!(count, both.len());
    timer.took(count)
}

fn meta() -> SessionMeta {
    SessionMeta {
        agent: "codex".parse().expect("a name"),
        task: "edit".parse().expect("a name"),
        command: vec!["codex".into()],
        mode: event::Mode::Record,
        tier: event::Tier::Lsm,
        kernel: "6.12.0".into(),
        ..SessionMeta::default()
    }
}
