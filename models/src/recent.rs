//! A channel's recent surprises, for its explanations.

use std::collections::VecDeque;

/// Things that are remembered.
const KEPT: usize = 24;

/// Actions after which a surprising thing explains nothing any more.
const ACTIONS_MAX: u64 = 96;

/// Bits from which a thing is worth telling.
pub(crate) const TELLING_BITS: f64 = 5.0;

/// Things that are told at most.
const TOLD_MAX: usize = 3;

/// The most recent things that were worth telling. The room for them is taken once.
#[derive(Clone, Debug)]
pub(crate) struct Recent<T> {
    items: VecDeque<Item<T>>,
    actions: u64,
}

#[derive(Clone, Copy, Debug)]
struct Item<T> {
    action: u64,
    bits: f64,
    what: T,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self { items: VecDeque::with_capacity(KEPT), actions: 0 }
    }
}

impl<T> Recent<T> {
    /// Takes in a thing, if it is worth telling.
    pub fn see(&mut self, bits: f64, what: impl FnOnce() -> T) {
        if bits < TELLING_BITS {
            return;
        }
        if self.items.len() == KEPT {
            self.items.pop_front();
        }
        self.items.push_back(Item { action: self.actions, bits, what: what() });
    }

    /// An action has passed.
    pub fn act(&mut self) {
        self.actions += 1;
    }

    /// The weightiest in words, each once.
    pub fn told(&self, words: impl Fn(&T) -> String) -> Vec<String> {
        let fresh = self.items.iter().filter(|item| item.action + ACTIONS_MAX >= self.actions);
        let mut items: Vec<&Item<T>> = fresh.collect();
        items.sort_by(|a, b| b.bits.total_cmp(&a.bits));
        let mut told: Vec<String> = Vec::new();
        for item in items {
            let said = words(&item.what);
            if !told.contains(&said) {
                told.push(said);
            }
            if told.len() == TOLD_MAX {
                break;
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weightiest_of_late_are_told_and_each_once() {
        let mut recent = Recent::default();
        recent.see(30.0, || "old");
        (0..=ACTIONS_MAX).for_each(|_| recent.act());
        for (bits, what) in [(4.0, "little"), (6.0, "c"), (9.0, "a"), (9.0, "a"), (7.0, "b"), (5.0, "d")] {
            recent.see(bits, || what);
        }
        assert_eq!(recent.told(|what| (*what).to_owned()), ["a", "b", "c"]);
        (0..3 * KEPT).for_each(|_| recent.see(8.0, || "much"));
        assert_eq!(
            (recent.items.len(), recent.items.capacity()),
            (KEPT, Recent::<&str>::default().items.capacity())
        );
    }
}
