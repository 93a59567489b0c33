//! What was found to be labelled, before the kernel knows any of it.

use super::arming::Readable;
use super::guarded::Coverage;
use super::held::Key;
use abi::Label;

/// Labels that are to be added in one step.
pub(crate) struct Staged {
    pub(super) entries: Vec<(Key, Label)>,
    /// What may be read for now.
    pub(super) readable: Vec<Readable>,
    /// What came of looking.
    pub(crate) coverage: Coverage,
}
