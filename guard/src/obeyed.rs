//! The rules that a session obeys, armed.

use crate::fanotify::Marks;
use crate::shared::Shared;
use crate::{Error, t0};
use collector::Tier;
use std::sync::Arc;

/// Rules in the kernel. They are taken back with it.
pub(crate) struct Obeyed {
    shared: Arc<Shared>,
    slot: u32,
    set: t0::Set,
    /// Where opens are asked for.
    pub(crate) marks: Option<Marks>,
    /// What they were armed for.
    pub(crate) guarded: Arc<t0::Guarded>,
}

impl Obeyed {
    /// Arms them for the session in a slot, beside what it obeys already. It looks at the file system, which may take long or
    /// for ever: nothing that others need may be held meanwhile.
    pub(crate) fn arm(shared: &Arc<Shared>, slot: u32, guarded: t0::Guarded) -> Result<Self, Error> {
        let marks = match shared.tier {
            Tier::Tracepoint => Some(shared.marks(guarded.uid)?),
            Tier::Lsm => None,
        };
        let set = shared.jewels.arm(slot, &guarded, marks.as_ref())?;
        Ok(Self { shared: Arc::clone(shared), slot, set, marks, guarded: Arc::new(guarded) })
    }

    /// What was labelled.
    pub(crate) fn coverage(&self) -> &t0::Coverage {
        &self.set.coverage
    }
}

impl Drop for Obeyed {
    fn drop(&mut self) {
        self.marks = None;
        if let Err(error) = self.shared.jewels.release_set(self.slot, &self.set) {
            tracing::error!(slot = self.slot, %error, "labels of rules that are obeyed no more were left in the kernel");
        }
    }
}
