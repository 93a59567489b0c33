//! Habits: what a session may do, dealt so that the recorded ones share them out evenly.
//!
//! A coin for each session would now and then leave a habit with a single recorded session, and the fresh session that
//! shows it would rightly be news. A dealt deck gives each habit its share of the recorded sessions, whatever the seed.
#![expect(clippy::indexing_slicing, reason = "a place is drawn from within the table")]

use crate::seed;
use rand::Rng as _;
use rand::seq::SliceRandom;

/// The cards of one session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deck {
    /// Seed of the world.
    pub seed: u64,
    /// Number of the session within its family; those from `recorded` on are fresh ones.
    pub index: usize,
    /// How many sessions of the family are recorded.
    pub recorded: usize,
}

impl Deck {
    /// Whether this session has a habit that the given share of the sessions has.
    pub fn has(&self, habit: &str, share: f64) -> bool {
        match self.place(habit) {
            Some(place) => (place as f64) < (share * self.recorded as f64).ceil(),
            None => self.own(habit).gen_bool(share.clamp(0.0, 1.0)),
        }
    }

    /// One of several ways, each of which has an equal share of the sessions.
    pub fn pick<T: Copy>(&self, habit: &str, ways: &[T]) -> T {
        let place = self.place(habit).unwrap_or_else(|| self.own(habit).r#gen::<u32>() as usize);
        ways[place % ways.len()]
    }

    /// The place of this session in the shuffled order for one habit; none for a fresh session.
    fn place(&self, habit: &str) -> Option<usize> {
        let mut order: Vec<usize> = (0..self.recorded).collect();
        order.shuffle(&mut seed::stream(self.seed, habit, 0));
        order.iter().position(|&index| index == self.index)
    }

    fn own(&self, habit: &str) -> seed::Rng {
        seed::stream(self.seed, habit, 1 + self.index as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_habit_has_its_share_of_the_recorded_sessions_for_every_seed() {
        for seed in 0..50 {
            let deck = |index| Deck { seed, index, recorded: 12 };
            assert_eq!((0..12).filter(|&i| deck(i).has("notes", 0.6)).count(), 8);
            for way in 0..3 {
                assert_eq!((0..12).filter(|&i| deck(i).pick("language", &[0, 1, 2]) == way).count(), 4);
            }
        }
    }
}
