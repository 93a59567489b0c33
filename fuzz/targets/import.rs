//! Lines of an export, as anybody may hand them over: each is refused or comes back the same, and what an import has made of
//! them is exported, imported and exported again without a difference.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use store::{Import, Line, Reader, Recorder, SessionId, export_jsonl};
use tempfile::TempDir;

/// Lines of one input: more say nothing new.
const LINES: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').take(LINES).collect();
    let mut readable = false;
    for line in &lines {
        let Ok(read) = serde_json::from_slice::<Line>(line) else { continue };
        let again = serde_json::to_string(&read).expect("a line that was read is one");
        assert_eq!(serde_json::from_str::<Line>(&again).expect("it is read again"), read);
        readable = true;
    }
    // A store is a thousand times as slow as a line.
    if !readable || !bytes.starts_with(b"{\"type\":\"session\"") {
        return;
    }
    let directory = directory();
    let (first, _) = import(&directory.path().join("1.db"), &lines);
    let exported: Vec<&[u8]> = first.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
    let (second, refused) = import(&directory.path().join("2.db"), &exported);
    assert_eq!(refused, 0, "{}", String::from_utf8_lossy(&first));
    assert_eq!(without_numbers(&first), without_numbers(&second));
});

/// In memory, where there is such a place.
fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    made.expect("a directory for the stores")
}

/// Imports lines into a new store. What it exports, and how many lines it refused.
fn import(path: &Path, lines: &[&[u8]]) -> (Vec<u8>, usize) {
    let mut recorder = Recorder::open(path).expect("a store can be made");
    let mut import = Import::new(&mut recorder);
    let mut refused = lines.iter().filter(|line| import.line(line).is_err()).count();
    refused += usize::from(import.end().is_err());
    drop(recorder);
    let reader = Reader::open(path).expect("it can be read");
    let mut exported = Vec::new();
    let ids: Vec<SessionId> =
        reader.sessions().expect("its sessions").iter().map(|session| session.id).collect();
    for id in ids {
        export_jsonl(&reader, id, &mut exported).expect("it can be exported");
    }
    (exported, refused)
}

/// The lines without the numbers that the stores gave to their sessions.
fn without_numbers(exported: &[u8]) -> Vec<serde_json::Value> {
    let lines = exported.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let mut values: Vec<serde_json::Value> =
        lines.map(|line| serde_json::from_slice(line).expect("a line of an export")).collect();
    values.iter_mut().filter(|value| value["type"] == "session").for_each(|value| value["id"] = 0.into());
    values
}
