//! Recognises secrets by shape: keys of known kinds, random-looking text, private keys in PEM.
#![expect(
    clippy::indexing_slicing,
    reason = "places were found in the same text; `fuzz/targets/secret.rs` looks for one that was not"
)]

use super::random::{RANDOM_MIN, RANDOM_MIN_CUT, looks_random};
use std::ops::Range;

/// Beginnings of keys of known kinds, and so many letters and digits (`-`, `_` and `.` besides) follow at least.
const KINDS: [(&[u8], usize); 51] = [
    (b"AKIA", 16),
    (b"ASIA", 16),
    (b"AIza", 30),
    (b"ya29.", 20),
    (b"GOCSPX-", 20),
    (b"ghp_", 20),
    (b"gho_", 20),
    (b"ghu_", 20),
    (b"ghs_", 20),
    (b"ghr_", 20),
    (b"github_pat_", 20),
    (b"glpat-", 16),
    (b"gldt-", 16),
    (b"glrt-", 16),
    (b"glcbt-", 16),
    (b"glptt-", 16),
    (b"ATBB", 20),
    (b"ATATT3", 20),
    (b"sk-", 20),
    (b"sk_live_", 16),
    (b"sk_test_", 16),
    (b"rk_live_", 16),
    (b"rk_test_", 16),
    (b"whsec_", 16),
    (b"gsk_", 20),
    (b"xai-", 20),
    (b"pplx-", 20),
    (b"r8_", 20),
    (b"hf_", 20),
    (b"nvapi-", 20),
    (b"AQVN", 30),
    (b"xoxa-", 10),
    (b"xoxb-", 10),
    (b"xoxe-", 10),
    (b"xoxp-", 10),
    (b"xoxr-", 10),
    (b"xoxs-", 10),
    (b"xapp-", 10),
    (b"npm_", 30),
    (b"pypi-AgE", 20),
    (b"dckr_pat_", 16),
    (b"SG.", 30),
    (b"dop_v1_", 30),
    (b"shpat_", 20),
    (b"shpss_", 20),
    (b"hvs.", 20),
    (b"hvb.", 20),
    (b"tskey-", 16),
    (b"lin_api_", 20),
    (b"AGE-SECRET-KEY-1", 30),
    (b"glsa_", 20),
];
/// A JSON Web Token (RFC 7519): its first two parts are objects, encoded.
const JWT: &[u8] = b"eyJ";
const JWT_MIN: usize = 16;
/// How digests are announced: what follows is the hash of something, and random to look at.
const DIGESTS: [&[u8]; 11] = [
    b"sha1-",
    b"sha256-",
    b"sha384-",
    b"sha512-",
    b"md5-",
    b"sha1:",
    b"sha256:",
    b"sha512:",
    b"md5:",
    b"h1:",
    b"buildid=",
];
/// Bytes that are read back for the name of a digest.
const DIGEST_NAME: usize = 12;

/// Whether a value begins like a key of a known kind, however long it is.
pub fn begins_like_a_key(value: &[u8]) -> bool {
    value.starts_with(b"-----BEGIN ") || KINDS.iter().any(|(begin, _)| value.starts_with(begin))
}

/// Finds them in one argument. `before` is the argument before it; `cut`: the text may go on.
pub(super) fn find(text: &[u8], before: Option<&[u8]>, cut: bool, spans: &mut Vec<Range<usize>>) {
    let blocks = pem(text, spans);
    let build_id = before.is_some_and(|arg| arg.ends_with(b"-buildid") || arg.ends_with(b"-build-id"));
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'+' | b'/');
    let mut at = 0;
    while at < text.len() {
        if !is_word(text[at]) {
            at += 1;
            continue;
        }
        let len = text[at..].iter().take_while(|byte| is_word(**byte)).count();
        let word = at..at + len;
        at = word.end;
        if blocks.iter().any(|block| block.start < word.end && word.start < block.end) {
            continue;
        }
        let cut = cut && word.end == text.len();
        if !known(text, &word, cut, spans) && !build_id {
            random(text, word, cut, spans);
        }
    }
}

