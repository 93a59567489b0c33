//! The replacement of a secret.

use std::ops::Range;

/// How a replacement begins.
const OPEN: &[u8] = b"<secret:";
/// Bytes of a replacement: the beginning, eight digits, `>`.
pub const REPLACEMENT_BYTES: usize = OPEN.len() + 9;
/// What stands in the place of a secret, under a key.
pub(super) fn of(key: &[u8; 32], secret: &[u8]) -> Vec<u8> {
    let hash = blake3::keyed_hash(key, secret).to_hex();
    let mut out = Vec::with_capacity(REPLACEMENT_BYTES);
    out.extend_from_slice(OPEN);
    out.extend(hash.as_bytes().iter().take(8));
    out.push(b'>');
    out
}

/// Where replacements stand in a text.
pub(super) fn all(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at + REPLACEMENT_BYTES <= text.len() {
        let end = at + REPLACEMENT_BYTES;
        if text.get(at..end).is_some_and(is_replacement) {
            found.push(at..end);
            at = end;
        } else {
            at += 1;
        }
    }
    found
}

/// Whether a text is one.
pub(super) fn is_replacement(text: &[u8]) -> bool {
    text.len() == REPLACEMENT_BYTES
        && text
            .strip_prefix(OPEN)
            .and_then(|rest| rest.strip_suffix(b">"))
            .is_some_and(|digits| digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}
