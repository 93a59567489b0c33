//! What is to be put back of what a session has moved or replaced, once it stands still.

use super::Live;
use crate::DenyList;
use crate::t0::Kept;
use event::{Event, Object};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

/// Paths that wait: a session stands still after the first few.
const WAITING_MAX: usize = 64;

/// What lay where when a session began, and which of it the session has changed.
#[derive(Debug, Default)]
pub(crate) struct Undo {
    kept: Arc<Vec<Kept>>,
    waiting: Vec<PathBuf>,
    /// Somebody was told to begin.
    begun: bool,
    /// Batches that are being put back.
    at_work: usize,
}

/// What is to be put back now.
pub struct Batch {
    /// By this things are found.
    pub list: Arc<dyn DenyList>,
    /// Everything that is kept.
    pub kept: Arc<Vec<Kept>>,
    /// What lay at these paths.
    pub paths: Vec<PathBuf>,
}

impl Undo {
    /// With what lies there now.
    pub(crate) fn keeping(kept: Vec<Kept>) -> Self {
        Self { kept: Arc::new(kept), ..Self::default() }
    }

    /// An operation has changed what lies at its paths. What somebody outside changes stays.
    pub(super) fn note(&mut self, event: &Event) {
        for object in [Some(&event.object), event.second.as_ref()].into_iter().flatten() {
            let Object::File(file) = object else { continue };
            let path = PathBuf::from(OsStr::from_bytes(&file.path));
            if self.waiting.len() < WAITING_MAX && self.kept.iter().any(|kept| kept.path() == path) {
                self.waiting.push(path);
            }
        }
    }
}

impl Live {
    /// Whether somebody has to begin to put things back.
    pub fn begin_undo(&mut self) -> bool {
        !self.undo.waiting.is_empty() && !std::mem::replace(&mut self.undo.begun, true)
    }

    /// What waits to be put back; nothing once nobody has to go on. Each is followed by [`Live::end_undo`].
    pub fn take_undo(&mut self) -> Option<Batch> {
        let undo = &mut self.undo;
        if undo.waiting.is_empty() {
            undo.begun = false;
            return None;
        }
        undo.at_work += 1;
        let (list, kept) = (Arc::clone(&self.shared.list), Arc::clone(&undo.kept));
        Some(Batch { list, kept, paths: std::mem::take(&mut undo.waiting) })
    }

    /// Ends a batch.
    pub fn end_undo(&mut self) {
        self.undo.at_work = self.undo.at_work.saturating_sub(1);
    }

    /// Whether something is being put back.
    pub fn is_undoing(&self) -> bool {
        self.undo.at_work > 0
    }
}
