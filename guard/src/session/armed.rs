//! A policy that sessions obey.

use crate::fanotify::Marks;
use crate::shared::Shared;
use crate::t1;
use std::sync::Arc;

/// A policy in the kernel, and the marks that belong to it. It is taken back with it, when no session obeys it any more.
pub(crate) struct Armed {
    pub(crate) shared: Arc<Shared>,
    pub(crate) policy: t1::Policy,
    /// Held for its marks, which go with it.
    pub(crate) marks: Option<Marks>,
    /// Destinations that it knows by name; closed with it.
    pub(crate) hosts: Option<t1::hosts::Hosts>,
    /// It says what it would refuse, and so does the score.
    pub(crate) only_watches: bool,
}

impl Drop for Armed {
    fn drop(&mut self) {
        self.hosts = None;
        self.shared.reasons.release(self.policy.number);
        if let Err(e) = t1::disarm(&*self.shared.list, &self.policy) {
            tracing::error!(error = %e, policy = self.policy.number, "labels of a policy were left in the kernel");
        }
    }
}
