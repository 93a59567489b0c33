//! The tellers of the users who have sessions: one a user, for as long as one of these runs.

use super::setup::Setup;
use crate::Error;
use crate::starter::Starter;
use crate::teller::Teller;
use collector::Kernel;
use rustix::process::Signal;
use std::collections::HashMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use sys::process;
use wire::teller::Start;
use wire::{Refused, Why};

/// All of them, by user.
#[derive(Default)]
pub(super) struct Tellers {
    running: Mutex<HashMap<u32, Weak<Teller>>>,
    /// Held by who starts one of a user, which may take long: nobody of another user waits for it.
    starting: Mutex<HashMap<u32, Arc<Mutex<()>>>>,
}

impl Tellers {
    fn running(&self) -> MutexGuard<'_, HashMap<u32, Weak<Teller>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is held by who starts one of a user.
    fn starting(&self, uid: u32) -> Arc<Mutex<()>> {
        let mut starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        starting.retain(|_, one| Arc::strong_count(one) > 1);
        Arc::clone(starting.entry(uid).or_default())
    }

    /// The one of a user that runs and can write.
    fn get(&self, uid: u32) -> Option<Arc<Teller>> {
        let teller = self.running().get(&uid).and_then(Weak::upgrade);
        teller.filter(|teller| guard::session::Teller::failure(&**teller).is_none())
    }

    /// Who writes the user's store.
    pub(super) fn of(
        &self,
        uid: u32,
        setup: &Setup,
        starter: &Arc<Starter>,
        kernel: &Arc<Kernel>,
    ) -> Result<Arc<Teller>, Refused> {
        let failed =
            |why: Error| Refused::new(Why::Failed, format!("the session cannot be written down: {why}"));
        let starting = self.starting(uid);
        let _alone = starting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(teller) = self.get(uid) {
            return Ok(teller);
        }
        let directory = setup.state.join(uid.to_string());
        create_closed(&directory).map_err(|e| failed(Error::file(&directory, "made", e)))?;
        let quota = setup.quota;
        let start = Start { directory, session_bytes: quota.session_bytes, day_bytes: quota.day_bytes };
        let teller = Teller::start(starter, start, protect(Arc::clone(kernel))).map_err(failed)?;
        let teller = Arc::new(teller);
        self.running().insert(uid, Arc::downgrade(&teller));
        Ok(teller)
    }

    /// Continues those that were stopped.
    pub(super) fn look_after(&self) {
        let all: Vec<Arc<Teller>> = self.running().values().filter_map(Weak::upgrade).collect();
        for pid in all.iter().filter_map(|teller| teller.pid()).filter(|pid| process::is_stopped(*pid)) {
            tracing::warn!(pid, "a teller was stopped: it goes on");
            guard::cgroup::signal(pid, Signal::CONT);
        }
    }
}

/// No member of a session may signal or trace a teller.
fn protect(kernel: Arc<Kernel>) -> Box<dyn Fn(u32, bool) + Send + Sync> {
    Box::new(move |pid, runs| {
        let done = if runs { kernel.protect(pid) } else { kernel.unprotect(pid) };
        if let Err(error) = done {
            tracing::error!(%error, pid, "whether a teller is protected is not known to the kernel side");
        }
    })
}

fn create_closed(directory: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}
