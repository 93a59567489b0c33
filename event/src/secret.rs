//! Secrets in claimed text, replaced by a keyed hash before anything keeps or shows the text.
//!
//! A secret becomes `<secret:1a2b3c4d>`: the first 32 bits of its BLAKE3 hash under a key of this machine. The same secret
//! has the same replacement, so that its uses can be told to be the same; without the key it cannot be guessed from it.
//!
//! What counts as a secret: the value of a word that names one (`--password x`, `GITHUB_TOKEN=x`, `Authorization: Bearer
//! x`), the password of a URL, what is shaped like a key of a known kind, random-looking text, and private keys in PEM.
//! Where in doubt it is one, but for what programs use every day: commit hashes, UUIDs, digests, encoded text, paths.
//! Claimed text is open-ended: a secret that looks like a word and stands behind no name is not known for one.
#![expect(
    clippy::indexing_slicing,
    reason = "places were found in the same text; `fuzz/targets/secret.rs` looks for one that was not"
)]

mod name;
mod program;
mod random;
mod replacement;
mod shape;
mod value;

use crate::{Address, Event, Object};
use bstr::BString;
use std::ops::Range;

pub use replacement::REPLACEMENT_BYTES;
pub use shape::begins_like_a_key;

/// Secrets that are replaced one by one in an argument; one with more is replaced whole.
pub const REPLACEMENTS_MAX: usize = 64;
/// Passes over arguments until nothing changes any more. What still changes then is replaced whole.
const PASSES: usize = 4;

/// Replaces secrets. Pure: the same text and key give the same result.
#[derive(Clone)]
pub struct Redactor {
    key: [u8; 32],
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    /// With the key of this machine.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Replaces the secrets in the arguments and the host of what the event acted on.
    pub fn event(&self, event: &mut Event) {
        for object in [Some(&mut event.object), event.second.as_mut()].into_iter().flatten() {
            match object {
                Object::Exe(exe) => self.arguments(&mut exe.args, exe.args_cut),
                Object::Address(Address { host: Some(host), .. }) => self.host(&mut host.name),
                _ => {}
            }
        }
    }

    /// Replaces the labels of a host's name that are secrets. The same name always becomes the same.
    pub fn host(&self, name: &mut String) {
        let mut labels: Vec<BString> = name.split('.').map(BString::from).collect();
        labels.iter_mut().for_each(|label| self.text(label));
        let replaced = bstr::join(".", labels);
        if replaced != name.as_bytes() {
            *name = String::from_utf8_lossy(&replaced).into_owned();
        }
    }

    /// Replaces the secrets in an argument list. `cut`: the last argument may go on, so that its end may be the beginning
    /// of a secret. Done twice it changes nothing more. An argument grows by [`REPLACEMENTS_MAX`] times
    /// [`REPLACEMENT_BYTES`] at most.
    pub fn arguments(&self, args: &mut [BString], cut: bool) {
        let lengths: Vec<usize> = args.iter().map(|arg| arg.len()).collect();
        for pass in 0..=PASSES {
            let found = find(args, cut);
            if found.iter().all(Vec::is_empty) {
                return;
            }
            for ((arg, spans), length) in args.iter_mut().zip(found).zip(&lengths) {
                if spans.is_empty() {
                    continue;
                }
                let whole = pass == PASSES || spans.len() > REPLACEMENTS_MAX;
                let replaced =
                    if whole { replacement::of(&self.key, arg) } else { self.replace(arg, &spans) };
                let grown = replaced.len() > length + REPLACEMENTS_MAX * REPLACEMENT_BYTES;
                *arg = if grown { replacement::of(&self.key, arg) } else { replaced }.into();
            }
        }
    }

    /// Replaces the secrets in one text.
    pub fn text(&self, text: &mut BString) {
        self.arguments(std::slice::from_mut(text), false);
    }

    fn replace(&self, text: &[u8], spans: &[Range<usize>]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + spans.len() * REPLACEMENT_BYTES);
        let mut at = 0;
        for span in spans {
            out.extend_from_slice(&text[at..span.start]);
            out.extend_from_slice(&replacement::of(&self.key, &text[span.clone()]));
            at = span.end;
        }
        out.extend_from_slice(&text[at..]);
        out
    }
}

/// The secrets of each argument: in order, not empty, apart from one another, and no replacements.
fn find(args: &[BString], cut: bool) -> Vec<Vec<Range<usize>>> {
    let mut found: Vec<Vec<Range<usize>>> = vec![Vec::new(); args.len()];
    program::find(args, &mut found);
    for (index, (arg, spans)) in args.iter().zip(&mut found).enumerate() {
        let before = index.checked_sub(1).and_then(|before| args.get(before)).map(|arg| arg.as_slice());
        value::find(arg, before, spans);
        value::find_in_urls(arg, spans);
        shape::find(arg, before, cut && index + 1 == args.len(), spans);
        settle(arg, spans);
    }
    found
}

/// Puts spans in order, joins those that meet, and drops replacements.
fn settle(text: &[u8], spans: &mut Vec<Range<usize>>) {
    let replaced = replacement::all(text);
    let inside = |span: &Range<usize>| replaced.iter().any(|r| r.start <= span.start && span.end <= r.end);
    spans.retain(|span| span.start < span.end && span.end <= text.len() && !inside(span));
    spans.sort_by_key(|span| (span.start, span.end));
    spans.dedup_by(|next, last| {
        let joined = next.start < last.end;
        if joined {
            last.end = last.end.max(next.end);
        }
        joined
    });
}

#[cfg(test)]
mod tests;
