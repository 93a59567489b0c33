//! Surprise of symbols: in bits, bounded, and less with every time.

use crate::ngram::{History, Ngram};
use rustc_hash::FxHashMap;

/// What one symbol may add at most, in bits: a single symbol is no pattern, however rare.
const SYMBOL_BITS_MAX: f64 = 16.0;

/// A symbol that surprises by so many bits was hardly ever seen here.
const SURPRISING_BITS: f64 = 8.0;

/// Symbols whose surprises are counted: numbers of system calls are the session's to choose. Past it each one tells anew.
const SYMBOLS_MAX: usize = 1 << 14;

/// How often each symbol has surprised in this session. What a session does again and again it has told once: the k-th
/// surprise by the same symbol counts for a k-th, as the k-th new file of a directory does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surprises(FxHashMap<u32, u32>);

impl Surprises {
    pub fn again(&mut self, symbol: u32, bits: f64) -> f64 {
        if bits < SURPRISING_BITS {
            return bits;
        }
        if self.0.len() >= SYMBOLS_MAX && !self.0.contains_key(&symbol) {
            return bits;
        }
        let times = self.0.entry(symbol).or_insert(0);
        *times = times.saturating_add(1);
        (bits / f64::from(*times)).max(SURPRISING_BITS / 2.0)
    }
}

/// Surprise under a model that leans on a broader one where it knows nothing, bounded, in bits.
pub(crate) fn surprise(model: &Ngram, broader: Option<&Ngram>, history: &History, symbol: u32) -> f64 {
    if model.observations() == 0 {
        return 0.0;
    }
    let uniform = model.uniform();
    let base = broader.map_or(uniform, |broader| broader.probability(history, symbol, uniform));
    (-model.probability(history, symbol, base).log2()).clamp(0.0, SYMBOL_BITS_MAX)
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests {
    use super::*;

    #[test]
    fn what_surprises_again_and_again_counts_less_each_time() {
        let mut surprises = Surprises::default();
        let bits = [16.0, 16.0, 16.0, 3.0].map(|bits| surprises.again(7, bits));
        assert_eq!(bits, [16.0, 8.0, 16.0 / 3.0, 3.0]);
        assert_eq!(surprises.again(8, 16.0), 16.0, "another symbol has told nothing yet");
        let last = (0..100).map(|_| surprises.again(7, 16.0)).last();
        assert_eq!(last, Some(SURPRISING_BITS / 2.0), "and it never becomes normal");
        (0..2 * SYMBOLS_MAX as u32).for_each(|symbol| _ = surprises.again(symbol, 16.0));
        assert_eq!(surprises.0.len(), SYMBOLS_MAX);
    }
}
