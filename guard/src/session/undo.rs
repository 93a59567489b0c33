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
    running: bool,
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
    /// Whether somebody has to begin to put things back; by this they are found.
    pub fn begin_undo(&mut self) -> Option<Arc<dyn DenyList>> {
        let undo = &mut self.undo;
        let begins = !undo.waiting.is_empty() && !std::mem::replace(&mut undo.running, true);
        begins.then(|| Arc::clone(&self.shared.list))
    }

    /// What waits to be put back, and everything that is kept; nothing once nobody has to go on.
    pub fn take_undo(&mut self) -> Option<(Arc<Vec<Kept>>, Vec<PathBuf>)> {
        let undo = &mut self.undo;
        undo.running = !undo.waiting.is_empty();
        undo.running.then(|| (Arc::clone(&undo.kept), std::mem::take(&mut undo.waiting)))
    }
}
