//! A session's uses of the user's keys, through its broker.

use super::Live;
use broker::Use;
use wire::KeyUse;

/// Different uses that are told apart, of those that were granted and of those that were refused; more are not kept.
const USES_MAX: usize = 256;

impl Live {
    /// Notes a use of a key; whether it is the first of its kind.
    pub fn used(&mut self, used: &Use) -> bool {
        let uses = &mut self.report.keys;
        if let Some(known) = uses.iter_mut().find(|known| known.used == *used) {
            known.count += 1;
            return false;
        }
        // What is refused can be asked for at will, and must not hide what was granted.
        let is_alike = |known: &&KeyUse| known.used.refused.is_some() == used.refused.is_some();
        if uses.iter().filter(is_alike).count() >= USES_MAX {
            return false;
        }
        uses.push(KeyUse { used: used.clone(), count: 1 });
        true
    }
}
