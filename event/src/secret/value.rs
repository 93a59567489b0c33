//! Values that stand behind a name (`NAME=x`, `--name=x`, `Name: x`, `"name":"x"`), and passwords in URLs.
#![expect(
    clippy::indexing_slicing,
    reason = "places were found in the same text; `fuzz/targets/secret.rs` looks for one that was not"
)]

use super::name::{NAME_MAX, Names, names};
use super::random::is_random;
use super::replacement::is_replacement;
use std::ops::Range;

/// Ways to say who somebody is, in front of the secret that proves it.
const SCHEMES: [&[u8]; 8] =
    [b"apikey", b"basic", b"bearer", b"bot", b"digest", b"negotiate", b"oauth", b"token"];
/// Values that say yes, no or nothing, and types in the declaration of a name.
const WORDS: [&str; 24] = [
    "any",
    "bool",
    "boolean",
    "bytes",
    "false",
    "int",
    "nil",
    "no",
    "none",
    "null",
    "number",
    "off",
    "on",
    "optional",
    "option",
    "required",
    "self",
    "str",
    "string",
    "true",
    "undefined",
    "unset",
    "void",
    "yes",
];
/// Ends of files that hold a secret: their names are none.
const FILES: [&str; 7] = [".pem", ".key", ".pub", ".crt", ".json", ".txt", ".env"];

/// Finds the values behind names in one argument. `before` is the argument before it.
pub(super) fn find(text: &[u8], before: Option<&[u8]>, spans: &mut Vec<Range<usize>>) {
    let script = before.is_some_and(is_script_flag);
    for (at, &byte) in text.iter().enumerate() {
        if !matches!(byte, b'=' | b':') || !is_separator(text, at) {
            continue;
        }
        let (name, before_name) = name_before(text, at);
        let Some(what) = names(&text[name.clone()]) else { continue };
        // `--name=x` and `NAME=x` have their value to the end, whatever it holds.
        let alone = byte == b'=' && !script && before_name == 0 && is_whole(text, &name);
        let span = if alone { at + 1..text.len() } else { behind(text, at, what, &text[name]) };
        if is_secret(&text[span.clone()]) {
            spans.push(span);
        }
    }
}

/// `sh -c`, `python -c`, `node -e`: a program follows, and no single value.
fn is_script_flag(arg: &[u8]) -> bool {
    let short = arg.first() == Some(&b'-') && matches!(arg.last(), Some(b'c' | b'e'));
    (short && arg[1..].iter().all(u8::is_ascii_lowercase)) || arg == b"--eval" || arg == b"--command"
}

/// No part of `==`, `!=`, `::` or `://`.
fn is_separator(text: &[u8], at: usize) -> bool {
    let next = text.get(at + 1).copied().unwrap_or(0);
    let last = at.checked_sub(1).map_or(0, |last| text[last]);
    match text[at] {
        b'=' => next != b'=' && !matches!(last, b'=' | b'!' | b'<' | b'>' | b'~'),
        _ => next != b':' && last != b':' && !text[at + 1..].starts_with(b"//"),
    }
}

/// The name that ends before a separator, and where it begins with what belongs to it.
fn name_before(text: &[u8], at: usize) -> (Range<usize>, usize) {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let mut end = at;
    while end > 0 && at - end < 4 && matches!(text[end - 1], b' ' | b'"' | b'\'' | b'\\' | b']') {
        end -= 1;
    }
    let mut start = end;
    while start > 0 && end - start <= NAME_MAX && is_name(text[start - 1]) {
        start -= 1;
    }
    (start..end, start)
}

/// Whether an argument is one name and its value: a switch, or a variable without others behind it.
fn is_whole(text: &[u8], name: &Range<usize>) -> bool {
    let value = text.get(name.end + 1..).unwrap_or_default();
    let named = |rest: &[u8]| {
        let word = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        word > 0 && rest.get(word) == Some(&b'=')
    };
    let more = value
        .iter()
        .enumerate()
        .any(|(at, byte)| matches!(byte, b'&' | b';' | b',' | b' ') && named(&value[at + 1..]));
    text.get(name.end) == Some(&b'=') && !more
}

