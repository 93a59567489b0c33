//! Places for connections: each costs a thread and descriptors, and anybody may connect.
//!
//! The last ones are root's. Of the others a user may have no more than are left free, so that whoever comes finds one: a
//! single user fills half of them, two three quarters.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections served at once: every session has one, and what is left is for the commands that last milliseconds.
pub(super) const PLACES: usize = abi::MAX_SESSIONS as usize + 64;
/// Those that root alone takes.
const OF_ROOT: usize = 16;

/// The places that are taken, by user.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<HashMap<u32, usize>>);

/// A place, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    uid: u32,
}

impl Places {
    fn taken(&self) -> MutexGuard<'_, HashMap<u32, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a user; `None`: there is none, or the user has enough.
    pub(super) fn take(self: &Arc<Self>, uid: u32) -> Option<Place> {
        let mut taken = self.taken();
        let free = PLACES.saturating_sub(taken.values().sum());
        let own = taken.entry(uid).or_default();
        let may = if uid == 0 { free > 0 } else { *own < free.saturating_sub(OF_ROOT) };
        if !may {
            return None;
        }
        *own += 1;
        Some(Place { places: Arc::clone(self), uid })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(own) = taken.get_mut(&self.uid) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_places_and_the_last_ones_are_roots() {
        let places = Arc::new(Places::default());
        let fill = |uid| std::iter::from_fn(|| places.take(uid)).collect::<Vec<Place>>();
        let one = fill(1000);
        assert_eq!(one.len(), (PLACES - OF_ROOT).div_ceil(2));
        let mut others = Vec::new();
        for uid in 1001..1008 {
            let other = fill(uid);
            assert!(!other.is_empty(), "{uid}");
            others.push(other);
        }
        let root = fill(0);
        assert!(root.len() >= OF_ROOT, "{}", root.len());
        assert_eq!(places.taken().values().sum::<usize>(), PLACES);
        drop((one, others, root));
        assert!(places.taken().is_empty());
        assert!(places.take(1000).is_some());
    }
}
