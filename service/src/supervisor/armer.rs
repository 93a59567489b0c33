//! The armer: looks at file systems that others chose, which may take long, or for ever. Each look has a thread of its own, which
//! holds no lock that anybody else waits for, and a deadline. What it made is taken over in one step. What comes too late
//! is taken back where it was made, and whoever waited has an answer long since.
//!
//! A user has one look at a time. The next one waits for its turn, and is refused when the one before it is late: so a file
//! system that never answers keeps one thread of each user, however many sessions are begun.

use crate::Error;
use std::collections::HashMap;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use wire::{Refused, Why};

/// How long one look may take: longer than what is bounded itself (`guard::t0::ARMING`), so that this is said first.
const DEADLINE: Duration = Duration::from_secs(60);

/// Those that are looking.
#[derive(Default)]
pub(super) struct Armer(Arc<Looks>);

#[derive(Default)]
struct Looks {
    /// Of each user the one that looks, and when it is late.
    looking: Mutex<HashMap<u32, Instant>>,
    ended: Condvar,
}

/// One user's turn, for as long as the thread that looks lives.
struct Turn {
    looks: Arc<Looks>,
    uid: u32,
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
        self.0.looking().is_empty()
    }

    fn look_within<T: Send + 'static>(
        &self,
        limit: Duration,
        uid: u32,
        look: impl FnOnce() -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, Refused> {
        let failed = |error: Error| Refused::new(Why::Failed, error.to_string());
        let turn = self.turn(limit, uid)?;
        let (give, taken) = sync_channel(1);
        std::thread::Builder::new()
            .name("armer".into())
            .spawn(move || {
                // Whoever waited may be gone: then what was made is taken back here.
                drop(give.send(look()));
                drop(turn);
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

    /// Waits until nobody of the user looks, unless who does is late.
    fn turn(&self, limit: Duration, uid: u32) -> Result<Turn, Refused> {
        let mut looking = self.0.looking();
        while let Some(late) = looking.get(&uid) {
            let left = late.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let message = "another session of this user is still waiting for a file system that does not answer: let it \
                               answer, or unmount it";
                return Err(Refused::new(Why::Busy, message));
            }
            looking = self.0.ended.wait_timeout(looking, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        looking.insert(uid, Instant::now() + limit);
        Ok(Turn { looks: Arc::clone(&self.0), uid })
    }
}

impl Looks {
    fn looking(&self) -> MutexGuard<'_, HashMap<u32, Instant>> {
        self.looking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.looks.looking().remove(&self.uid);
        self.looks.ended.notify_all();
    }
}

#[cfg(test)]
#[expect(clippy::let_underscore_must_use, reason = "the other side may have gone")]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    /// What was made: it says when it is taken back.
    struct Made(Sender<()>);

    impl Drop for Made {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }

    fn until_idle(armer: &Armer) {
        let until = Instant::now() + Duration::from_secs(60);
        while !armer.is_idle() {
            assert!(Instant::now() < until);
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_comes_late_is_taken_back_and_keeps_nobody_but_its_user() {
        let armer = Armer::default();
        let (back, taken_back) = channel();
        let (answer, asked) = channel::<()>();
        let made = Made(back);
        let came = armer.look_within(Duration::from_millis(20), 1000, move || {
            let _ = asked.recv();
            Ok(made)
        });
        assert_eq!(came.map(|_| ()).unwrap_err().why, Why::CannotProtect);
        // None of them looks, and none waits.
        for _ in 0..100 {
            assert_eq!(armer.look(1000, || Ok(1)).unwrap_err().why, Why::Busy);
        }
        assert_eq!(armer.look(1001, || Ok(1)).unwrap(), 1);
        assert!(taken_back.try_recv().is_err());
        answer.send(()).unwrap();
        taken_back.recv().unwrap();
        until_idle(&armer);
        assert_eq!(armer.look(1000, || Ok(1)).unwrap(), 1);
    }

    #[test]
    fn a_users_sessions_take_turns() {
        let armer = Armer::default();
        let (answer, asked) = channel::<()>();
        let (looks, looked) = channel();
        std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                armer.look(1000, move || {
                    looks.send(()).unwrap();
                    Ok(asked.recv().is_ok())
                })
            });
            looked.recv().unwrap();
            let second = scope.spawn(|| armer.look(1000, || Ok(2)));
            assert_eq!(armer.look(1001, || Ok(1)).unwrap(), 1);
            assert!(!second.is_finished());
            answer.send(()).unwrap();
            assert!(first.join().unwrap().unwrap());
            assert_eq!(second.join().unwrap().unwrap(), 2);
        });
        until_idle(&armer);
    }
}
