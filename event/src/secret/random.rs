//! Whether text looks random: keys are, names are not.
#![expect(
    clippy::indexing_slicing,
    reason = "places were found in the same text; `fuzz/targets/secret.rs` looks for one that was not"
)]

/// Letters and digits of the shortest text that is called random: 20 of them carry 119 bits, and fewer are too often
/// the name of something.
pub(super) const RANDOM_MIN: usize = 20;
/// The same at a cut end, where the rest is not seen.
pub(super) const RANDOM_MIN_CUT: usize = 12;
/// Changes between small letters, capitals and digits, of all neighbours: 0.62 on average where all 62 are as likely,
/// 0.2 to 0.5 in names in camel case.
const CHANGES: f64 = 0.35;
/// Of all letters and digits, those of two or more small letters in a row with the capital before them: 0.35 on average
/// where all 62 are as likely, nearly all in names.
const WORDS: f64 = 0.65;
/// First bytes of encoded files that are small and no secrets: pictures, archives, programs, fonts, public keys.
const MAGICS: [&[u8]; 15] = [
    b"iVBORw0KGgo",
    b"R0lGOD",
    b"/9j/",
    b"H4sI",
    b"UEsDB",
    b"f0VMR",
    b"AGFzbQ",
    b"KLUv",
    b"/Td6WFo",
    b"AAAA",
    b"d09GM",
    b"AAABAA",
    b"UklGR",
    b"Qlpo",
    b"AAEAAAA",
];

/// Whether a run of letters, digits, `+`, `/`, `-` and `_` looks random.
pub(super) fn is_random(text: &[u8]) -> bool {
    looks_random(text, RANDOM_MIN)
}

pub(super) fn looks_random(text: &[u8], least: usize) -> bool {
    let count = |class: fn(&u8) -> bool| text.iter().filter(|byte| class(byte)).count();
    let (small, capital, digit) =
        (count(u8::is_ascii_lowercase), count(u8::is_ascii_uppercase), count(u8::is_ascii_digit));
    if small + capital + digit < least || small < 2 || capital < 2 || digit < 1 {
        return false;
    }
    // Hashes, UUIDs and numbers.
    if text.iter().all(|byte| byte.is_ascii_hexdigit() || !byte.is_ascii_alphanumeric()) {
        return false;
    }
    let class = |byte: u8| match byte {
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        b'0'..=b'9' => 3,
        _ => 0,
    };
    let pairs =
        text.windows(2).map(|pair| (class(pair[0]), class(pair[1]))).filter(|(a, b)| *a != 0 && *b != 0);
    let (mut all, mut changes) = (0u32, 0u32);
    for (a, b) in pairs {
        all += 1;
        changes += u32::from(a != b);
    }
    let known = (small + capital + digit) as f64;
    f64::from(changes) >= CHANGES * f64::from(all)
        && (in_words(text) as f64) < WORDS * known
        && !is_encoded_file(text)
}

/// Letters that stand in words.
fn in_words(text: &[u8]) -> usize {
    let mut letters = 0;
    let mut at = 0;
    while at < text.len() {
        let run = text[at..].iter().take_while(|byte| byte.is_ascii_lowercase()).count();
        if run >= 2 {
            letters += run + usize::from(at > 0 && text[at - 1].is_ascii_uppercase());
        }
        at += run.max(1);
    }
    letters
}

/// Base64 (RFC 4648) of text, or of a file of a usual kind.
fn is_encoded_file(text: &[u8]) -> bool {
    MAGICS.iter().any(|magic| text.starts_with(magic)) || decode(text).is_some_and(|bytes| is_text(&bytes))
}

/// Nearly all of it can be printed.
fn is_text(bytes: &[u8]) -> bool {
    let printed =
        |chunk: &str| chunk.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t' | '\r')).count();
    let chars: usize = bytes.utf8_chunks().map(|chunk| printed(chunk.valid())).sum();
    !bytes.is_empty() && chars * 20 >= bytes.len() * 19
}

/// The bytes that base64 in either alphabet stands for; bits past the last whole byte are left out.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0u32, 0u32);
    for &byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            let [.., byte] = (bits >> held).to_be_bytes();
            out.push(byte);
        }
    }
    Some(out)
}
