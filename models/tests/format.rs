//! A baseline is read back as it was written, and no other bytes are taken for one.
#![expect(clippy::cast_possible_truncation, reason = "a test's numbers are small")]
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test that looks for it")]
#![expect(clippy::let_underscore_must_use, reason = "any answer is right but a panic")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod synth;

use event::AgentName;
use models::{Error, Expected, decode, encode};
use proptest::prelude::*;
use std::sync::OnceLock;
use synth::{Task, baseline, session};

const KEY: [u8; 32] = [7; 32];

fn sealed() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| encode(&baseline(Task::Edit, 4, 1), &KEY, 5).unwrap())
}

#[test]
fn what_was_written_is_read_back_and_scores_alike() {
    let original = baseline(Task::Edit, 4, 1);
    let (read, counter) = decode(sealed(), &KEY, Expected::default()).unwrap();
    assert_eq!(counter, 5);
    assert_eq!(read, *original);
    let session = session(Task::Edit, synth::Turn::Clean, 99);
    assert_eq!(session.scores(&std::sync::Arc::new(read)), session.scores(&original));
}

#[test]
fn each_way_of_being_wrong_has_its_own_error() {
    let expected = Expected::default();
    let bytes = sealed();
    assert_eq!(decode(b"\x7fELF....", &KEY, expected), Err(Error::Foreign));
    assert_eq!(decode(b"", &KEY, expected), Err(Error::Foreign));
    let cut = decode(&bytes[..bytes.len() - 1], &KEY, expected);
    assert_eq!(cut, Err(Error::Truncated { found: bytes.len() - 1, expected: bytes.len() }));
    assert!(matches!(decode(&bytes[..50], &KEY, expected), Err(Error::Truncated { found: 50, .. })));
    assert_eq!(decode(bytes, &[8; 32], expected), Err(Error::Seal));
    let rolled_back = decode(bytes, &KEY, Expected { counter: 6, ..expected });
    assert_eq!(rolled_back, Err(Error::RolledBack { found: 5, expected: 6 }));
    let other = decode(bytes, &KEY, Expected { vocabulary: [0; 32], ..expected });
    assert_eq!(other, Err(Error::OtherVocabulary));
    let mut newer = bytes.to_vec();
    newer[8] = models::format::FORMAT_VERSION as u8 + 1;
    assert_eq!(
        decode(&newer, &KEY, expected),
        Err(Error::OtherFormat { found: models::format::FORMAT_VERSION + 1 })
    );
    let mut older = bytes.to_vec();
    older[8] = models::format::FORMAT_VERSION as u8 - 1;
    let refused = decode(&older, &KEY, expected).map(|_| ()).map_err(|error| error.to_string());
    assert!(refused.is_err_and(|words| words.ends_with("make it again with `wardline train`")));
    let mut vast = bytes.to_vec();
    vast[59] = 1;
    assert!(matches!(decode(&vast, &KEY, expected), Err(Error::TooLarge(_))));
}

/// Seed of the fuzz target: what the seal of a small baseline covers.
fn seed() -> Vec<u8> {
    let short = |seed| {
        let mut session = session(Task::Edit, synth::Turn::Clean, seed);
        session.records.truncate(60);
        session
    };
    let baseline = synth::baseline_of(Task::Edit, (0..4).map(short).collect(), 1);
    encode(&baseline, &KEY, 1).unwrap().split_off(92)
}

const SEED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/baseline/small");

#[test]
fn the_seed_of_the_fuzz_target_is_a_baseline() {
    if std::env::var_os("WARDLINE_WRITE_SEEDS").is_some() {
        std::fs::write(SEED, seed()).unwrap();
    }
    let read = decode(&seal(&std::fs::read(SEED).unwrap()), &KEY, Expected::default());
    assert_eq!(
        read.map(|(baseline, _)| baseline.agent).as_ref().map(AgentName::as_str),
        Ok("codex"),
        "write the seeds anew"
    );
}

/// A name becomes a folder's and a file's: none that leads elsewhere is read, not even by who shows a baseline from elsewhere.
#[test]
fn a_name_that_leads_elsewhere_is_none() {
    let payload = seed();
    let at = payload.windows(5).position(|bytes| bytes == b"codex").unwrap();
    let mut other = payload.clone();
    other[at..at + 5].copy_from_slice(b"../xx");
    assert!(decode(&seal(&payload), &KEY, Expected::default()).is_ok());
    let read = decode(&seal(&other), &KEY, Expected::default());
    assert!(matches!(read, Err(Error::Malformed(_))), "{read:?}");
    assert!(matches!(models::format::decode_foreign(&seal(&other)), Err(Error::Malformed(_))));
}

/// Bytes with a right seal around a payload: only who holds the key can make them.
fn seal(payload: &[u8]) -> Vec<u8> {
    let mut bytes = sealed()[..52].to_vec();
    bytes.extend((payload.len() as u64).to_le_bytes());
    let mac = blake3::Hasher::new_keyed(&KEY).update(&bytes).update(payload).finalize();
    bytes.extend(mac.as_bytes());
    bytes.extend(payload);
    bytes
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes, &KEY, Expected::default());
        let _ = decode(&[&sealed()[..8], &bytes].concat(), &KEY, Expected::default());
        let sealed_junk = decode(&seal(&bytes), &KEY, Expected::default());
        prop_assert!(matches!(sealed_junk, Err(Error::Malformed(_))));
    }

    #[test]
    fn any_changed_bit_is_noticed(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut bytes = sealed().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(decode(&bytes, &KEY, Expected::default()).is_err());
    }

    #[test]
    fn a_sealed_payload_with_changed_bytes_scores_without_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut payload = sealed()[92..].to_vec();
        let at = at.index(payload.len());
        payload[at] = byte;
        if let Ok((baseline, _)) = decode(&seal(&payload), &KEY, Expected::default()) {
            session(Task::Edit, synth::Turn::Clean, 3).scores(&std::sync::Arc::new(baseline));
        }
    }
}
