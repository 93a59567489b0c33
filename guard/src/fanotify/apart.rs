//! Answering in a process of its own, the doorkeeper: it holds the group of marks, the map of members and the program that
//! decides, and nothing else. So whoever opens a marked file is answered while the supervisor stands still or is busy, and
//! until the last member is dead when the supervisor has ended.

use super::answer::{Answering, Oracle};
use super::here::Here;
use super::owned;
use crate::child::Child;
use crate::{DenyList, Error, cgroup};
use abi::{Member, Verdict};
use collector::{Judge, JudgeIds};
use nix::sys::fanotify::Fanotify;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use sys::clock::NS_PER_TICK;
use sys::process::{self, Stat};
use wire::Latency;

/// How long it may take until it answers, and how long it may take to say how long its answers took.
const START: Duration = Duration::from_secs(10);
const WORD: Duration = Duration::from_secs(1);
/// What it says when it could answer, and is told when it is to.
const READY: u8 = b'r';
/// Descriptors that it may have: one for each question that waits, and a session has as many as threads.
const DESCRIPTORS: u64 = 1 << 17;
/// How long it goes on for members that nobody has ended, once the supervisor is gone.
const OUTLIVE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Starts a doorkeeper, with its standard input and output.
pub type Start = Box<dyn Fn(JudgeIds, [BorrowedFd<'_>; 2]) -> std::io::Result<Child> + Send + Sync>;

/// The supervisor's hold on its doorkeeper, which ends with it.
pub(super) struct Apart(Arc<Shared>);

struct Shared {
    start: Start,
    ids: JudgeIds,
    list: Arc<dyn DenyList>,
    group: Arc<Fanotify>,
    /// The one that answers now; `None`: a thread of this process does.
    now: Mutex<Option<Doorkeeper>>,
    over: AtomicBool,
    alive: AtomicBool,
}

/// A doorkeeper that runs.
struct Doorkeeper {
    pid: u32,
    stream: UnixStream,
}

impl Apart {
    /// Starts it, and the thread that looks after it.
    pub(super) fn start(
        start: Start,
        ids: JudgeIds,
        list: Arc<dyn DenyList>,
        group: Arc<Fanotify>,
    ) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            start,
            ids,
            list,
            group,
            now: Mutex::default(),
            over: AtomicBool::new(false),
            alive: AtomicBool::new(true),
        });
        let (child, doorkeeper) = shared.spawn()?;
        shared.let_in(doorkeeper)?;
        let watched = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("doorkeeper".into())
            .spawn(move || watched.look_after(child))
            .map_err(|e| Error::io("a thread could not be started", e))?;
        Ok(Self(shared))
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.0.now().as_ref().map(|doorkeeper| doorkeeper.pid)
    }

    pub(super) fn alive(&self) -> bool {
        self.0.alive.load(Ordering::Acquire)
    }

    /// Continues it where it was stopped.
    pub(super) fn go_on(&self) {
        let Some(pid) = self.pid() else { return };
        if process::is_stopped(pid) {
            tracing::warn!(pid, "the doorkeeper was stopped: it goes on");
            cgroup::signal(pid, Signal::CONT);
        }
    }

    pub(super) fn latency(&self, slot: u32) -> Latency {
        let mut now = self.0.now();
        let Some(Doorkeeper { stream, .. }) = now.as_mut() else { return Latency::default() };
        let mut bytes = [0; Latency::BYTES];
        match stream.write_all(&slot.to_ne_bytes()).and_then(|()| stream.read_exact(&mut bytes)) {
            Ok(()) => Latency::of_bytes(bytes),
            Err(_) => Latency::default(),
        }
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Release);
        // It hears that its other end is gone.
        *self.0.now() = None;
    }
}

impl Shared {
    fn now(&self) -> MutexGuard<'_, Option<Doorkeeper>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn group(&self) -> Result<OwnedFd, Error> {
        self.group.as_fd().try_clone_to_owned().map_err(|e| Error::io("a descriptor", e))
    }

    /// Starts a doorkeeper, which answers nobody before it is let in: two that answer at a time would answer each other's
    /// questions, which the kernel tells apart by the numbers of descriptors.
    fn spawn(&self) -> Result<(Child, Doorkeeper), Error> {
        let wrong = |e| Error::io("the doorkeeper cannot be started", e);
        let (mut stream, other) = UnixStream::pair().map_err(wrong)?;
        let mut child = (self.start)(self.ids, [other.as_fd(), self.group.as_fd()]).map_err(wrong)?;
        drop(other);
        let mut ready = [0];
        let said = stream.set_read_timeout(Some(START)).and_then(|()| stream.read_exact(&mut ready));
        if said.is_err() || ready != [READY] {
            #[expect(clippy::let_underscore_must_use, reason = "who is gone already needs no signal")]
            let _ = child.kill();
            #[expect(
                clippy::let_underscore_must_use,
                reason = "an error says that nobody is left to wait for"
            )]
            let _ = child.wait();
            return Err(wrong(said.err().unwrap_or_else(|| ErrorKind::InvalidData.into())));
        }
        stream.set_read_timeout(Some(WORD)).map_err(wrong)?;
        let pid = child.id();
        Ok((child, Doorkeeper { pid, stream }))
    }

    fn let_in(&self, mut doorkeeper: Doorkeeper) -> Result<(), Error> {
        self.list.protect(doorkeeper.pid)?;
        doorkeeper.stream.write_all(&[READY]).map_err(|e| Error::io("the doorkeeper is gone", e))?;
        *self.now() = Some(doorkeeper);
        Ok(())
    }

    /// Waits for the end of each doorkeeper, and answers from here until there is another one.
    fn look_after(&self, mut child: Child) {
        loop {
            let status = child.wait();
            let gone = self.now().take();
            if self.over.load(Ordering::Acquire) {
                return;
            }
            tracing::error!(?status, "the doorkeeper is gone: another one is started");
            if let Some(gone) = gone
                && let Err(error) = self.list.unprotect(gone.pid)
            {
                tracing::error!(%error, pid = gone.pid, "whoever has its number next counts as protected");
            }
            deny_unanswered(&self.group);
            match self.replace() {
                Some(next) => child = next,
                None => return,
            }
        }
    }

    /// Another doorkeeper; `None`: none is needed any more, or nobody can answer.
    fn replace(&self) -> Option<Child> {
        let here = self.group().and_then(|group| Here::start(Arc::clone(&self.list), group));
        let here = match here {
            Ok(here) => here,
            Err(error) => {
                tracing::error!(%error, "nobody answers permission events");
                self.alive.store(false, Ordering::Release);
                return None;
            }
        };
        while !self.over.load(Ordering::Acquire) {
            match self.spawn() {
                Ok((child, doorkeeper)) => {
                    // Until it has answered all that it has read.
                    drop(here);
                    if let Err(error) = self.let_in(doorkeeper) {
                        tracing::error!(%error, "a doorkeeper ended at once");
                    }
                    return Some(child);
                }
                Err(error) => {
                    tracing::error!(%error, "no doorkeeper: this process answers");
                    std::thread::sleep(START);
                }
            }
        }
        None
    }
}

