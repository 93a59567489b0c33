//! The first stage: crown jewels become labels of the kernel's static deny-list, before a session's first instruction.
//!
//! Nothing that was learned, and no tag, reaches this file. What a label could not be put on is always said.

mod arming;
mod aside;
mod content;
mod entry;
mod forms;
mod guarded;
mod held;
mod kept;
mod lease;
mod planted;
mod quota;
mod staged;

use crate::fanotify::Marks;
use crate::links::Links;
use crate::{DenyList, Error, Reasons, magic, reason};
use abi::{LABEL_EMPTY, Label};
pub use arming::ARMING;
use arming::{Armed, Arming};
use event::jewel::access;
pub(crate) use forms::mapped;
pub use guarded::{Coverage, Guarded, KeyFiles, Own, OwnFile};
pub(crate) use held::LASTING;
use held::{Held, Holder, Key, plain};
use policy::{Refusal, Rule};
use staged::Readable;
pub(crate) use staged::{Labels, Staged};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
}

/// What is known of a session that is armed, to look for more.
pub(crate) struct Around<'a> {
    pub(crate) coverage: &'a Coverage,
    pub(crate) marks: Option<&'a Marks>,
    pub(crate) links: Links,
    /// Whose rules' watched directories are held in their places.
    pub(crate) watched: fn(&Rule) -> bool,
}

impl Static {
    /// With nothing armed.
    pub fn new(list: Arc<dyn DenyList>, own: Own, reasons: Arc<Reasons>) -> Self {
        Self { list, own, reasons, held: Mutex::default(), readable: Mutex::default() }
    }

    /// Labels the jewels of a session's user for the session in `slot`, and marks them where marks are had, before anybody is
    /// inside. What rules close during single tasks is none of it. On an error nothing of it stays.
    pub fn arm(&self, slot: u32, guarded: &Guarded, marks: Option<&Marks>) -> Result<Coverage, Error> {
        self.held().own(slot, guarded.uid);
        let mut arming = Arming::new(&*self.list, marks, guarded.uid, slot, Links::All);
        let rows = self.rows(slot, guarded.rules.refusals().filter(|of| of.row.rule.tasks.is_empty()));
        let armed = arming.everything(guarded, &rows, &self.own);
        let armed = armed.and_then(|()| self.add(Holder::base(slot), arming.staged()));
        armed.inspect_err(|_| self.reasons.release_own(slot))
    }

    /// Looks for what more is to be refused to a session that is armed: what lies where, and nothing is labelled yet. What is
    /// found here only closes.
    pub(crate) fn look(
        &self,
        slot: u32,
        guarded: &Guarded,
        refusals: &[Refusal<'_>],
        around: &Around<'_>,
    ) -> Result<Staged, Error> {
        let mut arming = Arming::new(&*self.list, around.marks, guarded.uid, slot, around.links);
        arming.know(&around.coverage.ground);
        let rows = self.rows(slot, refusals.iter().copied());
        arming.more(guarded, &rows, around.watched)?;
        Ok(arming.staged())
    }

    /// Labels what was looked for, all of it or nothing, as a set of the session's that is not its first.
    pub(crate) fn close(&self, slot: u32, set: u32, staged: Staged) -> Result<Coverage, Error> {
        self.add(Holder { slot, set }, staged)
    }

    /// Takes back a set that is not the session's first.
    pub(crate) fn release_set(&self, slot: u32, set: u32) -> Result<(), Error> {
        self.held().release_set(&*self.list, Holder { slot, set })
    }

    /// Adds a set of labels, all or none.
    fn add(&self, holder: Holder, staged: Staged) -> Result<Coverage, Error> {
        let mut held = self.held();
        let added =
            staged.entries.iter().try_for_each(|(key, label)| held.add(&*self.list, holder, *key, label));
        if let Err(e) = added {
            held.release_set(&*self.list, holder)?;
            return Err(e);
        }
        drop(held);
        self.readable().extend(staged.readable);
        Ok(staged.coverage)
    }

    /// Whether the session in `slot` has files that may be read as long as nobody writes them.
    pub fn is_any_readable(&self, slot: u32) -> bool {
        self.readable().iter().any(|file| file.slot == slot)
    }

    /// Puts the label back on every file of the session in `slot` that somebody is about to write, and lets them. To be
    /// called often: they wait.
    pub fn keep_whole(&self, slot: u32) -> Result<(), Error> {
        let broken = |file: &mut Readable| file.slot == slot && file.lease.is_broken();
        let broken: Vec<Readable> = self.readable().extract_if(.., broken).collect();
        let mut kept = Ok(());
        for file in broken {
            let key = Key::File(file.file);
            let closed = self.held().add(&*self.list, Holder::base(slot), key, &file.label);
            let closed = closed.and_then(|()| file.lease.end_readers(&self.list, slot));
            if closed.is_err() {
                // Kept for another attempt: whoever waits goes on after a while.
                self.readable().push(file);
            }
            kept = kept.and(closed);
        }
        kept
    }

    /// What rules refuse, as labels.
    fn rows<'g>(&self, slot: u32, refusals: impl Iterator<Item = Refusal<'g>>) -> Vec<Armed<'g>> {
        let armed = refusals.map(|refusal| {
            let number =
                refusal.shipped.map_or_else(|| self.reasons.of_own(slot, &refusal), reason::of_jewel);
            let rule = refusal.row.rule;
            // Other sessions have the same deny-list.
            // So is what a rule closes at no place of its own: it was found there.
            let is_found = !rule.sites.contains(refusal.row.site);
            let of_some = if rule.is_of_some() || is_found { abi::LABEL_OWN } else { 0 };
            let flags = of_some | if rule.is_empty { LABEL_EMPTY } else { 0 };
            Armed { row: refusal.row, label: Label { flags, ..plain(access(refusal.what).bits(), number) } }
        });
        armed.collect()
    }

    fn readable(&self) -> MutexGuard<'_, Vec<Readable>> {
        self.readable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes back what was labelled for `slot` alone.
    pub fn release(&self, slot: u32) -> Result<(), Error> {
        self.readable().retain(|file| file.slot != slot);
        self.reasons.release_own(slot);
        self.held().release(&*self.list, slot)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