/// The value behind a separator in running text.
fn behind(text: &[u8], at: usize, what: Names, name: &[u8]) -> Range<usize> {
    let mut start = at + 1;
    // `:=` and `=>`
    if matches!((text[at], text.get(start)), (b':', Some(b'=')) | (b'=', Some(b'>'))) {
        start += 1;
    }
    let spaces = |from: usize| text[from..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let spaced = spaces(start) > 0 || text[at - 1] == b' ';
    start += spaces(start);
    let quotes = text[start..].iter().take_while(|byte| **byte == b'\\').count();
    let quote = text.get(start + quotes).copied().filter(|byte| matches!(byte, b'"' | b'\''));
    if let Some(quote) = quote {
        start += quotes + 1;
        let end = text[start..].iter().position(|byte| *byte == quote).map_or(text.len(), |len| start + len);
        let end = end - quotes.min(end - start);
        return scheme(text, start..end, what);
    }
    let value = scheme(text, start..word_end(text, start), what);
    let words = &text[value.clone()];
    let own = name.to_ascii_lowercase().ends_with(&words.to_ascii_lowercase());
    let call = matches!(text.get(value.end), Some(b'(' | b'['));
    let typed =
        std::str::from_utf8(words).is_ok_and(|word| WORDS.contains(&word.to_ascii_lowercase().as_str()));
    // A sentence (`token: the parser drops it`) or a program, and not a value.
    let prose = spaced
        && what == Names::Token
        && words.len() < 20
        && words.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.'));
    if own || call || typed || prose { start..start } else { value }
}

/// Takes the scheme off an authorization.
fn scheme(text: &[u8], span: Range<usize>, what: Names) -> Range<usize> {
    if what != Names::Authorization {
        return span;
    }
    let word = &text[span.start..word_end(text, span.start)];
    let rest = span.start + word.len();
    if !SCHEMES.contains(&word.to_ascii_lowercase().as_slice()) || text.get(rest) != Some(&b' ') {
        return span;
    }
    let start = rest + text[rest..].iter().take_while(|byte| **byte == b' ').count();
    start..span.end.max(word_end(text, start))
}

/// The end of an unquoted word.
pub(super) fn word_end(text: &[u8], start: usize) -> usize {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\"'`&;,|()<>[]{}\\".contains(byte);
    text[start..].iter().position(ends).map_or(text.len(), |len| start + len)
}

/// Whether what stands behind a secret's name is a secret: no reference to one, no file that holds one, no yes or no.
pub(super) fn is_secret(value: &[u8]) -> bool {
    if value.is_empty() || is_replacement(value) {
        return false;
    }
    let Ok(text) = std::str::from_utf8(value) else { return true };
    let name = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let reference = match text.strip_prefix('$') {
        Some(rest) => rest.starts_with(['{', '(']) || name(rest),
        None => text.starts_with("%(") || text.starts_with("{{"),
    };
    let path = ["/", "./", "../", "~/"].iter().any(|root| text.starts_with(root)) && !is_random(value)
        || FILES.iter().any(|end| text.ends_with(end));
    let small = text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    let fields =
        ["id=", "name=", "type=", "src=", "env:", "file:", "fd:"].iter().any(|field| text.starts_with(field));
    !(reference || path || small || fields || WORDS.contains(&text.to_ascii_lowercase().as_str()))
}

/// Finds the passwords of URLs (RFC 3986, 3.2.1): `scheme://user:password@host`, and a token in the user's place.
pub(super) fn find_in_urls(text: &[u8], spans: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(found) = text[from..].windows(3).position(|window| window == b"://") {
        let start = from + found + 3;
        from = start;
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b"/?#\"'`<>\\".contains(byte);
        let end = text[start..].iter().position(ends).map_or(text.len(), |len| start + len);
        let Some(user) = text[start..end].iter().rposition(|byte| *byte == b'@') else { continue };
        let user = start..start + user;
        let colon = text[user.clone()].iter().position(|byte| *byte == b':').map(|len| user.start + len);
        match colon {
            // A token for a user, as some hosts of repositories want it.
            Some(colon) if matches!(&text[colon + 1..user.end], b"" | b"x-oauth-basic") => {
                spans.push(user.start..colon);
            }
            Some(colon) if is_secret(&text[colon + 1..user.end]) => spans.push(colon + 1..user.end),
            Some(_) => {}
            None if user.len() >= 16 && text[user.clone()].iter().any(u8::is_ascii_digit) => spans.push(user),
            None => {}
        }
    }
}