/// Refuses what a doorkeeper had read and not answered: members' questions, since it answers everybody else as it reads.
/// The kernel knows a question by the number of the descriptor that it came with, and refuses a number that nobody waits for.
fn deny_unanswered(group: &Fanotify) {
    let mut failed = None;
    for number in 0..i32::try_from(DESCRIPTORS).unwrap_or(i32::MAX) {
        let response = [number.to_ne_bytes(), libc::FAN_DENY.to_ne_bytes()].concat();
        match rustix::io::write(group, &response) {
            Ok(_) | Err(Errno::NOENT) => {}
            Err(error) => failed = Some(error),
        }
    }
    if let Some(error) = failed {
        tracing::error!(%error, "what a doorkeeper had not answered stays unanswered: whoever asked waits");
    }
}

impl Oracle for Judge {
    fn member(&self, pid: u32) -> Result<Option<Member>, Error> {
        Ok(Judge::member(self, pid)?)
    }

    fn members(&self) -> Vec<u32> {
        Judge::members(self).into_iter().map(|(pid, _)| pid).collect()
    }

    fn judge(&self, tid: u32, tgid: u32, fd: BorrowedFd<'_>, access: u32) -> Result<Verdict, Error> {
        Ok(Judge::judge(self, tid, tgid, fd, access)?)
    }
}

/// The doorkeeper's whole life. Its standard output is the group of marks, its standard input the supervisor: descriptors
/// that are inherited without any `unsafe`.
pub fn run(ids: JudgeIds) -> Result<(), Error> {
    let wrong = |e| Error::io("the supervisor's descriptors", e);
    let group = std::io::stdout().as_fd().try_clone_to_owned().map_err(wrong)?;
    let stream = std::io::stdin().as_fd().try_clone_to_owned().map_err(wrong)?;
    #[expect(clippy::let_underscore_must_use, reason = "who leads a session already is apart")]
    let _ = rustix::process::setsid();
    #[expect(
        clippy::let_underscore_must_use,
        reason = "killed by the kernel for want of memory, it would leave everybody waiting: where it may not ask, it may be"
    )]
    let _ = fs::write("/proc/self/oom_score_adj", "-1000");
    #[expect(clippy::let_underscore_must_use, reason = "fewer descriptors are fewer questions at a time")]
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), maximum: Some(DESCRIPTORS) });
    let answering = Answering::new(Box::new(Judge::open(&ids)?), owned(group))?;
    let members = Judge::open(&ids)?;
    let mut stream = UnixStream::from(stream);
    let mut told = [0];
    stream.write_all(&[READY]).and_then(|()| stream.read_exact(&mut told)).map_err(wrong)?;
    let supervisor = std::thread::Builder::new()
        .name("supervisor".into())
        .spawn({
            let answering = Arc::clone(&answering);
            move || {
                serve(&answering, stream);
                outlive(&members);
                answering.end();
            }
        })
        .map_err(|e| Error::io("a thread could not be started", e))?;
    answering.run()?;
    // What cannot be read any more is nobody's to answer: the process ends, and the supervisor hears of it.
    drop(supervisor);
    Ok(())
}

/// Says how long its answers took, until the supervisor is gone.
fn serve(answering: &Answering, mut stream: UnixStream) {
    let mut slot = [0; 4];
    while stream
        .read_exact(&mut slot)
        .and_then(|()| stream.write_all(&answering.latencies.take(u32::from_ne_bytes(slot)).to_bytes()))
        .is_ok()
    {}
}

/// Waits until no member is alive: the keeper kills them.
fn outlive(members: &Judge) {
    let until = Instant::now() + OUTLIVE;
    let lives = |(pid, member): &(u32, Member)| {
        Stat::read(*pid).is_some_and(|stat| {
            !stat.is_dead() && stat.start_ticks.abs_diff(member.start_ns / NS_PER_TICK) <= 1
        })
    };
    while Instant::now() < until && Judge::members(members).iter().any(lives) {
        std::thread::sleep(PAUSE);
    }
}
