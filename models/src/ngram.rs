//! Witten-Bell interpolated n-grams, learned one symbol at a time, mergeable and subtractable.
//!
//! `p(w|h) = (c(hw) + T(h) p(w|h')) / (c(h) + T(h))`, where `T(h)` is how many distinct symbols followed `h` and `h'`
//! is `h` without its oldest symbol. The recursion ends at a base probability: uniform over the known symbols and one
//! unknown, or what a broader model says (task, then agent, then everything).
//!
//! Sources: Witten and Bell 1991, "The zero-frequency problem", method C; the interpolated form is Chen and Goodman
//! 1998, "An empirical study of smoothing techniques for language modeling", equation 12.
#![expect(clippy::cast_possible_truncation, reason = "nodes are bounded in number")]
#![expect(
    clippy::indexing_slicing,
    reason = "a table's rows name rows of the same table: what is read from a file is checked (`is_sound`), and `fuzz/targets/baseline.rs` looks for more"
)]

use serde::{Deserialize, Serialize};

/// Symbols of context that a [`History`] can hold: the longest n-gram has one more.
pub const HISTORY: usize = 5;

/// Contexts that one model keeps. Past it no new context is learned, and prediction rests on the shorter ones that are
/// known: about 100 MB at the very most, where a baseline of a dozen sessions has some ten thousand.
const CONTEXTS_MAX: usize = 1 << 20;

/// The last symbols of one stream, the most recent first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    symbols: [u32; HISTORY],
    len: usize,
}

impl History {
    /// Takes in the next symbol.
    pub fn push(&mut self, symbol: u32) {
        self.symbols.copy_within(0..HISTORY - 1, 1);
        self.symbols[0] = symbol;
        self.len = (self.len + 1).min(HISTORY);
    }

    /// The symbols, the most recent first.
    pub fn recent(&self) -> &[u32] {
        &self.symbols[..self.len]
    }
}

/// What followed one context. Nodes form a trie over reversed contexts, so that one walk from the root meets every
/// back-off level, the shortest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Node {
    /// How often each symbol followed, by symbol; never a count of zero.
    #[serde(rename = "n")]
    next: Vec<(u32, u32)>,
    /// Sum of the counts.
    #[serde(rename = "t")]
    total: u64,
    /// Node of the context that is one symbol longer, by its oldest symbol.
    #[serde(rename = "c")]
    longer: Vec<(u32, u32)>,
}

impl Node {
    fn count(&self, symbol: u32) -> u32 {
        self.next.binary_search_by_key(&symbol, |entry| entry.0).map_or(0, |at| self.next[at].1)
    }

    fn add(&mut self, symbol: u32, count: u32) {
        match self.next.binary_search_by_key(&symbol, |entry| entry.0) {
            Ok(at) => self.next[at].1 = self.next[at].1.saturating_add(count),
            Err(at) => self.next.insert(at, (symbol, count)),
        }
        self.total += u64::from(count);
    }

    fn remove(&mut self, symbol: u32, count: u32) {
        let Ok(at) = self.next.binary_search_by_key(&symbol, |entry| entry.0) else { return };
        let taken = count.min(self.next[at].1);
        self.next[at].1 -= taken;
        if self.next[at].1 == 0 {
            self.next.remove(at);
        }
        self.total = self.total.saturating_sub(u64::from(taken));
    }

    fn child(&self, symbol: u32) -> Option<usize> {
        let at = self.longer.binary_search_by_key(&symbol, |entry| entry.0).ok()?;
        Some(self.longer[at].1 as usize)
    }
}

/// A Witten-Bell model of one kind of stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ngram {
    order: usize,
    nodes: Vec<Node>,
}

impl Ngram {
    /// An empty model of n-grams of up to `order` symbols (1 to [`HISTORY`] + 1).
    pub fn new(order: usize) -> Self {
        Self { order: order.clamp(1, HISTORY + 1), nodes: vec![Node::default()] }
    }

    /// Symbols learned.
    pub fn observations(&self) -> u64 {
        self.nodes.first().map_or(0, |root| root.total)
    }

    /// Distinct symbols learned.
    pub fn symbols(&self) -> usize {
        self.nodes.first().map_or(0, |root| root.next.len())
    }

    /// How often a symbol was learned, after whatever.
    pub fn count(&self, symbol: u32) -> u32 {
        self.nodes.first().map_or(0, |root| root.count(symbol))
    }

    /// Contexts held.
    pub fn contexts(&self) -> usize {
        self.nodes.len()
    }

