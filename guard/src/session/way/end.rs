//! The agent's program at the end of the way: a file, and what an interpreter is given.

use crate::{DenyList, walk};
use abi::FileKey;
use bstr::{BString, ByteSlice};
use event::{Event, Exe, Object};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Options of interpreters that have them run nothing else: alone, with their value behind a `=`, and letters of Python's.
const ALONE: [&[u8]; 11] = [
    b"--enable-source-maps",
    b"--expose-gc",
    b"--no-deprecation",
    b"--no-network-family-autoselection",
    b"--no-warnings",
    b"--preserve-symlinks",
    b"--trace-deprecation",
    b"--trace-warnings",
    b"--use-bundled-ca",
    b"--use-openssl-ca",
    b"--use-system-ca",
];
const WITH_VALUE: [&[u8]; 7] = [
    b"--disable-warning",
    b"--dns-result-order",
    b"--max-http-header-size",
    b"--max-old-space-size",
    b"--max-semi-space-size",
    b"--stack-size",
    b"--unhandled-rejections",
];
const LETTERS: &[u8] = b"BEIPSsu";

/// The agent's program.
#[derive(Debug)]
pub(super) struct End {
    pub(super) program: FileKey,
    pub(super) script: Option<Script>,
    /// What a user starts it by.
    pub(super) name: BString,
}

/// What it interprets.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) file: FileKey,
    /// As it may be given.
    pub(super) spelled: [BString; 2],
}

impl End {
    /// Looks up the files that the client has found.
    pub(super) fn of(list: &dyn DenyList, end: wire::End) -> Option<Self> {
        let key = |file: &BString| {
            let path = Some(Path::new(OsStr::from_bytes(file))).filter(|path| path.is_absolute())?;
            match walk::open(list, path) {
                walk::Found::Node(node) => Some(node.identity.file),
                walk::Found::Missing | walk::Found::Unreadable(_) => None,
            }
        };
        let (name, script) = match end.script {
            Some(spelled) => (spelled[0].clone(), Some(Script { file: key(&spelled[1])?, spelled })),
            None => (end.program.clone(), None),
        };
        Some(Self { program: key(&end.program)?, script, name })
    }

    /// Whether an event runs it.
    pub(super) fn is_run(&self, event: &Event) -> bool {
        let Object::Exe(Exe { file, args, .. }) = &event.object else { return false };
        let given = match &self.script {
            Some(script) => {
                let first = args.iter().skip(1).find(|word| !is_harmless(word));
                first.is_some_and(|first| script.spelled.contains(first))
            }
            None => event.second.is_none(),
        };
        given && file.key == Some(self.program)
    }
}

/// Whether an option of an interpreter has it run nothing else, and takes no other word.
fn is_harmless(word: &BString) -> bool {
    match word.split_once_str("=") {
        Some((name, _)) => WITH_VALUE.contains(&name),
        None if word.starts_with(b"--") => ALONE.contains(&word.as_slice()),
        None => word.strip_prefix(b"-").is_some_and(|letters| {
            !letters.is_empty() && letters.iter().all(|letter| LETTERS.contains(letter))
        }),
    }
}
