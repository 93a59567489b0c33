//! What the sessions of a machine share.

use crate::delegates::Delegates;
use crate::fanotify::Group;
use crate::reason::Reasons;
use crate::{DenyList, t0};
use collector::Tier;
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
