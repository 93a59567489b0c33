//! Bytes as text that can be read back.

/// Bytes as UTF-8: valid text stays, a byte that is no part of it becomes `\xHH`, and a backslash becomes `\\`.
/// [`unescape`] gives the same bytes back.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', r"\\"));
        for byte in chunk.invalid() {
            text.push_str(&format!(r"\x{byte:02x}"));
        }
    }
    text
}

/// The bytes that [`escape`] was given; `None` for text that it does not write.
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        if let Some(after) = escaped.strip_prefix('\\') {
            bytes.push(b'\\');
            rest = after;
        } else {
            let (digits, after) = escaped.strip_prefix('x')?.split_at_checked(2)?;
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_stays_and_bytes_are_escaped() {
        assert_eq!(escape("/tmp/é\n".as_bytes()), "/tmp/é\n");
        assert_eq!(escape(b"a\\x\xff\0"), "a\\\\x\\xff\0");
        assert_eq!(unescape(r"a\xzz"), None);
        assert_eq!(unescape(r"a\x+1"), None);
        assert_eq!(unescape("\\x1é"), None);
        assert_eq!(unescape(r"a\"), None);
    }

    proptest! {
        #[test]
        fn bytes_come_back(bytes: Vec<u8>) {
            prop_assert_eq!(unescape(&escape(&bytes)), Some(bytes));
        }
    }
}
