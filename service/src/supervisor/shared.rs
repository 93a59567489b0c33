//! State that all threads of the supervisor share.

use super::armer::Armer;
use super::learn::Learning;
use super::machine::Machine;
use super::notices::Notices;
use super::peer::Peer;
use super::places::Places;
use super::sessions::Sessions;
use super::setup::Setup;
use super::tellers::Tellers;
use crate::Error;
use crate::starter::Starter;
use collector::Kernel;
use guard::session::Patience;
use std::collections::BTreeSet;
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use wire::{Refused, Why};

/// What all threads share.
pub(super) struct Shared {
    pub(super) setup: Setup,
    pub(super) machine: Mutex<Option<Machine>>,
    /// The same kernel side for who only asks whether a process is inside, while another one is being loaded.
    pub(super) kernel: RwLock<Option<Arc<Kernel>>>,
    /// Who starts whatever else runs.
    pub(super) starter: Arc<Starter>,
    /// Who looks at what may not answer.
    pub(super) armer: Armer,
    /// Who writes down what sessions do.
    pub(super) tellers: Tellers,
    /// How long all sessions together wait for tellers.
    pub(super) patience: Arc<Patience>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) notices: Arc<Notices>,
    /// Clients that wait until the supervisor has ended.
    pub(super) waiting: Mutex<Vec<UnixStream>>,
    pub(super) places: Arc<Places>,
    /// What sessions taught is learned by itself.
    pub(super) learning: Learning,
    pub(super) stop: AtomicBool,
}

impl Shared {
    /// The kernel side, where it is loaded.
    pub(super) fn machine(&self) -> MutexGuard<'_, Option<Machine>> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a process is inside a session.
    pub(super) fn is_member(&self, pid: u32) -> Result<bool, Error> {
        let kernel = self.kernel.read().unwrap_or_else(PoisonError::into_inner);
        match &*kernel {
            Some(kernel) => Ok(kernel.member(pid)?.is_some()),
            None => Ok(false),
        }
    }

    /// Refuses who is inside a session: the process that connected, and those that sent a request. To be asked when a request
    /// is complete, since any of them may have been taken in after it began.
    pub(super) fn check_outside(&self, peer: &Peer, senders: &BTreeSet<u32>) -> Result<(), Refused> {
        match peer.is_inside(senders, |pid| self.is_member(pid)) {
            Ok(false) => Ok(()),
            Ok(true) => {
                tracing::warn!(pid = peer.pid, uid = peer.uid, "refused a request from inside a session");
                Err(Refused::new(
                    Why::Inside,
                    "refused: this process is inside a session, and a session has no say in how it is guarded; ask from another terminal",
                ))
            }
            Err(error) => {
                tracing::error!(%error, "a peer could not be checked");
                Err(Refused::new(Why::Failed, "the caller could not be checked"))
            }
        }
    }
}
