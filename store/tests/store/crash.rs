//! A writer that is killed at any instruction leaves a store that opens, with all that was committed.

use crate::sample::{CHILD, again, all, call, captured, in_order, meta, place};
use event::Captured;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use store::{Reader, Recorder, SessionId, maintenance};

/// Events between two flushes of the child.
const STEP: u64 = 150;

/// Writes events and system calls in turn for ever, and says how many were flushed.
fn write_until_killed(path: &Path) {
    let mut recorder = Recorder::open(path).unwrap();
    let id = recorder.begin_session(&meta("edit")).unwrap();
    let mut out = std::io::stdout();
    for n in 0.. {
        recorder.write(id, &given(n)).unwrap();
        if n % STEP == STEP - 1 {
            recorder.flush().unwrap();
            writeln!(out, "flushed {} of {id}", n + 1).unwrap();
        }
    }
}

fn given(n: u64) -> Captured {
    if n.is_multiple_of(2) { captured(n) } else { call(n, 5) }
}

#[test]
fn what_was_flushed_survives_the_kill() {
    if let Some(path) = std::env::var_os(CHILD) {
        return write_until_killed(Path::new(&path));
    }
    let (_directory, path) = place();
    for round in 0..8u64 {
        let mut child =
            again("crash::what_was_flushed_survives_the_kill", &path).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The test runner of the child speaks first, perhaps on the same line.
        let mut last = None;
        let mut read = |line: String| -> bool {
            let Some((_, said)) = line.split_once("flushed ") else { return false };
            let (count, id) = said.split_once(" of ").unwrap();
            last = Some((count.parse::<u64>().unwrap(), SessionId(id.parse().unwrap())));
            true
        };
        while !read(lines.next().unwrap().unwrap()) {}
        std::thread::sleep(Duration::from_millis(13 * round));
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
        for line in lines.map_while(Result::ok) {
            // A line that the kill cut off says nothing.
            if line.contains(" of ") {
                read(line);
            }
        }
        let (flushed, id) = last.unwrap();

        let reader = Reader::open(&path).unwrap();
        assert!(!reader.session(id).unwrap().complete);
        let found = all(&reader, id);
        assert!(found.len() as u64 >= flushed, "{} of {flushed}", found.len());
        let (events, calls): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|captured| matches!(captured, Captured::Event(_)));
        let expected = in_order((0..events.len() as u64 * 2).map(given).collect());
        let (expected_events, expected_calls): (Vec<_>, Vec<_>) =
            expected.into_iter().partition(|captured| matches!(captured, Captured::Event(_)));
        assert!(events == expected_events, "events are the first ones, whole");
        assert!(calls[..] == expected_calls[..calls.len()], "calls are the first ones, whole");
        assert_eq!(maintenance::check(&reader).unwrap(), [""; 0]);
        drop(reader);
        Recorder::open(&path).unwrap();
    }
    assert_eq!(Reader::open(&path).unwrap().sessions().unwrap().len(), 8);
}
