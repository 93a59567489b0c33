//! Text that the guarded side chose, for a terminal and for people.

/// Whether a character acts on the terminal, or on the order or the look of its line, and is not itself seen: controls, the marks
/// that turn the direction of writing, and those without a width.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

/// Bytes as text in which nothing acts: UTF-8 stays, what is unseen or invalid is escaped.
pub fn shown(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_unseen(c) { out.extend(c.escape_default()) } else { out.push(c) }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// A text without what is unseen in it, and so many characters of it at most.
pub fn seen(text: &str, most: usize) -> String {
    text.chars().filter(|c| !is_unseen(*c)).take(most).collect()
}

/// A text with `?` for each byte of what is unseen, so that places in it stay the same; what is spared stays.
pub fn masked(text: &str, spared: &[char]) -> String {
    let masked = |c: char| match c {
        c if is_unseen(c) && !spared.contains(&c) => "?".repeat(c.len_utf8()),
        c => c.to_string(),
    };
    text.chars().map(masked).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_acts_on_the_terminal_or_on_its_line() {
        for (bytes, text) in [
            (&b"/tmp/\x1b[2Ja\n\xff"[..], "/tmp/\\u{1b}[2Ja\\n\\xff"),
            ("\u{e9}\u{5d0}\u{4e2d}".as_bytes(), "\u{e9}\u{5d0}\u{4e2d}"),
            // What a reader would see as `txt.exe`, with its end first.
            ("a\u{202e}exe.txt".as_bytes(), "a\\u{202e}exe.txt"),
            ("\u{2066}x\u{2069}\u{200f}\u{61c}".as_bytes(), "\\u{2066}x\\u{2069}\\u{200f}\\u{61c}"),
            ("pass\u{200b}wd".as_bytes(), "pass\\u{200b}wd"),
        ] {
            assert_eq!(shown(bytes), text);
        }
    }

    #[test]
    fn what_is_unseen_is_left_out_or_keeps_its_place() {
        let text = "a\u{202e}b\tc\u{1d173}";
        assert_eq!((seen(text, 2), seen(text, 9)), ("ab".to_owned(), "abc".to_owned()));
        assert_eq!(masked(text, &['\t']), "a???b\tc????");
        assert_eq!(masked(text, &[]).len(), text.len());
    }
}
