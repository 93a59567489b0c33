//! Looking after a store.

use crate::sample::{all, call, captured, meta, place, summary};
use event::SessionMeta;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::maintenance::{Prune, Stats, check, prune, stats, vacuum};
use store::{Reader, Recorder, SessionId};

/// Sessions that began at 0, 10, 20, ..., each with files of its own and one that all open; the last has no end.
fn sessions(path: &Path, count: u64) -> Vec<SessionId> {
    let mut recorder = Recorder::open(path).unwrap();
    (0..count)
        .map(|number| {
            let meta = SessionMeta { started_unix_ns: 10 * number as i64, ..meta("edit") };
            let id = recorder.begin_session(&meta).unwrap();
            recorder.write(id, &captured(0)).unwrap();
            for n in 0..2000 {
                recorder.write(id, &captured(number * 100_000 + n)).unwrap();
                recorder.write(id, &call(n, 5)).unwrap();
            }
            recorder.reason(id, 1, "why").unwrap();
            if number + 1 < count {
                recorder.end_session(id, &summary()).unwrap();
            }
            id
        })
        .collect()
}

#[test]
fn a_sound_store_is_counted_and_has_no_problems() {
    let (_directory, path) = place();
    sessions(&path, 3);
    let reader = Reader::open(&path).unwrap();
    let found = stats(&reader).unwrap();
    let expected = Stats { sessions: 3, incomplete: 1, events: 6003, syscalls: 6000, paths: 6000, ..found };
    assert_eq!(found, expected);
    assert!(found.bytes > 100_000);
    assert_eq!(check(&reader).unwrap(), [""; 0]);
}

#[test]
fn old_sessions_go_and_the_rest_stays_whole() {
    let (_directory, path) = place();
    let ids = sessions(&path, 4);
    let kept = all(&Reader::open(&path).unwrap(), ids[2]);
    let before = Prune { before_unix_ns: Some(20), ..Prune::default() };
    assert_eq!(prune(&path, &before).unwrap(), ids[..2]);
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.sessions().unwrap().iter().map(|session| session.id).collect::<Vec<_>>(), ids[2..]);
    assert!(all(&reader, ids[2]) == kept);
    // The file that all opened, and 1,999 of its own in the first of those that are left.
    assert_eq!(stats(&reader).unwrap().paths, 4001);
    assert_eq!(check(&reader).unwrap(), [""; 0]);
    drop(reader);
    assert!(vacuum(&path).unwrap() > 100_000);
    assert_eq!(stats(&Reader::open(&path).unwrap()).unwrap().free_bytes, 0);
    assert!(all(&Reader::open(&path).unwrap(), ids[2]) == kept);
}

#[test]
fn the_oldest_go_until_the_rest_fits_and_running_sessions_stay() {
    let (_directory, path) = place();
    let ids = sessions(&path, 5);
    let found = stats(&Reader::open(&path).unwrap()).unwrap();
    let half = Prune { keep_bytes: Some((found.bytes - found.free_bytes) / 2), ..Prune::default() };
    let removed = prune(&path, &half).unwrap();
    assert!((2..=3).contains(&removed.len()), "{removed:?}");
    assert_eq!(removed, ids[..removed.len()]);
    let none = Prune { keep_bytes: Some(0), ..Prune::default() };
    assert_eq!(prune(&path, &none).unwrap(), ids[removed.len()..4]);
    assert_eq!(prune(&path, &Prune { incomplete: true, ..none }).unwrap(), ids[4..]);
    assert_eq!(stats(&Reader::open(&path).unwrap()).unwrap().paths, 0);
}

#[test]
fn a_recorder_forgets_objects_that_were_removed_meanwhile() {
    let (_directory, path) = place();
    let mut recorder = Recorder::open(&path).unwrap();
    let old = recorder.begin_session(&meta("edit")).unwrap();
    recorder.write(old, &captured(1)).unwrap();
    recorder.end_session(old, &summary()).unwrap();
    let id = recorder.begin_session(&meta("edit")).unwrap();
    prune(&path, &Prune { before_unix_ns: Some(i64::MAX), ..Prune::default() }).unwrap();
    recorder.write(id, &captured(1)).unwrap();
    recorder.flush().unwrap();
    let reader = Reader::open(&path).unwrap();
    assert_eq!(all(&reader, id), [captured(1)]);
    assert_eq!(check(&reader).unwrap(), [""; 0]);
    // A number is never given twice.
    assert_eq!(recorder.begin_session(&meta("edit")).unwrap(), SessionId(3));
}

#[test]
fn what_is_wrong_is_found() {
    for (damage, said) in [
        ("DELETE FROM session WHERE id = 1", "names no row of `session`"),
        (
            "DELETE FROM segment; DELETE FROM reason; DELETE FROM session WHERE id = 1",
            "of `chunk` name what is not",
        ),
        ("DELETE FROM object WHERE id = 3", "1 operations name what is not there"),
        ("DELETE FROM path WHERE id = 3", "`object` name what is not there, the first is row 3"),
        ("UPDATE chunk SET calls = 9", "chunk 1099511627777: it "),
        ("UPDATE chunk SET body = x'00'", "chunk 1099511627777: "),
        ("UPDATE session SET meta = x'00' WHERE id = 1", "description 1: "),
        ("UPDATE block SET count = 1", "block 1099511627777 of operations: it has more"),
    ] {
        let (_directory, path) = place();
        sessions(&path, 1);
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        conn.execute_batch(damage).unwrap();
        let problems = check(&Reader::open(&path).unwrap()).unwrap();
        assert!(problems.iter().any(|problem| problem.contains(said)), "{damage}: {problems:?}");
        assert!(problems.len() <= 100);
    }
}

/// A recorder that writes all the while names old objects again just when they are about to go.
#[test]
fn who_records_meanwhile_waits_for_a_part_only_and_loses_nothing() {
    let (_directory, path) = place();
    sessions(&path, 7);
    let mut recorder = Recorder::open(&path).unwrap();
    recorder.set_busy_timeout(Duration::from_secs(5)).unwrap();
    let id = recorder.begin_session(&SessionMeta { started_unix_ns: 1_000, ..meta("edit") }).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let writing = std::thread::spawn({
        let over = Arc::clone(&over);
        move || {
            let mut written = Vec::new();
            for n in 0.. {
                // The objects of every session that goes, one after the other.
                let again = captured(n % 6 * 100_000 + n / 6 % 2000);
                recorder.write(id, &again).unwrap();
                recorder.flush().unwrap();
                written.push(again);
                if over.load(Ordering::Relaxed) {
                    break;
                }
            }
            recorder.end_session(id, &summary()).unwrap();
            written
        }
    });
    let all_old = Prune { before_unix_ns: Some(1_000), ..Prune::default() };
    assert_eq!(prune(&path, &all_old).unwrap().len(), 6);
    over.store(true, Ordering::Relaxed);
    let written = writing.join().unwrap();
    let reader = Reader::open(&path).unwrap();
    let mut kept = all(&reader, id);
    assert_eq!(kept.len(), written.len());
    for one in written {
        let at = kept.iter().position(|other| *other == one);
        kept.swap_remove(at.expect("it was written"));
    }
    assert_eq!(check(&reader).unwrap(), [""; 0]);
}