/// Private keys in PEM (RFC 7468) become spans. Returns where any blocks stand: certificates and public keys look random
/// and are none.
fn pem(text: &[u8], spans: &mut Vec<Range<usize>>) -> Vec<Range<usize>> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    const END: &[u8] = b"-----END ";
    let position = |from: usize, what: &[u8]| {
        text[from..].windows(what.len()).position(|window| window == what).map(|len| from + len)
    };
    let mut blocks = Vec::new();
    let mut from = 0;
    while let Some(start) = position(from, BEGIN) {
        let label = start + BEGIN.len();
        let end = position(label, END)
            .map(|end| position(end + END.len(), b"-----").map_or(text.len(), |dashes| dashes + 5))
            .unwrap_or(text.len());
        let head = &text[label..end.min(label + 40)];
        let head = head.split(|byte| *byte == b'-').next().unwrap_or_default();
        // A label that is cut may go on as any.
        if label + head.len() == text.len() || head.windows(11).any(|window| window == b"PRIVATE KEY") {
            spans.push(start..end);
        }
        blocks.push(start..end);
        from = end;
    }
    blocks
}

/// Finds keys of known kinds in a word.
fn known(text: &[u8], word: &Range<usize>, cut: bool, spans: &mut Vec<Range<usize>>) -> bool {
    let is_body = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    for start in word.clone() {
        let first =
            start == word.start || !text[start - 1].is_ascii_alphanumeric() && text[start - 1] != b'_';
        if !first {
            continue;
        }
        let rest = &text[start..word.end];
        for (begin, least) in KINDS.iter().copied().chain([(JWT, JWT_MIN)]) {
            let Some(body) = rest.strip_prefix(begin) else { continue };
            let len = body.iter().take_while(|byte| is_body(byte)).count();
            let (body, ends) = (&body[..len], start + begin.len() + len);
            let open = cut && ends == text.len();
            let counted = body.iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
            let digits = body.iter().any(u8::is_ascii_digit);
            // Numbers and words are no key: `npm_config_...`, `sk-learn-...`.
            let words = body.iter().filter(|byte| !byte.is_ascii_alphanumeric()).count() * 5 > body.len();
            let jwt = begin != JWT || body.contains(&b'.');
            if open && counted >= 4
                || counted >= least && digits && jwt && (!words || begin.starts_with(b"xox"))
            {
                spans.push(start..ends);
                return true;
            }
        }
    }
    false
}

/// Finds random-looking text in a word.
fn random(text: &[u8], word: Range<usize>, cut: bool, spans: &mut Vec<Range<usize>>) {
    // `.` ends a key and not a path; where none of the pieces is random, the word is not.
    let mut start = word.start;
    for piece in text[word].split(|byte| *byte == b'.') {
        let span = start..start + piece.len();
        start = span.end + 1;
        let open = cut && span.end == text.len();
        let least = if open { RANDOM_MIN_CUT } else { RANDOM_MIN };
        if looks_random(piece, least) && !is_digest(text, &span) && !is_path(piece) {
            let padding = text[span.end..].iter().take(2).take_while(|byte| **byte == b'=').count();
            spans.push(span.start..span.end + padding);
        }
    }
}

/// Behind the name of a hash function.
fn is_digest(text: &[u8], span: &Range<usize>) -> bool {
    let read = &text[span.start.saturating_sub(DIGEST_NAME)..span.start];
    DIGESTS
        .iter()
        .any(|name| text[span.clone()].starts_with(name) || read.to_ascii_lowercase().ends_with(name))
}

/// A path whose names, each for itself, do not look random.
fn is_path(text: &[u8]) -> bool {
    let names: Vec<&[u8]> = text.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
    let wordy = |name: &&[u8]| {
        name.len() >= 3
            && name.windows(2).filter(|pair| pair.iter().all(u8::is_ascii_lowercase)).count() * 2
                >= name.len()
    };
    names.len() >= 3 && names.iter().filter(|name| wordy(name)).count() * 2 >= names.len()
        || text.starts_with(b"/") && names.iter().all(|name| !looks_random(name, RANDOM_MIN))
}
