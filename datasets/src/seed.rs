//! Randomness that repeats: every choice is a function of the seed, of what it is for, and of a number.

use rand::SeedableRng;

/// The generator of every choice here.
pub(crate) type Rng = rand_xoshiro::Xoshiro256PlusPlus;

/// The stream for one purpose. FNV-1a joins the parts, since the standard hasher may change between releases.
pub(crate) fn stream(seed: u64, purpose: &str, number: u64) -> Rng {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let number = number.to_le_bytes();
    let parts = [&seed.to_le_bytes()[..], purpose.as_bytes(), &number];
    let hash = parts
        .iter()
        .copied()
        .flatten()
        .fold(OFFSET, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    Rng::seed_from_u64(hash)
}
