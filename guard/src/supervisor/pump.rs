//! The pump: the one thread that empties the kernel's rings and hands each record to its session.

use super::sessions::Sessions;
use crate::Error;
use collector::Reader;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest time for which a record that forced no wake-up lies in a ring.
const DRAIN_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
/// The same while something was read too early to be handed on, and a session's score is kept.
const EARLY_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
/// Passes after which everything that was in the rings at a given time has been handed on, and every loss: the one that may
/// be half done, and two whole ones, since what was not counted is told when it is missing twice.
const WHOLE_PASSES: u64 = 3;
/// How long such passes may take: a full ring is emptied in tenths of a second.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// The running thread.
pub struct Pump {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    wake: OwnedFd,
    stop: AtomicBool,
    /// How many wait for a flush: each pass counts losses meanwhile, since a session's last ones are its own.
    flushing: AtomicUsize,
    passes: Mutex<u64>,
    passed: Condvar,
}

impl Pump {
    /// Starts it.
    pub fn start(reader: Reader, sessions: Arc<Sessions>) -> Result<Self, Error> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|e| Error::io("an event descriptor cannot be made", e))?;
        let shared = Arc::new(Shared {
            wake,
            stop: AtomicBool::new(false),
            flushing: AtomicUsize::new(0),
            passes: Mutex::new(0),
            passed: Condvar::new(),
        });
        let thread = std::thread::Builder::new()
            .name("pump".into())
            .spawn({
                let shared = Arc::clone(&shared);
                move || run(reader, &sessions, &shared)
            })
            .map_err(|e| Error::io("the pump cannot be started", e))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Looks at the rings now: a session began, or waits for its last records.
    pub fn wake(&self) {
        let _ = rustix::io::write(&self.shared.wake, &1u64.to_ne_bytes());
    }

    /// Waits until everything that is in the rings now was handed on, and every loss until now. `false`: it took too long,
    /// or the pump ended.
    pub fn flush(&self) -> bool {
        self.shared.flushing.fetch_add(1, Ordering::AcqRel);
        let whole = self.wait_for_passes();
        self.shared.flushing.fetch_sub(1, Ordering::AcqRel);
        whole
    }

    fn wait_for_passes(&self) -> bool {
        let until = Instant::now() + FLUSH_TIMEOUT;
        let mut passes = self.shared.passes.lock().unwrap_or_else(PoisonError::into_inner);
        let target = *passes + WHOLE_PASSES;
        while *passes < target {
            self.wake();
            if Instant::now() >= until || self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                return false;
            }
            let wait = Duration::from_millis(5);
            passes = self
                .shared
                .passed
                .wait_timeout(passes, wait)
                .map_or_else(|e| e.into_inner().0, |(guard, _)| guard);
        }
        true
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(mut reader: Reader, sessions: &Sessions, shared: &Shared) {
    while !shared.stop.load(Ordering::Acquire) {
        wait(&reader, sessions, shared);
        let sink = &mut |slot, heard| sessions.take(slot, heard);
        reader.drain(sink);
        if shared.flushing.load(Ordering::Acquire) > 0 {
            reader.count(sink);
        }
        sessions.after_pass();
        let mut passes = shared.passes.lock().unwrap_or_else(PoisonError::into_inner);
        *passes += 1;
        drop(passes);
        shared.passed.notify_all();
    }
}

/// Waits for a wake-up from the kernel or from here, or the interval; without sessions for a wake-up alone.
fn wait(reader: &Reader, sessions: &Sessions, shared: &Shared) {
    let rings = reader.fds();
    let mut fds = [
        PollFd::new(&shared.wake, PollFlags::IN),
        PollFd::new(&rings[0], PollFlags::IN),
        PollFd::new(&rings[1], PollFlags::IN),
    ];
    let interval = if reader.is_early() && sessions.is_scored() { &EARLY_INTERVAL } else { &DRAIN_INTERVAL };
    let timeout = (!sessions.is_empty()).then_some(interval);
    if poll(&mut fds, timeout).is_ok_and(|ready| ready > 0) && !fds[0].revents().is_empty() {
        let _ = rustix::io::read(&shared.wake, &mut [0u8; 8]);
    }
}
