//! Restores objects that a session has moved or replaced, batch by batch, on a thread that may wait for a disk.

use super::Live;
use crate::session::undo::Batch;
use crate::t0::Planted;
use std::sync::Arc;

impl Live {
    /// Whether somebody has to begin to put things back.
    pub fn begin_undo(&mut self) -> bool {
        !self.undo.is_idle() && !std::mem::replace(&mut self.undo.begun, true)
    }

    /// What waits to be put back; nothing once nobody has to go on. Each is followed by [`Live::end_undo`].
    pub fn take_undo(&mut self) -> Option<Batch> {
        let undo = &mut self.undo;
        if undo.is_idle() {
            undo.begun = false;
            return None;
        }
        undo.at_work += 1;
        let (list, kept) = (Arc::clone(&self.shared.list), Arc::clone(&undo.kept));
        let (paths, planted) = (std::mem::take(&mut undo.waiting), std::mem::take(&mut undo.planted));
        let planted = planted.into_iter().map(|(path, (file, from))| Planted { path, file, from }).collect();
        Some(Batch { list, kept, paths, planted })
    }

    /// Nobody could begin: whoever asks next is to.
    pub fn put_off_undo(&mut self) {
        self.undo.begun = false;
    }

    /// Ends a batch.
    pub fn end_undo(&mut self) {
        self.undo.at_work = self.undo.at_work.saturating_sub(1);
    }

    /// How many things that were put at closed places since the last call found no room among those that are put aside.
    pub fn take_left_out(&mut self) -> u64 {
        std::mem::take(&mut self.undo.left_out)
    }

    /// Whether something is being put back, or is about to be.
    pub fn is_undoing(&self) -> bool {
        self.undo.at_work > 0 || !self.undo.is_idle()
    }
}
