//! Files that are no store, or no longer one: each is told apart.

use crate::sample::{CHILD, again, captured, meta, place};
use rusqlite::Connection;
use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;
use store::{Error, Reader, Recorder, maintenance};

/// Both ways to open `path`, as errors.
fn both(path: &Path) -> [Error; 2] {
    [Reader::open(path).map(drop).unwrap_err(), Recorder::open(path).map(drop).unwrap_err()]
}

/// A closed store with some pages.
fn filled(path: &Path) {
    let mut recorder = Recorder::open(path).unwrap();
    let id = recorder.begin_session(&meta("edit")).unwrap();
    for n in 0..3000 {
        recorder.write(id, &captured(n)).unwrap();
    }
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn a_new_store_is_for_its_owner_alone() {
    let (_directory, path) = place();
    let mut recorder = Recorder::open(&path).unwrap();
    recorder.begin_session(&meta("edit")).unwrap();
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        let mode = fs::metadata(path.with_file_name(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    drop(recorder);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    Recorder::open(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn missing() {
    let (directory, path) = place();
    assert_eq!(Reader::open(&path).map(drop), Err(Error::Missing { path: path.clone() }));
    assert_eq!(maintenance::vacuum(&path), Err(Error::Missing { path: path.clone() }));
    assert!(!path.exists());
    let path = directory.path().join("no/store.db");
    assert_eq!(Recorder::open(&path).map(drop), Err(Error::NoParent { path: path.clone() }));
}

#[test]
fn not_a_database() {
    let (directory, path) = place();
    for content in [&b"x"[..], &[7; 600], &b"type,time\n".repeat(2000)] {
        fs::write(&path, content).unwrap();
        let expected = Error::NotADatabase { path: path.clone() };
        assert_eq!(both(&path), [expected.clone(), expected], "{} bytes", content.len());
        assert_eq!(fs::read(&path).unwrap(), content, "left as it was");
    }
    let path = directory.path().to_path_buf();
    let expected = Error::NotADatabase { path: path.clone() };
    assert_eq!(both(&path), [expected.clone(), expected]);
}

#[test]
fn foreign() {
    for application_id in [0, 0x0f05_5112] {
        let (_directory, path) = place();
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(&format!("PRAGMA application_id = {application_id}; CREATE TABLE t (x)")).unwrap();
        drop(conn);
        let before = fs::read(&path).unwrap();
        let expected = Error::Foreign { path: path.clone(), application_id };
        assert_eq!(both(&path), [expected.clone(), expected]);
        assert_eq!(fs::read(&path).unwrap(), before, "left as it was");
    }
}

#[test]
fn newer() {
    let (_directory, path) = place();
    filled(&path);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 4).unwrap();
    let expected = Error::Newer { path: path.clone(), found: 4, supported: 3 };
    assert_eq!(both(&path), [expected.clone(), expected]);
}

#[test]
fn an_older_schema_is_migrated_by_a_recorder() {
    let (_directory, path) = place();
    let conn = Connection::open(&path).unwrap();
    // An empty database of schema 0, with a page of its own.
    conn.execute_batch("CREATE TABLE t (x); DROP TABLE t").unwrap();
    drop(conn);
    assert!(fs::metadata(&path).unwrap().len() > 0);
    let expected = Error::Outdated { path: path.clone(), found: 0, supported: 3 };
    assert_eq!(Reader::open(&path).map(drop), Err(expected));
    let id = Recorder::open(&path).unwrap().begin_session(&meta("edit")).unwrap();
    assert_eq!(Reader::open(&path).unwrap().session(id).unwrap().meta, meta("edit"));
    let conn = Connection::open(&path).unwrap();
    assert_eq!(conn.pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0)), Ok(3));
    assert_eq!(conn.pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0)), Ok(0x5764_4c6e));
}

#[test]
fn a_store_in_the_making_is_waited_for() {
    let (_directory, path) = place();
    fs::File::create(&path).unwrap();
    let maker = std::thread::spawn({
        let path = path.clone();
        move || {
            std::thread::sleep(Duration::from_millis(300));
            drop(Recorder::open(&path).unwrap());
        }
    });
    let reader = Reader::open(&path);
    maker.join().unwrap();
    assert_eq!(reader.unwrap().sessions().unwrap().len(), 0);
}

#[test]
fn truncated() {
    let (_directory, path) = place();
    filled(&path);
    let whole = fs::read(&path).unwrap();
    let expected = whole.len() as u64;
    for size in [16, 100, 511, 512, 4096, 4097, whole.len() / 2, whole.len() - 4096, whole.len() - 1] {
        fs::write(&path, &whole[..size]).unwrap();
        // Below 32 bytes the header does not say it: the smallest database.
        let expected = if size < 32 { 512 } else { expected };
        let cut = Error::Truncated { path: path.clone(), size: size as u64, expected };
        assert_eq!(both(&path), [cut.clone(), cut], "{size} bytes");
    }
}

