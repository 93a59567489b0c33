//! The first stage: crown jewels become labels of the kernel's static deny-list, before a session's first instruction.
//!
//! Nothing that was learned, and no tag, reaches this file. What a label could not be put on is always said.

mod above;
mod arming;
mod aside;
mod content;
mod entry;
mod forms;
mod guarded;
mod held;
mod kept;
mod keys;
mod lease;
mod lend;
mod place;
mod planted;
mod quota;
mod search;

use crate::fanotify::Marks;
use crate::{DenyList, Error, Reasons, magic, reason};
use abi::{LABEL_EMPTY, Label};
pub use arming::ARMING;
use arming::{Armed, Arming, Readable};
use event::jewel::access;
pub(crate) use forms::mapped;
pub use guarded::{Coverage, Guarded, KeyFiles, Own, OwnFile, Since};
use held::{Held, Holder, Key, plain};
use policy::{Row, What};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

#[cfg(test)]
pub(crate) use entry::component;
pub use kept::Kept;
pub(crate) use kept::keep;
pub use magic::{FileSystem, file_system};
pub(crate) use planted::Places;
pub use planted::Planted;

/// The static deny-list of all running sessions.
pub struct Static {
    list: Arc<dyn DenyList>,
    own: Own,
    reasons: Arc<Reasons>,
    held: Mutex<Held>,
    readable: Mutex<Vec<Readable>>,
    /// The number of the next arming.
    next: AtomicU32,
}

/// What one arming of a session has labelled, and what came of it.
#[derive(Debug)]
pub struct Set {
    number: u32,
    /// What was labelled.
    pub coverage: Coverage,
}

impl Static {
    /// With nothing armed.
    pub fn new(list: Arc<dyn DenyList>, own: Own, reasons: Arc<Reasons>) -> Self {
        Self {
            list,
            own,
            reasons,
            held: Mutex::default(),
            readable: Mutex::default(),
            next: AtomicU32::new(1),
        }
    }

    /// Labels the jewels of a session's user for the session in `slot`, and marks them where marks are had. What an earlier
    /// arming of the session labelled stays beside it. On an error nothing of it stays.
    pub fn arm(&self, slot: u32, guarded: &Guarded, marks: Option<&Marks>) -> Result<Set, Error> {
        let number = self.next.fetch_add(1, Relaxed);
        let holder = Holder { slot, set: number };
        let mut arming = Arming {
            list: &*self.list,
            held: &self.held,
            until: Instant::now() + ARMING,
            holder,
            marks,
            uid: guarded.uid,
            made: guarded.since.as_ref().map(|since| &since.made),
            is_new: false,
            untouchable: HashSet::new(),
            entries: HashMap::new(),
            owned: HashMap::new(),
            above: HashSet::new(),
            directories: HashMap::new(),
            readable: Vec::new(),
            public: HashSet::new(),
            lent: HashMap::new(),
            coverage: Coverage::default(),
        };
        self.held().own(slot, guarded.uid);
        let rows = self.rows(slot, guarded);
        let armed = arming.everything(guarded, &rows, &self.own);
        let (coverage, readable) = (arming.coverage, arming.readable);
        match armed {
            Ok(()) => {
                self.readable().extend(readable);
                Ok(Set { number, coverage })
            }
            Err(e) => {
                self.held().release_set(&*self.list, holder)?;
                Err(e)
            }
        }
    }

    /// Takes back what one arming of the session in `slot` has labelled, and no other one has.
    pub fn release_set(&self, slot: u32, set: &Set) -> Result<(), Error> {
        let holder = Holder { slot, set: set.number };
        self.readable().retain(|file| file.holder != holder);
        self.held().release_set(&*self.list, holder)
    }

    /// Whether the session in `slot` has files that may be read as long as nobody writes them.
    pub fn is_any_readable(&self, slot: u32) -> bool {
        self.readable().iter().any(|file| file.holder.slot == slot)
    }

    /// Puts the label back on every file of the session in `slot` that somebody is about to write, and lets them. To be
    /// called often: they wait.
    pub fn keep_whole(&self, slot: u32) -> Result<(), Error> {
        let broken = |file: &mut Readable| file.holder.slot == slot && file.lease.is_broken();
        let broken: Vec<Readable> = self.readable().extract_if(.., broken).collect();
        let mut kept = Ok(());
        for file in broken {
            let closed = self.held().add(&*self.list, file.holder, Key::File(file.file), &file.label);
            let closed = closed.and_then(|()| file.lease.end_readers(&self.list, slot));
            if closed.is_err() {
                // Kept for another attempt: whoever waits goes on after a while.
                self.readable().push(file);
            }
            kept = kept.and(closed);
        }
        kept
    }

    /// What the rules refuse, as labels.
    fn rows<'g>(&self, slot: u32, guarded: &'g Guarded) -> Vec<Armed<'g>> {
        let named = |row: Row<'g>| (row.rule.layer, &*row.rule.id, &*row.rule.file, row.site);
        let mut had: HashMap<_, What> = HashMap::new();
        for refusal in guarded.since.iter().flat_map(|since| since.rules.refusals()) {
            *had.entry(named(refusal.row)).or_default() |= refusal.what;
        }
        let armed = guarded.rules.refusals().map(|refusal| {
            let number =
                refusal.shipped.map_or_else(|| self.reasons.of_own(slot, &refusal), reason::of_jewel);
            let rule = refusal.row.rule;
            // Other sessions have the same deny-list.
            let of_some = if rule.is_of_some() { abi::LABEL_OWN } else { 0 };
            let flags = of_some | if rule.is_empty { LABEL_EMPTY } else { 0 };
            let is_new = had.get(&named(refusal.row)).is_none_or(|what| !what.contains(refusal.what));
            Armed {
                row: refusal.row,
                is_new,
                label: Label { flags, ..plain(access(refusal.what).bits(), number) },
            }
        });
        armed.collect()
    }

    fn readable(&self) -> MutexGuard<'_, Vec<Readable>> {
        self.readable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes back what was labelled for `slot` alone.
    pub fn release(&self, slot: u32) -> Result<(), Error> {
        self.readable().retain(|file| file.holder.slot != slot);
        self.reasons.release_own(slot);
        self.held().release(&*self.list, slot)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
