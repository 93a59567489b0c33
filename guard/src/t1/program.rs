//! What the kernel opens when a program is started by its name: the file that the name leads to through links, and for a
//! script what its `#!` line names, which may be a script as well (fs/binfmt_script.c). Of a recorded start an event tells
//! the name and the last interpreter; the guard is asked about every file of the chain.
//!
//! Looked up when a policy is compiled, before the session runs. What was learned is the name, so that a link that leads
//! to another version since is followed.

use super::files::Files;
use bstr::{BStr, BString, ByteSlice};

/// Files that the kernel opens for one program: fs/exec.c gives up at the sixth.
const CHAIN_MAX: usize = 6;

/// The files behind a name, each by its canonical path, from the first to the last.
pub(super) fn chain(files: &dyn Files, name: &BStr) -> Vec<BString> {
    let mut chain = Vec::new();
    let mut next = files.target(name);
    while let Some(file) = next.filter(|file| chain.len() < CHAIN_MAX && !chain.contains(file)) {
        let head = files.head(file.as_bstr());
        chain.push(file);
        next = head.and_then(|head| files.target(interpreter(&head)?));
    }
    chain
}

/// The interpreter in the first bytes of a script, as the kernel reads them. One that is not absolute depends on where the
/// script is started, and is not followed.
fn interpreter(head: &[u8]) -> Option<&BStr> {
    let line = head.strip_prefix(b"#!")?;
    let line = line.split(|byte| matches!(byte, b'\n' | b'\0')).next()?;
    let name = line.split(|byte| matches!(byte, b' ' | b'\t')).find(|name| !name.is_empty())?;
    name.starts_with(b"/").then(|| name.as_bstr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_is_read_as_the_kernel_reads_it() {
        let of = |head: &str| interpreter(head.as_bytes()).map(ToString::to_string);
        for (head, name) in [
            ("#!/bin/sh\necho", Some("/bin/sh")),
            ("#! \t/usr/bin/env  node\n", Some("/usr/bin/env")),
            ("#!/bin/sh", Some("/bin/sh")),
            ("#!/bin/a\0b\n", Some("/bin/a")),
            ("#!./sh\n", None),
            ("#!\n/bin/sh", None),
            ("#!", None),
            ("\x7fELF", None),
        ] {
            assert_eq!(of(head).as_deref(), name, "{head:?}");
        }
    }
}
