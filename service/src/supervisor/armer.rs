//! The armer: looks at file systems that others chose, which may take long, or for ever. Each look has a thread of its own, which
//! holds no lock that anybody else waits for, and a deadline. What it made is taken over in one step. What comes too late
//! is taken back where it was made, and whoever waited has an answer long since.

use guard::Error;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use wire::{Refused, Why};

/// How long one look may take: longer than what is bounded itself (`guard::t0::ARMING`), so that this is said first.
const DEADLINE: Duration = Duration::from_secs(60);
/// Looks of one user that have not come back: no more are begun, since each keeps a thread, and most a session's slot.
const LATE: usize = 4;

/// Those that are looking.
#[derive(Default)]
pub(super) struct Armer(Mutex<Vec<Look>>);

/// One look, for as long as its thread lives.
struct Look {
    uid: u32,
    alive: Weak<()>,
    until: Instant,
}

impl Armer {
    /// Does something that may take for ever, for a user, and waits until the deadline.
    pub(super) fn look<T: Send + 'static>(
        &self,
        uid: u32,
        look: impl FnOnce() -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, Refused> {
        self.look_within(DEADLINE, uid, look)
    }

    /// Whether nobody looks, not even late.
    pub(super) fn is_idle(&self) -> bool {
        self.looks().is_empty()
    }

    fn look_within<T: Send + 'static>(
        &self,
        limit: Duration,
        uid: u32,
        look: impl FnOnce() -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, Refused> {
        let failed = |error: Error| Refused::new(Why::Failed, error.to_string());
        let alive = Arc::new(());
        let mut looks = self.looks();
        if looks.iter().filter(|look| look.uid == uid && look.until < Instant::now()).count() >= LATE {
            let message = format!(
                "{LATE} sessions of this user are still waiting for a file system that does not answer: let it answer, or \
                 unmount it"
            );
            return Err(Refused::new(Why::Busy, message));
        }
        looks.push(Look { uid, alive: Arc::downgrade(&alive), until: Instant::now() + limit });
        drop(looks);
        let (give, taken) = sync_channel(1);
        std::thread::Builder::new()
            .name("armer".into())
            .spawn(move || {
                // Whoever waited may be gone: then what was made is taken back here.
                drop(give.send(look()));
                drop(alive);
            })
            .map_err(|e| failed(Error::io("a thread could not be started", e)))?;
        taken.recv_timeout(limit).unwrap_or_else(|_| {
            let message = format!(
                "the session could not be armed within {} s: a file system in the home or a workspace does not answer, or \
                 holds too much",
                limit.as_secs()
            );
            Err(Refused::new(Why::CannotProtect, message))
        })
    }

    fn looks(&self) -> std::sync::MutexGuard<'_, Vec<Look>> {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        looks.retain(|look| look.alive.strong_count() > 0);
        looks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// What was made: it says when it is taken back.
    struct Made(Sender<()>);

    impl Drop for Made {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }

    #[test]
    fn what_comes_late_is_taken_back_and_keeps_nobody_but_its_user() {
        let armer = Armer::default();
        let (back, taken_back) = channel();
        let (answers, asked): (Vec<Sender<()>>, Vec<Receiver<()>>) = (0..LATE).map(|_| channel()).unzip();
        for asked in asked {
            let made = Made(back.clone());
            let came = armer.look_within(Duration::from_millis(20), 1000, move || {
                let _ = asked.recv();
                Ok(made)
            });
            assert_eq!(came.map(|_| ()).unwrap_err().why, Why::CannotProtect);
        }
        assert_eq!(armer.look(1000, || Ok(1)).unwrap_err().why, Why::Busy);
        assert_eq!(armer.look(1001, || Ok(1)).unwrap(), 1);
        assert!(taken_back.try_recv().is_err());
        for answer in answers {
            answer.send(()).unwrap();
            taken_back.recv().unwrap();
        }
        let until = Instant::now() + Duration::from_secs(5);
        while !armer.is_idle() {
            assert!(Instant::now() < until);
            std::thread::yield_now();
        }
        assert_eq!(armer.look(1000, || Ok(1)).unwrap(), 1);
    }
}