    /// Learns that `symbol` followed `history`.
    pub fn learn(&mut self, history: &History, symbol: u32) {
        let mut at = 0;
        self.nodes[0].add(symbol, 1);
        for &older in history.recent().iter().take(self.order - 1) {
            let Some(child) = self.grow(at, older) else { return };
            at = child;
            self.nodes[at].add(symbol, 1);
        }
    }

    /// The node of the context that is longer by `older`, made when there is room.
    fn grow(&mut self, at: usize, older: u32) -> Option<usize> {
        match self.nodes[at].longer.binary_search_by_key(&older, |entry| entry.0) {
            Ok(found) => {
                let child = self.nodes[at].longer[found].1 as usize;
                (child < self.nodes.len()).then_some(child)
            }
            Err(_) if self.nodes.len() >= CONTEXTS_MAX => None,
            Err(place) => {
                let child = self.nodes.len();
                self.nodes.push(Node::default());
                self.nodes[at].longer.insert(place, (older, child as u32));
                Some(child)
            }
        }
    }

    /// Probability of a symbol under no context and no knowledge: uniform over the known symbols and the unknown one.
    pub fn uniform(&self) -> f64 {
        1.0 / (self.symbols() as f64 + 1.0)
    }

    /// Probability that `symbol` follows `history`; `base` is its probability where this model knows nothing.
    pub fn probability(&self, history: &History, symbol: u32, base: f64) -> f64 {
        let mut p = base;
        let mut node = self.nodes.first();
        let mut older = history.recent().iter().take(self.order - 1);
        while let Some(context) = node {
            let types = context.next.len() as f64;
            let total = context.total as f64;
            if total > 0.0 {
                p = (f64::from(context.count(symbol)) + types * p) / (total + types);
            }
            node = older.next().and_then(|&symbol| self.nodes.get(context.child(symbol)?));
        }
        p
    }

    /// Surprise, -log2 p, of `symbol` after `history`, in bits. 0 for a model that has learned nothing.
    pub fn surprise(&self, history: &History, symbol: u32) -> f64 {
        if self.observations() == 0 {
            return 0.0;
        }
        -self.probability(history, symbol, self.uniform()).log2()
    }

    /// The longest n-gram ending in `symbol` that was ever seen; 0 for a symbol that is unknown.
    pub fn seen_order(&self, history: &History, symbol: u32) -> usize {
        let mut seen = 0;
        let mut node = self.nodes.first();
        let mut older = history.recent().iter().take(self.order - 1);
        while let Some(context) = node.filter(|context| context.count(symbol) > 0) {
            seen += 1;
            node = older.next().and_then(|&symbol| self.nodes.get(context.child(symbol)?));
        }
        seen
    }

    /// Adds what `other` has learned.
    pub fn merge(&mut self, other: &Ngram) {
        let mut pairs = vec![(0usize, 0usize, 0usize)];
        while let Some((mine, theirs, depth)) = pairs.pop() {
            let Some(source) = other.nodes.get(theirs) else { continue };
            for &(symbol, count) in &source.next {
                self.nodes[mine].add(symbol, count);
            }
            if depth + 1 < self.order {
                for &(older, child) in &source.longer {
                    if let Some(grown) = self.grow(mine, older) {
                        pairs.push((grown, child as usize, depth + 1));
                    }
                }
            }
        }
    }

    /// Takes away what `other`, merged earlier, had learned: leaves the model as if it had never been merged, except for
    /// empty contexts, which predict nothing.
    pub fn subtract(&mut self, other: &Ngram) {
        let mut pairs = vec![(0usize, 0usize, 0usize)];
        while let Some((mine, theirs, depth)) = pairs.pop() {
            let (Some(target), Some(source)) = (self.nodes.get_mut(mine), other.nodes.get(theirs)) else {
                continue;
            };
            for &(symbol, count) in &source.next {
                target.remove(symbol, count);
            }
            if depth + 1 < self.order {
                let both = source
                    .longer
                    .iter()
                    .filter_map(|&(older, child)| Some((target.child(older)?, child as usize)));
                pairs.extend(both.map(|(target, source)| (target, source, depth + 1)));
            }
        }
    }

