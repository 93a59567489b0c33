//! Places, as the kernel's keys hold them, and what lies at a path on the way to one.

use crate::name::component;
use crate::walk;
use abi::{EVERY_SESSION, PlaceKey, place_below};
use std::path::PathBuf;

/// What lies at a path on the way to a jewel.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) here: Place,
    /// Where it leads, if it is a link.
    pub(super) link: Option<PathBuf>,
    /// The place of the directory that it is or leads to.
    pub(super) dir: Option<Place>,
}

/// A place, and what its name begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) key: PlaceKey,
    pub(super) first: u64,
}

impl Place {
    pub(super) fn of(node: &walk::Node) -> Option<Self> {
        let abi::Identity { file, place, name, .. } = node.identity;
        let key = PlaceKey { hash: place, dev: file.dev, session: EVERY_SESSION };
        (place != 0).then_some(Self { key, first: name })
    }

    /// The place of a name below it.
    pub(super) fn below(self, name: &[u8]) -> Self {
        let (first, component) = component(name);
        let hash = place_below(self.key.hash, component);
        Self { key: PlaceKey { hash, ..self.key }, first }
    }

    /// The same for one session alone, or for all.
    pub(super) fn of_session(self, session: u32) -> Self {
        Self { key: PlaceKey { session, ..self.key }, ..self }
    }
}