#[test]
fn corrupt() {
    let (_directory, path) = place();
    filled(&path);
    let whole = fs::read(&path).unwrap();
    // The first page holds the schema.
    overwrite(&path, 100, &[0xff; 300]);
    for error in both(&path) {
        assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    }
    // A table that is gone.
    fs::write(&path, &whole).unwrap();
    Connection::open(&path).unwrap().execute_batch("DROP TABLE loss").unwrap();
    let expected = Error::Corrupt { path: path.clone(), detail: "table `loss` is missing".into() };
    assert_eq!(both(&path), [expected.clone(), expected]);
    // Pages in the middle: noticed where they are read, and by the check.
    fs::write(&path, &whole).unwrap();
    for page in 40..whole.len() as u64 / 4096 {
        overwrite(&path, page * 4096, &[0xff; 64]);
    }
    let reader = Reader::open(&path).unwrap();
    let id = reader.sessions().unwrap()[0].id;
    let error = reader.events(id, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    assert!(!maintenance::check(&reader).unwrap().is_empty());
}

#[test]
fn a_store_that_was_not_closed_is_checked_when_it_is_opened() {
    let (_directory, path) = place();
    filled(&path);
    let size = fs::metadata(&path).unwrap().len();
    // A second connection keeps the log from being removed, as a kill would.
    let mut recorder = Recorder::open(&path).unwrap();
    recorder.begin_session(&meta("edit")).unwrap();
    let log = fs::read(path.with_file_name("store.db-wal")).unwrap();
    drop(recorder);
    fs::write(path.with_file_name("store.db-wal"), log).unwrap();
    for page in size / 4096 / 2..size / 4096 {
        overwrite(&path, page * 4096, &[0xff; 64]);
    }
    let error = Recorder::open(&path).map(drop).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
}

#[test]
fn rows_without_a_meaning_are_corrupt() {
    for (damage, said) in [
        ("UPDATE block SET body = x'00ff7f000000', count = 1", "has a number without"),
        ("DELETE FROM object WHERE id = 5", "object 5 is missing"),
        ("UPDATE object SET kind = 99 WHERE id = 5", "object 5 is missing or cannot"),
        ("UPDATE object SET origin = 99 WHERE id = 5", "object 5 is missing or cannot"),
        ("UPDATE block SET body = x'010100000001', count = 1", "out of range"),
    ] {
        let (_directory, path) = place();
        filled(&path);
        Connection::open(&path).unwrap().execute_batch(damage).unwrap();
        let reader = Reader::open(&path).unwrap();
        let id = reader.sessions().unwrap()[0].id;
        let error = reader.events(id, &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert!(matches!(&error, Error::Corrupt { detail, .. } if detail.contains(said)), "{error:?}");
        assert!(!maintenance::check(&reader).unwrap().is_empty());
    }
}

#[test]
fn busy_is_told_and_the_call_can_be_repeated() {
    let (_directory, path) = place();
    let mut recorder = Recorder::open(&path).unwrap();
    recorder.set_busy_timeout(Duration::from_millis(20)).unwrap();
    let id = recorder.begin_session(&meta("edit")).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(recorder.write(id, &captured(1)), Err(Error::Busy { path: path.clone() }));
    other.execute_batch("COMMIT").unwrap();
    recorder.write(id, &captured(1)).unwrap();
    recorder.flush().unwrap();
    assert_eq!(Reader::open(&path).unwrap().counts(id).unwrap().events, 1);
}

/// As root nothing is refused: the test then runs itself again as another user.
#[test]
fn permission() {
    if let Some(path) = std::env::var_os(CHILD) {
        return refused(Path::new(&path));
    }
    let (directory, path) = place();
    filled(&path);
    if fs::metadata(&path).unwrap().uid() != 0 {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o555)).unwrap();
        return refused(&path);
    }
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = directory.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut command = std::process::Command::new(program);
    command.args(again("damage::permission", &path).get_args()).env(CHILD, &path);
    let output = command.uid(65534).gid(65534).current_dir("/").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

fn refused(path: &Path) {
    for error in both(path) {
        assert!(matches!(error, Error::Permission { .. }), "{error:?}");
    }
    let error = Recorder::open(path.with_file_name("new.db")).map(drop).unwrap_err();
    assert!(matches!(error, Error::Permission { .. }), "{error:?}");
}
