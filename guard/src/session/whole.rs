//! Keeping jewels whole that may be read as long as nobody writes them: a thread of each session that has any, since whoever
//! writes one waits meanwhile, and since it looks into the session's processes, which may hold it up.

use crate::Error;
use crate::shared::Shared;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// How long whoever writes such a file waits until it is looked.
const EVERY: Duration = Duration::from_millis(10);

/// The thread's handle; it ends with it.
#[derive(Debug)]
pub(crate) struct Whole(Arc<State>);

#[derive(Debug, Default)]
struct State {
    over: AtomicBool,
    failed: AtomicBool,
}

impl Whole {
    /// Watches the files of the session in `slot`, if there are any.
    pub(crate) fn of(shared: &Arc<Shared>, slot: u32) -> Result<Option<Self>, Error> {
        let start = || Self::start(Arc::clone(shared), slot);
        let watched = shared.jewels.is_any_readable(slot).then(start).transpose();
        watched.map_err(|e| Error::io("a thread could not be started", e))
    }

    fn start(shared: Arc<Shared>, slot: u32) -> std::io::Result<Self> {
        let state = Arc::new(State::default());
        let watched = Arc::clone(&state);
        std::thread::Builder::new().name("leases".into()).spawn(move || {
            while !watched.over.load(Relaxed) && shared.jewels.is_any_readable(slot) {
                if let Err(error) = shared.jewels.keep_whole(slot) {
                    tracing::error!(slot, %error, "a jewel that somebody writes could not be closed");
                    watched.failed.store(true, Relaxed);
                }
                std::thread::sleep(EVERY);
            }
        })?;
        Ok(Self(state))
    }

    /// Whether every file was closed that somebody wrote.
    pub(crate) fn is_whole(&self) -> bool {
        !self.0.failed.load(Relaxed)
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        self.0.over.store(true, Relaxed);
    }
}
