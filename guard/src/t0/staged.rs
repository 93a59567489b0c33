//! The labels of a session, before any of them is in the kernel.

use super::guarded::Coverage;
use super::held::Key;
use super::lease::Lease;
use abi::{FileKey, Label};

/// Labels that are to be added, all or none.
pub(crate) struct Staged {
    pub(super) entries: Vec<(Key, Label)>,
    /// What may be read for now.
    pub(super) readable: Vec<Readable>,
    /// What came of looking.
    pub(crate) coverage: Coverage,
}

/// Labels, to be added again.
#[derive(Clone)]
pub(crate) struct Labels(Vec<(Key, Label)>);

impl Staged {
    /// What is to be labelled.
    pub(crate) fn labels(&self) -> Labels {
        Labels(self.entries.clone())
    }

    /// These are to be added as well.
    pub(crate) fn extend(&mut self, labels: &Labels) {
        self.entries.extend_from_slice(&labels.0);
    }
}

/// A file of a jewel that may be read as long as nobody writes it.
pub(super) struct Readable {
    pub(super) slot: u32,
    pub(super) file: FileKey,
    pub(super) lease: Lease,
    /// What holds as soon as somebody does.
    pub(super) label: Label,
}
