//! Reads traces of others: numbers of system calls in text, one after another or each behind its process.

use crate::Error;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Calls of one file at most: the longest of the known sets has some hundred thousand.
pub const CALLS_MAX: usize = 1 << 22;

/// Bytes of one line at most. A whole trace may lie in one.
pub const LINE_MAX: usize = 1 << 24;

/// Files of one directory at most.
const FILES_MAX: usize = 1 << 16;

/// Numbers of calls end before this: of every architecture.
const CALL_MAX: u32 = 1 << 16;

/// How a file lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Numbers of calls alone: one trace.
    Calls,
    /// Pairs, one a line: the number of a process and that of a call.
    Pairs,
}

/// What one process, or one file, called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calls {
    /// The file below the set's directory, and the process where it tells.
    pub name: String,
    /// Numbers of the calls, in order.
    pub calls: Vec<u32>,
}

/// Every trace of a file, by process.
pub fn file(path: &Path, name: &str, layout: Layout) -> Result<Vec<Calls>, Error> {
    let open =
        File::open(path).map_err(|error| Error::File { doing: "opening", path: path.to_owned(), error })?;
    traces(&mut BufReader::new(open), path, name, layout)
}

/// The same of bytes, wherever they come from; `path` is for what is said of them.
pub fn traces(from: &mut impl BufRead, path: &Path, name: &str, layout: Layout) -> Result<Vec<Calls>, Error> {
    let mut processes: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let (mut line, mut number, mut count) = (Vec::new(), 0, 0);
    loop {
        line.clear();
        let read = std::io::Read::take(&mut *from, LINE_MAX as u64 + 1)
            .read_until(b'\n', &mut line)
            .map_err(|error| Error::File { doing: "reading", path: path.to_owned(), error })?;
        if read == 0 {
            break;
        }
        number += 1;
        let wrong = |detail: String| Error::Case { path: path.to_owned(), line: number, detail };
        if line.len() > LINE_MAX {
            return Err(wrong(format!("the line is longer than {LINE_MAX} bytes")));
        }
        let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let numbers: Vec<u32> =
            words.map(|word| parse(word).ok_or_else(|| wrong(no_number(word)))).collect::<Result<_, _>>()?;
        let (process, calls) = match (layout, numbers.as_slice()) {
            (_, []) => continue,
            (Layout::Calls, calls) => (0, calls),
            (Layout::Pairs, [process, call @ ..]) if call.len() == 1 => (*process, call),
            (Layout::Pairs, other) => {
                return Err(wrong(format!(
                    "a process and a call were expected, and {} numbers found",
                    other.len()
                )));
            }
        };
        if let Some(call) = calls.iter().find(|call| **call >= CALL_MAX) {
            return Err(wrong(format!("{call} is no number of a system call")));
        }
        count += calls.len();
        if count > CALLS_MAX {
            return Err(wrong(format!("the file has more than {CALLS_MAX} calls")));
        }
        processes.entry(process).or_default().extend(calls);
    }
    let named = |process: u32| match layout {
        Layout::Calls => name.to_owned(),
        Layout::Pairs => format!("{name}:{process}"),
    };
    Ok(processes.into_iter().map(|(process, calls)| Calls { name: named(process), calls }).collect())
}

fn parse(word: &[u8]) -> Option<u32> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn no_number(word: &[u8]) -> String {
    let shown: String = String::from_utf8_lossy(word).chars().take(20).collect();
    format!("`{}` is no number", shown.escape_debug())
}

/// Files below a directory whose names end so, at any depth, in the order of their paths.
pub fn files(below: &Path, ends: &str) -> Result<Vec<PathBuf>, Error> {
    let (mut found, mut directories) = (Vec::new(), vec![below.to_owned()]);
    while let Some(directory) = directories.pop() {
        let failed = |error| Error::File { doing: "listing", path: directory.clone(), error };
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() && entry.file_name().to_string_lossy().ends_with(ends) {
                found.push(entry.path());
            }
            if found.len() + directories.len() > FILES_MAX {
                return Err(Error::Nothing(format!("`{}` has more than {FILES_MAX} files", below.display())));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, layout: Layout) -> Result<Vec<Calls>, String> {
        traces(&mut text.as_bytes(), Path::new("/x/f"), "f", layout).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_is_one_trace_or_one_for_each_process() {
        let calls = |name: &str, calls: &[u32]| Calls { name: name.into(), calls: calls.to_vec() };
        assert_eq!(read("6 6 63\n\n42 ", Layout::Calls), Ok(vec![calls("f", &[6, 6, 63, 42])]));
        let pairs = "7 5\n9 90  \n7 6\n";
        assert_eq!(read(pairs, Layout::Pairs), Ok(vec![calls("f:7", &[5, 6]), calls("f:9", &[90])]));
        assert_eq!(read("", Layout::Pairs), Ok(vec![]));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let said = |text: &str, layout| read(text, layout).unwrap_err();
        assert_eq!(said("1 2\n3 x\u{1b}y\n", Layout::Calls), "`/x/f`, line 2: `x\\u{1b}y` is no number");
        assert_eq!(said("70000", Layout::Calls), "`/x/f`, line 1: 70000 is no number of a system call");
        let three = "`/x/f`, line 1: a process and a call were expected, and 3 numbers found";
        assert_eq!(said("1 2 3", Layout::Pairs), three);
        assert_eq!(
            said(&"1 ".repeat(CALLS_MAX + 1), Layout::Calls),
            "`/x/f`, line 1: the file has more than 4194304 calls"
        );
        let long = " ".repeat(LINE_MAX + 1);
        assert_eq!(said(&long, Layout::Calls), "`/x/f`, line 1: the line is longer than 16777216 bytes");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_numbers_of_calls_or_refused_with_a_line(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            for layout in [Layout::Calls, Layout::Pairs] {
                match traces(&mut bytes.as_slice(), Path::new("/x/f"), "f", layout) {
                    Ok(found) => assert!(found.iter().flat_map(|of| &of.calls).all(|call| *call < CALL_MAX)),
                    Err(Error::Case { line, .. }) => {
                        assert!((1..=bytes.split(|byte| *byte == b'\n').count()).contains(&line));
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }
}
