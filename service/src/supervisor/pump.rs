//! The pump: the one thread that empties the kernel's rings and hands each record to its session. It pushes the deadline on
//! past which no enforced session acts: while it is late, for whatever reason, they stand still.

use super::sessions::Sessions;
use crate::Error;
use collector::{Kernel, Reader};
use guard::cgroup;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::process::Signal;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest time for which a record that forced no wake-up lies in a ring.
const DRAIN_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
/// The same while something was read too early to be handed on, and a session's score is kept.
const EARLY_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
/// Passes after which everything that was in the rings at a given time has been handed on, and every loss: the one that may
/// be half done, and two whole ones, since what was not counted is told when it is missing twice.
const WHOLE_PASSES: u64 = 3;
/// Between two pushes of the deadline: longer, and the sessions stand still.
const DEADLINE: Duration = Duration::from_millis(250);
/// Records between two pushes in one pass: a pass over full rings takes tenths of a second.
const PUSH_EVERY: u32 = 256;
/// Precedence over what a session may do to get the processors for itself, `setpriority(2)`.
const NICE: i32 = -20;
/// How long such passes may take: a full ring is emptied in tenths of a second.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the pump is woken meanwhile.
pub const FLUSH_POLL: Duration = Duration::from_millis(5);

/// The running thread.
pub struct Pump {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    kernel: Arc<Kernel>,
    wake: OwnedFd,
    stop: AtomicBool,
    /// How many wait for a flush: each pass counts losses meanwhile, since a session's last ones are its own.
    flushing: AtomicUsize,
    passes: Mutex<u64>,
    passed: Condvar,
}

impl Pump {
    /// Starts it.
    pub fn start(reader: Reader, kernel: Arc<Kernel>, sessions: Arc<Sessions>) -> Result<Self, Error> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|e| Error::io("an event descriptor cannot be made", e))?;
        let shared = Arc::new(Shared {
            kernel,
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

    /// Begins to push the deadline on, for a session that is about to be.
    pub fn begin(&self) {
        self.shared.kernel.push_deadline(DEADLINE);
        self.wake();
    }

    /// Looks at the rings now: a session began, or waits for its last records.
    pub fn wake(&self) {
        #[expect(
            clippy::let_underscore_must_use,
            reason = "the counter of an eventfd that is read has room for this one"
        )]
        let _ = rustix::io::write(&self.shared.wake, &1u64.to_ne_bytes());
    }

    /// Waits until everything that is in the rings now was handed on, and every loss until now. `false`: it took too long,
    /// or the pump ended.
    pub fn flush(&self) -> bool {
        let flush = self.begin_flush();
        loop {
            if let Some(whole) = self.has_flushed(&flush) {
                return whole;
            }
            let passes = flush.shared.passes();
            drop(self.shared.passed.wait_timeout_while(passes, FLUSH_POLL, |passes| *passes < flush.target));
        }
    }

    /// Begins to, for who has something else to do meanwhile and asks [`Pump::has_flushed`] now and then.
    pub fn begin_flush(&self) -> Flush {
        self.shared.flushing.fetch_add(1, Ordering::AcqRel);
        let target = *self.shared.passes() + WHOLE_PASSES;
        Flush { shared: Arc::clone(&self.shared), target, until: Instant::now() + FLUSH_TIMEOUT }
    }

    /// What came of it, as [`Pump::flush`] says; `None`: nothing yet.
    pub fn has_flushed(&self, flush: &Flush) -> Option<bool> {
        if *flush.shared.passes() >= flush.target {
            return Some(true);
        }
        self.wake();
        let over = Instant::now() >= flush.until || self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        over.then_some(false)
    }
}

impl Shared {
    fn passes(&self) -> MutexGuard<'_, u64> {
        self.passes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait for what is in the rings.
pub struct Flush {
    shared: Arc<Shared>,
    target: u64,
    until: Instant,
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.shared.flushing.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.wake();
        if let Some(thread) = self.thread.take() {
            #[expect(clippy::let_underscore_must_use, reason = "a thread that panicked has said so")]
            let _ = thread.join();
        }
    }
}

fn run(mut reader: Reader, sessions: &Sessions, shared: &Shared) {
    #[expect(clippy::let_underscore_must_use, reason = "without the right to it, there is none")]
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
    let (kernel, mut records, mut late) = (&shared.kernel, 0u32, Duration::ZERO);
    let mut stopped = Stopped::default();
    while !shared.stop.load(Ordering::Acquire) {
        late += kernel.push_deadline(DEADLINE);
        wait(&reader, sessions, shared);
        late += kernel.push_deadline(DEADLINE);
        stopped.let_go_on(kernel, sessions, std::mem::take(&mut late));
        let sink = &mut |slot, heard| {
            records = records.wrapping_add(1);
            if records % PUSH_EVERY == 0 {
                late += kernel.push_deadline(DEADLINE);
            }
            sessions.take(slot, heard);
        };
        reader.drain(sink);
        if shared.flushing.load(Ordering::Acquire) > 0 {
            reader.count(sink);
        }
        sessions.after_pass();
        *shared.passes() += 1;
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
        #[expect(
            clippy::let_underscore_must_use,
            reason = "it was read by nobody else, and is empty at worst"
        )]
        let _ = rustix::io::read(&shared.wake, &mut [0u8; 8]);
    }
}

/// Processes that were made to stand still past a deadline.
#[derive(Default)]
struct Stopped {
    /// How many times that was so when it was last looked at.
    times: u64,
    /// Those that go on already, by when they stood still.
    gone_on: HashMap<u32, u32>,
}

impl Stopped {
    /// Lets those go on that stand still, now that the deadline was pushed on, which had passed `late` ago.
    fn let_go_on(&mut self, kernel: &Kernel, sessions: &Sessions, late: Duration) {
        let times = kernel.deadline_stops();
        if times == self.times {
            return;
        }
        self.times = times;
        let standing = kernel.standing_still();
        // To look at a full map takes a slow machine longer than a deadline: who goes on would be stopped by the next call.
        let late = late + kernel.push_deadline(DEADLINE);
        self.gone_on.retain(|pid, _| standing.iter().any(|(other, _)| other == pid));
        for (pid, since) in standing {
            if self.gone_on.insert(pid, since) != Some(since) {
                cgroup::signal(pid, Signal::CONT);
            }
        }
        // Those that were stopped while the deadline was pushed on are of the same time.
        if !late.is_zero() {
            sessions.stood_still(late);
        }
    }
}
