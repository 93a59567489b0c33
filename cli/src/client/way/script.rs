//! What a script says of itself, and what stands for something else in its words.

use agents::{file_name, is_shell};
use bstr::ByteSlice;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Bytes of a script that are looked at.
const SCRIPT_MAX: u64 = 64 << 10;

/// The text of a script; `None`: it is none.
pub(super) fn text(file: &Path) -> Option<Vec<u8>> {
    // Nobody waits for whoever writes into a pipe that has its name.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(file).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = Vec::new();
    file.take(SCRIPT_MAX).read_to_end(&mut text).ok()?;
    text.starts_with(b"#!").then_some(text)
}

/// The words of a script's first line.
pub(super) fn line(text: &[u8]) -> Vec<&[u8]> {
    text.get(2..).unwrap_or_default().lines().next().unwrap_or_default().fields().collect()
}

/// Whether a shell runs a script.
pub(super) fn is_shells(text: &[u8]) -> bool {
    line(text).into_iter().any(is_shell)
}

/// Whether a program is one of the interpreters whose options are known.
pub(super) fn is_interpreter(file: &Path) -> bool {
    let is_version = |rest: &[u8]| rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let name = file_name(file.as_os_str().as_bytes());
    ["node", "nodejs", "python"].iter().any(|of| name.strip_prefix(of.as_bytes()).is_some_and(is_version))
}

/// The variable that a word begins with, or a command in the place of what it says, and the path behind it.
pub(super) fn expansion(word: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, rest) = match word {
        [b'$', b'{', rest @ ..] => rest.split_once_str("}")?,
        [b'$', b'(', rest @ ..] => rest.rsplit_once_str(")")?,
        [b'`', rest @ ..] => rest.rsplit_once_str("`")?,
        [b'$', rest @ ..] => rest.split_at(rest.find_byte(b'/')?),
        _ => return None,
    };
    rest.starts_with(b"/").then_some((name, rest))
}

/// `NAME=VALUE`
pub(super) fn is_assignment(word: &[u8]) -> bool {
    let name = word.split(|&byte| byte == b'=').next().unwrap_or_default();
    let is_name = !name.is_empty() && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name && word.contains(&b'=')
}
