//! What is to be put back of what a session has moved or replaced, once it stands still.

use super::Live;
use crate::DenyList;
use crate::t0::{Kept, Places, Planted};
use abi::FileKey;
use event::{Event, Object, Op, Origin};
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Things that were put somewhere and wait: a session stands still some milliseconds after the first.
const PLANTED_MAX: usize = 1 << 16;

/// What lay where when a session began, and which of it the session has changed.
#[derive(Debug, Default)]
pub(crate) struct Undo {
    kept: Arc<Vec<Kept>>,
    places: Option<Places>,
    waiting: BTreeSet<PathBuf>,
    planted: HashMap<PathBuf, FileKey>,
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
    pub paths: BTreeSet<PathBuf>,
    /// What was put where nothing was: to be put aside when the rest is back.
    pub planted: Vec<Planted>,
}

impl Undo {
    /// With what lies there now.
    pub(crate) fn keeping(kept: Vec<Kept>, places: Option<Places>) -> Self {
        Self { kept: Arc::new(kept), places, ..Self::default() }
    }

    /// An operation has changed what lies at its paths. What somebody outside changes stays.
    pub(super) fn note(&mut self, event: &Event) {
        for object in [Some(&event.object), event.second.as_ref()].into_iter().flatten() {
            let Object::File(file) = object else { continue };
            let path = PathBuf::from(OsStr::from_bytes(&file.path));
            if self.has(&path) {
                self.waiting.insert(path);
            }
        }
        self.note_planted(event);
    }

    /// It may have put something where nothing was. What only the session says of itself is no ground to move anything.
    fn note_planted(&mut self, event: &Event) {
        let there = match event.op {
            Op::Rename | Op::Link => event.second.as_ref(),
            Op::Create | Op::Symlink => Some(&event.object),
            _ => None,
        };
        let Some(Object::File(file)) = there else { return };
        let (Some(key), Origin::Trusted) = (file.key, file.origin) else { return };
        let path = PathBuf::from(OsStr::from_bytes(&file.path));
        let is_closed = self.places.as_ref().is_some_and(|places| places.has(&path));
        if is_closed && self.planted.len() < PLANTED_MAX && !self.has(&path) {
            self.planted.insert(path, key);
        }
    }

    fn has(&self, path: &Path) -> bool {
        self.kept.iter().any(|kept| kept.path() == path)
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.planted.is_empty()
    }
}

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
        let planted = planted.into_iter().map(|(path, file)| Planted { path, file }).collect();
        Some(Batch { list, kept, paths, planted })
    }

    /// Ends a batch.
    pub fn end_undo(&mut self) {
        self.undo.at_work = self.undo.at_work.saturating_sub(1);
    }

    /// Whether something is being put back, or is about to be.
    pub fn is_undoing(&self) -> bool {
        self.undo.at_work > 0 || !self.undo.is_idle()
    }
}
