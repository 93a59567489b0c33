//! The baseline as bytes: a fixed header, a keyed MAC over everything, and a self-describing payload.
//!
//! | offset | size | what |
//! | --- | --- | --- |
//! | 0 | 8 | magic |
//! | 8 | 4 | format version, little-endian like everything |
//! | 12 | 32 | vocabulary hash |
//! | 44 | 8 | counter, against roll-back |
//! | 52 | 8 | length of the payload |
//! | 60 | 32 | BLAKE3 keyed hash of the bytes before it and of the payload |
//! | 92 | | payload: MessagePack, maps with names |
//!
//! Nothing of the payload is parsed before the MAC has been checked.
#![expect(clippy::indexing_slicing, reason = "the length was looked at before")]

use crate::baseline::Baseline;
use crate::error::Error;

pub use crate::limits::{FORMAT_VERSION, SIZE_MAX};

const MAGIC: &[u8; 8] = b"WARDBASE";
const MAC_AT: usize = 60;
const HEADER: usize = MAC_AT + 32;

/// What a reader insists on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// How this build reads events: [`event::vocabulary_hash`].
    pub vocabulary: [u8; 32],
    /// The lowest counter that is not a roll-back.
    pub counter: u64,
}

impl Default for Expected {
    /// This build's vocabulary, and any counter.
    fn default() -> Self {
        Self { vocabulary: event::vocabulary_hash(), counter: 0 }
    }
}

/// Seals a baseline.
pub fn encode(baseline: &Baseline, key: &[u8; 32], counter: u64) -> Result<Vec<u8>, Error> {
    let payload = rmp_serde::to_vec_named(baseline).map_err(|error| Error::Malformed(error.to_string()))?;
    if payload.len() > SIZE_MAX - HEADER {
        return Err(Error::TooLarge(payload.len() as u64));
    }
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend(MAGIC);
    bytes.extend(FORMAT_VERSION.to_le_bytes());
    bytes.extend(baseline.vocabulary);
    bytes.extend(counter.to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    let mac = seal(key, &bytes, &payload);
    bytes.extend(mac.as_bytes());
    bytes.extend(payload);
    Ok(bytes)
}

/// Opens a sealed baseline, and returns it with its counter.
pub fn decode(bytes: &[u8], key: &[u8; 32], expected: Expected) -> Result<(Baseline, u64), Error> {
    let magic = &bytes[..bytes.len().min(MAGIC.len())];
    if magic.is_empty() || !MAGIC.starts_with(magic) {
        return Err(Error::Foreign);
    }
    let cut = |expected| Error::Truncated { found: bytes.len(), expected };
    let version = u32::from_le_bytes(field(bytes, 8).ok_or(cut(HEADER))?);
    if version != FORMAT_VERSION {
        return Err(Error::OtherFormat { found: version });
    }
    let vocabulary: [u8; 32] = field(bytes, 12).ok_or(cut(HEADER))?;
    let counter = u64::from_le_bytes(field(bytes, 44).ok_or(cut(HEADER))?);
    let length = u64::from_le_bytes(field(bytes, 52).ok_or(cut(HEADER))?);
    let mac: [u8; 32] = field(bytes, MAC_AT).ok_or(cut(HEADER))?;
    let payload = &bytes[HEADER..];
    let length =
        usize::try_from(length).ok().filter(|&length| length <= SIZE_MAX).ok_or(Error::TooLarge(length))?;
    if payload.len() < length {
        return Err(cut(HEADER + length));
    }
    // Comparison of BLAKE3 hashes takes the same time wherever they differ.
    if payload.len() > length || seal(key, &bytes[..MAC_AT], payload) != blake3::Hash::from_bytes(mac) {
        return Err(Error::Seal);
    }
    if vocabulary != expected.vocabulary {
        return Err(Error::OtherVocabulary);
    }
    if counter < expected.counter {
        return Err(Error::RolledBack { found: counter, expected: expected.counter });
    }
    let baseline = parse(payload)?;
    Ok((baseline, counter))
}

/// Reads a baseline whose seal cannot be checked, since another machine made it: to be shown to a person. It must not
/// arm anything before it was sealed here.
pub fn decode_foreign(bytes: &[u8]) -> Result<Baseline, Error> {
    if !bytes.starts_with(MAGIC) {
        return Err(Error::Foreign);
    }
    let cut = Error::Truncated { found: bytes.len(), expected: HEADER };
    let version = u32::from_le_bytes(field(bytes, 8).ok_or(cut.clone())?);
    if version != FORMAT_VERSION {
        return Err(Error::OtherFormat { found: version });
    }
    let payload = bytes.get(HEADER..).ok_or(cut)?;
    if payload.len() > SIZE_MAX {
        return Err(Error::TooLarge(payload.len() as u64));
    }
    parse(payload)
}

/// Parses what a seal covers, for the fuzz target.
#[cfg(fuzzing)]
pub fn fuzz_parse(payload: &[u8]) -> Option<Baseline> {
    parse(payload).ok()
}

fn parse(payload: &[u8]) -> Result<Baseline, Error> {
    let malformed = |what: &str| Error::Malformed(what.to_owned());
    let baseline: Baseline = rmp_serde::from_slice(payload).map_err(|error| malformed(&error.to_string()))?;
    if !baseline.models.is_sound() {
        return Err(malformed("a model's parts do not fit together"));
    }
    if !baseline.calibration.is_sound() {
        return Err(malformed("the calibration's values are not in order"));
    }
    Ok(baseline)
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn seal(key: &[u8; 32], header: &[u8], payload: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(header);
    hasher.update(payload);
    hasher.finalize()
}