    /// The same model with its contexts numbered by what they are, and without those that are empty: of the same symbols, in
    /// whatever order and parts they were learned, merged and taken away, it is the same, bit for bit. Where there was no
    /// room for every context, which of them are known depends on the order.
    pub fn settled(&self) -> Self {
        let mut settled = Self { order: self.order, nodes: vec![Node::default()] };
        // Of a context that is longer, the number here and the one there; those of all shorter ones are taken already.
        let mut at = 0;
        let mut sources = vec![0usize];
        while let Some(source) = sources.get(at).and_then(|&source| self.nodes.get(source)) {
            let mut longer = Vec::new();
            for &(older, child) in &source.longer {
                // What follows a longer context followed the shorter one: below an empty one there is nothing.
                if self.nodes.get(child as usize).is_some_and(|node| node.total > 0) {
                    longer.push((older, sources.len() as u32));
                    sources.push(child as usize);
                    settled.nodes.push(Node::default());
                }
            }
            settled.nodes[at] = Node { next: source.next.clone(), total: source.total, longer };
            at += 1;
        }
        settled
    }

    /// Whether the parts fit together, for models that come from a file: `grow` relies on a root and a sane order.
    pub(crate) fn is_sound(&self) -> bool {
        let sorted = |entries: &[(u32, u32)]| entries.windows(2).all(|pair| pair[0].0 < pair[1].0);
        (1..=HISTORY + 1).contains(&self.order)
            && (1..=CONTEXTS_MAX).contains(&self.nodes.len())
            && self.nodes.iter().enumerate().all(|(at, node)| {
                sorted(&node.next)
                    && sorted(&node.longer)
                    && node.total == node.next.iter().map(|entry| u64::from(entry.1)).sum::<u64>()
                    && node
                        .longer
                        .iter()
                        .all(|entry| (entry.1 as usize) > at && (entry.1 as usize) < self.nodes.len())
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(order: usize, symbols: &[u32]) -> Ngram {
        let mut model = Ngram::new(order);
        let mut history = History::default();
        for &symbol in symbols {
            model.learn(&history, symbol);
            history.push(symbol);
        }
        model
    }

    fn after(symbols: &[u32]) -> History {
        let mut history = History::default();
        symbols.iter().for_each(|&symbol| history.push(symbol));
        history
    }

    #[test]
    fn probabilities_of_all_symbols_and_the_unknown_sum_to_one() {
        let model = learned(6, &[1, 2, 3, 1, 2, 4, 1, 2, 3, 5]);
        for context in [vec![], vec![1], vec![1, 2], vec![9], vec![3, 1, 2]] {
            let history = after(&context);
            let sum: f64 =
                [1, 2, 3, 4, 5, 99].iter().map(|&s| model.probability(&history, s, model.uniform())).sum();
            assert!((sum - 1.0).abs() < 1e-12, "{context:?}: {sum}");
        }
    }

    #[test]
    fn the_formula_is_witten_bells() {
        // After 1: 2 twice, 3 once. T = 2, N = 3. Unigrams of 1 2 1 3 1 2: 1 x3, 2 x2, 3 x1; T = 3, N = 6.
        let model = learned(2, &[1, 2, 1, 3, 1, 2]);
        let unigram = (2.0 + 3.0 * 0.25) / 9.0;
        let expected = (2.0 + 2.0 * unigram) / 5.0;
        assert!((model.probability(&after(&[1]), 2, model.uniform()) - expected).abs() < 1e-12);
    }

    #[test]
    fn what_was_subtracted_was_never_there() {
        let (a, b) = (learned(6, &[1, 2, 3, 1, 2, 3, 4]), learned(6, &[1, 2, 5, 6, 1, 2, 3]));
        let mut both = a.clone();
        both.merge(&b);
        both.subtract(&b);
        for symbol in 0..8 {
            for context in [vec![], vec![1, 2], vec![2], vec![5, 6, 1]] {
                let history = after(&context);
                assert_eq!(both.surprise(&history, symbol), a.surprise(&history, symbol));
            }
        }
    }

    #[test]
    fn the_unknown_costs_more_than_the_rare_and_the_rare_more_than_the_usual() {
        let mut stream = [1, 2].repeat(50);
        stream.push(3);
        let model = learned(6, &stream);
        let history = after(&[2, 1]);
        let bits = |symbol| model.surprise(&history, symbol);
        assert!(
            bits(2) < 0.2 && bits(2) < bits(3) && bits(3) < bits(7),
            "{} {} {}",
            bits(2),
            bits(3),
            bits(7)
        );
        assert_eq!(model.seen_order(&history, 7), 0);
        assert!(model.seen_order(&history, 2) >= 2);
    }
}
