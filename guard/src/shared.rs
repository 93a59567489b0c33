//! State that the sessions of a machine share.

use crate::delegates::Delegates;
use crate::fanotify::{Group, Marks};
use crate::reason::Reasons;
use crate::{DenyList, Error, t0};
use event::Tier;
use models::Thresholds;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// What sessions share.
pub(crate) struct Shared {
    pub(crate) list: Arc<dyn DenyList>,
    pub(crate) tier: Tier,
    pub(crate) reasons: Arc<Reasons>,
    pub(crate) jewels: t0::Static,
    pub(crate) delegates: Arc<Delegates>,
    pub(crate) thresholds: Thresholds,
    /// Of the permission marks of all sessions, in the tier that has them.
    pub(crate) group: Option<Arc<Group>>,
    pub(crate) next_policy: AtomicU32,
}

impl Shared {
    /// No marks yet, of a session or a policy of a user's.
    pub(crate) fn marks(&self, uid: u32) -> Result<Marks, Error> {
        let group = self.group.clone().filter(|group| group.alive());
        group.map(|group| Marks::new(group, uid)).ok_or(Error::Unanswered)
    }
}
