//! A disk without room, for real: a small file system in a mount namespace of its own.

use crate::sample::{CHILD, captured, meta, place};
use std::path::Path;
use std::process::Command;
use store::{Error, Reader, Recorder, Writer, WriterMessage, maintenance};

/// Mounts a file system of 2 MiB on `$1`, then runs the test again there.
const MOUNT: &str =
    r#"mount -t tmpfs -o size=2m tmpfs "$1" && touch "$1/mounted" && exec "$2" --exact "$3" --nocapture"#;

#[test]
fn a_full_disk_stops_cleanly_and_keeps_what_was_committed() {
    if let Some(directory) = std::env::var_os(CHILD) {
        let directory = Path::new(&directory);
        assert!(directory.join("mounted").exists());
        recorder_on(&directory.join("recorder.db"));
        for file in ["recorder.db", "recorder.db-wal", "recorder.db-shm"] {
            #[expect(
                clippy::let_underscore_must_use,
                reason = "the log stays when there was no room to move it into the database"
            )]
            let _ = std::fs::remove_file(directory.join(file));
        }
        return writer_on(&directory.join("writer.db"));
    }
    let (directory, _) = place();
    // The root of a user namespace may mount, and so need nobody's help.
    let probe = Command::new("unshare")
        .args(["-r", "-m", "mount", "-t", "tmpfs", "tmpfs"])
        .arg(directory.path())
        .output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        eprintln!("skipped: no mount namespace can be had here (unshare -r -m)");
        return;
    }
    let output = Command::new("unshare")
        .args(["-r", "-m", "sh", "-c", MOUNT, "sh"])
        .arg(directory.path())
        .arg(std::env::current_exe().unwrap())
        .arg("full::a_full_disk_stops_cleanly_and_keeps_what_was_committed")
        .env(CHILD, directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What is there is the first events, whole, and the store is sound.
fn sound(path: &Path, committed: u64) {
    let reader = Reader::open(path).unwrap();
    let session = reader.sessions().unwrap().pop().unwrap();
    assert!(!session.complete);
    let found = crate::sample::all(&reader, session.id);
    assert!(found.len() as u64 >= committed, "{} of {committed}", found.len());
    assert!(found == (0..found.len() as u64).map(captured).collect::<Vec<_>>());
    assert_eq!(maintenance::check(&reader).unwrap(), [""; 0]);
}

fn recorder_on(path: &Path) {
    let mut recorder = Recorder::open(path).unwrap();
    let id = recorder.begin_session(&meta("edit")).unwrap();
    let mut committed = 0;
    let full = Error::Full { path: path.into() };
    for n in 0.. {
        if let Err(error) = recorder.write(id, &captured(n)) {
            assert_eq!(error, full);
            break;
        }
        if n % 500 == 499 {
            match recorder.flush() {
                Ok(()) => committed = n + 1,
                Err(error) => {
                    assert_eq!(error, full);
                    break;
                }
            }
        }
        assert!(n < 1_000_000, "never full");
    }
    assert!(committed > 0);
    assert_eq!(recorder.write(id, &captured(0)), Err(full.clone()));
    assert_eq!(recorder.flush(), Err(full));
    drop(recorder);
    sound(path, committed);
}

fn writer_on(path: &Path) {
    let writer = Writer::open(path).unwrap();
    let id = writer.begin_session(meta("edit")).unwrap();
    let full = Error::Full { path: path.into() };
    let error = (0..1_000_000).find_map(|n| writer.send(WriterMessage::Captured(id, captured(n))).err());
    assert_eq!(error, Some(full.clone()));
    assert_eq!(writer.flush(), Err(full.clone()));
    assert_eq!(writer.close(), Err(full));
    sound(path, 1);
}
