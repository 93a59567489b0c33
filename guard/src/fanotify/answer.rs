//! Answering permission events. One thread reads them, at a priority of its own, and answers at once who is in no session;
//! what members ask waits for another thread, which takes one question of each session in turn. So no session makes anybody
//! else wait, however many threads it asks with, and none has more than its share.

use super::latency::Latencies;
use super::request::{self, Asked};
use crate::{Error, cgroup};
use abi::{Member, VERDICT_REFUSED, Verdict};
use nix::errno::Errno;
use nix::sys::fanotify::{Fanotify, FanotifyEvent, FanotifyResponse, MaskFlags, Response};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::process::Signal;
use std::collections::VecDeque;
use std::fs;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};
use sys::process;

/// Questions that wait, past which answering members rests as long as it took: each answer wakes everybody who waits, and
/// other processes want to run, too.
const CROWD: usize = 16;
/// Priorities of the two threads among those of real time. The one that answers members has the lower one, and not an ordinary
/// one: preempted while it holds a lock, of memory for one, it would hold up the other.
const FIRST: i32 = 2;
const SECOND: i32 = 1;
/// Between two looks at threads that are not asleep yet.
const PAUSE: Duration = Duration::from_micros(100);

/// Who is asked about an event.
pub(super) trait Oracle: Send + Sync + 'static {
    /// The membership of a process.
    fn member(&self, pid: u32) -> Result<Option<Member>, Error>;
    /// Every member.
    fn members(&self) -> Vec<u32>;
    /// What the deny-list says to a member's thread of a descriptor of this process.
    fn judge(&self, tid: u32, tgid: u32, fd: BorrowedFd<'_>, access: u32) -> Result<Verdict, Error>;
}

/// What a group's threads share.
pub(super) struct Answering {
    pub(super) oracle: Box<dyn Oracle>,
    pub(super) group: Fanotify,
    /// Told to end; what was asked by then is answered.
    pub(super) stop: OwnedFd,
    pub(super) latencies: Latencies,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// Nobody inside.
    Outside,
    /// A process of the session in a slot.
    Member { tgid: u32, slot: u32 },
    /// Nobody any more.
    Gone,
}

/// A member's question.
struct Question {
    event: FanotifyEvent,
    tid: u32,
    tgid: u32,
    slot: u32,
    asked: Instant,
}

/// What the reading thread hands on.
enum Work {
    Question(Question),
    /// A file could not be opened for an event, since somebody holds a lease on it.
    Leased,
}

impl Answering {
    pub(super) fn new(oracle: Box<dyn Oracle>, group: Fanotify) -> Result<Arc<Self>, Error> {
        let stop = eventfd(0, EventfdFlags::CLOEXEC).map_err(|e| Error::io("eventfd", e))?;
        Ok(Arc::new(Self { oracle, group, stop, latencies: Latencies::default() }))
    }

    /// Tells the threads to end.
    pub(super) fn end(&self) {
        #[expect(
            clippy::let_underscore_must_use,
            reason = "the counter of an eventfd that nobody reads has room for this one"
        )]
        let _ = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
    }

    /// Answers until told to end, or until nothing can be read any more. The thread that deals with members shares the
    /// calling thread's descriptors, in which the kernel opens what an event is about.
    pub(super) fn run(self: &Arc<Self>) -> Result<(), Error> {
        let (work, questions) = channel();
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map(Arc::new)
            .map_err(|e| Error::io("eventfd", e))?;
        let members = std::thread::Builder::new()
            .name("members".into())
            .spawn({
                let (answering, wake) = (Arc::clone(self), Arc::clone(&wake));
                move || {
                    prefer(SECOND);
                    answering.answer_members(&questions, &wake);
                }
            })
            .map_err(|e| Error::io("the answering thread could not be started", e))?;
        prefer(FIRST);
        self.read_all(&work, &wake);
        drop(work);
        #[expect(
            clippy::let_underscore_must_use,
            reason = "the counter of an eventfd that is read has room for this one"
        )]
        let _ = rustix::io::write(&wake, &1u64.to_ne_bytes());
        #[expect(clippy::let_underscore_must_use, reason = "a thread that panicked has said so")]
        let _ = members.join();
        Ok(())
    }

    fn read_all(&self, work: &Sender<Work>, wake: &OwnedFd) {
        let mut recent = Recent::default();
        loop {
            let mut fds = [PollFd::new(&self.group, PollFlags::IN), PollFd::new(&self.stop, PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => {
                    return tracing::error!(error = %e, "permission events cannot be waited for any more");
                }
            }
            let [readable, stopping] = fds.map(|fd| fd.revents().contains(PollFlags::IN));
            let mut read = 0;
            let mut handed = false;
            loop {
                match self.group.read_events() {
                    Ok(events) => {
                        for event in events {
                            read += 1;
                            handed |= self.first(event, work, &mut recent);
                        }
                    }
                    Err(Errno::EAGAIN) => {
                        // It was readable, and one event was taken away: its file could not be opened without waiting.
                        if readable && read == 0 {
                            #[expect(
                                clippy::let_underscore_must_use,
                                reason = "the thread that takes it ends after this one"
                            )]
                            let _ = work.send(Work::Leased);
                            handed = true;
                        }
                        break;
                    }
                    // The object of one event could not be opened for us; the kernel has refused it and goes on.
                    Err(
                        Errno::EINTR
                        | Errno::EACCES
                        | Errno::ENXIO
                        | Errno::ETXTBSY
                        | Errno::EPERM
                        | Errno::EOPNOTSUPP
                        | Errno::EMFILE
                        | Errno::ENFILE
                        | Errno::ENOMEM,
                    ) => read += 1,
                    Err(e) => return tracing::error!(error = %e, "permission events cannot be read any more"),
                }
            }
            if handed {
                #[expect(
                    clippy::let_underscore_must_use,
                    reason = "the counter of an eventfd that is read has room for this one"
                )]
                let _ = rustix::io::write(wake, &1u64.to_ne_bytes());
            }
            if stopping {
                return;
            }
        }
    }

    /// Answers an event, or hands it on; whether it was handed on.
    fn first(&self, event: FanotifyEvent, work: &Sender<Work>, recent: &mut Recent) -> bool {
        // 0: a process that this namespace of processes cannot see, and so no descendant of one that it can.
        let tid = u32::try_from(event.pid()).unwrap_or(0);
        let who = if tid == 0 { Who::Outside } else { self.who(tid, recent) };
        match who {
            Who::Outside => self.respond(&event, true),
            Who::Gone => self.respond(&event, false),
            Who::Member { tgid, slot } => {
                let question = Question { event, tid, tgid, slot, asked: Instant::now() };
                return work.send(Work::Question(question)).is_ok();
            }
        }
        false
    }

    /// Members are processes: a thread that leads none is looked up by its process. Those that asked last are tried first,
    /// since reading of a thread takes thirty times as long as asking whether it is a given process'. An error makes nobody a
    /// member who is none.
    fn who(&self, tid: u32, recent: &mut Recent) -> Who {
        let inside = |tgid| match self.oracle.member(tgid) {
            Ok(member) => member.map(|member| Who::Member { tgid, slot: member.session }),
            Err(error) => {
                tracing::error!(%error, tid, "a member could not be looked up");
                None
            }
        };
        if let Some(member) = inside(tid) {
            return member;
        }
        if process::leads(tid) {
            return Who::Outside;
        }
        if let Some(tgid) = recent.process_of(tid) {
            return inside(tgid).unwrap_or(Who::Outside);
        }
        match process::group_of(tid) {
            Ok(Some(tgid)) => {
                recent.note(tgid);
                inside(tgid).unwrap_or(Who::Outside)
            }
            Ok(None) => Who::Gone,
            Err(_) => {
                let mut members = self.oracle.members().into_iter();
                members.find(|&tgid| process::has_thread(tgid, tid)).and_then(inside).unwrap_or(Who::Outside)
            }
        }
    }

    fn respond(&self, event: &FanotifyEvent, allow: bool) {
        let Some(fd) = event.fd() else { return };
        let response = if allow { Response::FAN_ALLOW } else { Response::FAN_DENY };
        if let Err(e) = self.group.write_response(FanotifyResponse::new(fd, response)) {
            // The asking thread was killed meanwhile, so that nobody waits for this answer.
            tracing::debug!(error = %e, "a fanotify answer was not taken");
        }
    }

    /// Answers members: a question of each session, and then again, until no more can come and none is left.
    fn answer_members(&self, work: &Receiver<Work>, wake: &OwnedFd) {
        let mut sessions: Vec<(u32, VecDeque<Question>)> = Vec::new();
        let mut over = false;
        while !over || !sessions.is_empty() {
            loop {
                match work.try_recv() {
                    Ok(Work::Question(question)) => {
                        match sessions.iter_mut().find(|of| of.0 == question.slot) {
                            Some((_, waiting)) => waiting.push_back(question),
                            None => sessions.push((question.slot, VecDeque::from([question]))),
                        }
                    }
                    Ok(Work::Leased) => self.end_leases(),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => {
                        over = true;
                        break;
                    }
                }
            }
            let began = Instant::now();
            let mut answered = false;
            for (_, waiting) in &mut sessions {
                let Some(question) = waiting.pop_front() else { continue };
                match self.answer(&question, over) {
                    true => answered = true,
                    false => waiting.push_back(question),
                }
            }
            sessions.retain(|(_, waiting)| !waiting.is_empty());
            if sessions.is_empty() && !over {
                #[expect(clippy::let_underscore_must_use, reason = "interrupted, it looks once more")]
                let _ = poll(&mut [PollFd::new(wake, PollFlags::IN)], None);
                #[expect(
                    clippy::let_underscore_must_use,
                    reason = "it was read by nobody else, and is empty at worst"
                )]
                let _ = rustix::io::read(wake, &mut [0u8; 8]);
            } else if !answered {
                std::thread::sleep(PAUSE);
            } else if sessions.iter().map(|(_, waiting)| waiting.len()).sum::<usize>() > CROWD {
                std::thread::sleep(began.elapsed());
            }
        }
    }

    /// Answers a member's question; `false`: its thread is not asleep yet, so that nobody knows what it asks for. `over`: that
    /// is waited for no longer.
    fn answer(&self, question: &Question, over: bool) -> bool {
        let Question { event, tid, tgid, slot, asked } = question;
        let access = if event.mask().contains(MaskFlags::FAN_OPEN_EXEC_PERM) {
            abi::access::EXEC
        } else {
            match request::access_of(*tid) {
                Asked::For(access) => access,
                Asked::NotYet if !over && asked.elapsed() < request::PATIENCE => return false,
                Asked::NotYet => request::UNKNOWN,
            }
        };
        let Some(fd) = event.fd() else { return true };
        let judge = |access: u32| match self.oracle.judge(*tid, *tgid, fd, access) {
            Ok(verdict) => verdict.flags & VERDICT_REFUSED == 0,
            Err(error) => {
                tracing::error!(%error, tid, "a member's open could not be judged and is refused");
                false
            }
        };
        let allowed = catch_unwind(AssertUnwindSafe(|| judge(access))).unwrap_or(false);
        self.respond(event, allowed);
        self.latencies.note(*slot, asked.elapsed(), allowed);
        true
    }

    /// Ends the members that hold a lease which is being broken: while they hold it, the kernel refuses everybody's opens of
    /// that file, since it cannot be opened for an event.
    fn end_leases(&self) {
        for pid in breaking(&fs::read_to_string("/proc/locks").unwrap_or_default()) {
            if let Who::Member { tgid, .. } = self.who(pid, &mut Recent::default()) {
                tracing::warn!(pid = tgid, "ended: it held a lease on a file that others open");
                cgroup::signal(tgid, Signal::KILL);
            }
        }
    }
}

/// Processes with several threads that asked last.
#[derive(Debug, Default)]
struct Recent(VecDeque<u32>);

impl Recent {
    const KEPT: usize = 16;

    fn note(&mut self, tgid: u32) {
        self.0.push_front(tgid);
        self.0.truncate(Self::KEPT);
    }

    fn process_of(&mut self, tid: u32) -> Option<u32> {
        let at = self.0.iter().position(|&tgid| process::has_thread(tgid, tid))?;
        self.0.swap(0, at);
        self.0.front().copied()
    }
}

/// The holders of leases that are being broken, from `/proc/locks`: `1: LEASE  BREAKING  READ  4711 fe:01:1234 0 EOF`.
fn breaking(locks: &str) -> impl Iterator<Item = u32> {
    locks.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1).filter(|field| *field != "->");
        (fields.next()? == "LEASE" && fields.next()? == "BREAKING")
            .then(|| fields.nth(1)?.parse().ok())
            .flatten()
    })
}

/// Puts the calling thread before every ordinary one: it does a microsecond's work for whoever waits. Where that may not be
/// had, before most.
fn prefer(priority: i32) {
    let priority = libc::sched_param { sched_priority: priority };
    // SAFETY: the parameter is whole, and lives until the call returns.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &priority) } != 0 {
        #[expect(clippy::let_underscore_must_use, reason = "without the right to it, there is none")]
        let _ = rustix::process::setpriority_process(None, -20);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_that_are_being_broken_are_told_from_others() {
        let locks = "1: POSIX  ADVISORY  WRITE 700 fe:01:9 0 EOF\n\
                     2: LEASE  ACTIVE    WRITE 701 fe:01:7 0 EOF\n\
                     3: LEASE  BREAKING  READ  702 fe:01:8 0 EOF\n\
                     3: -> LEASE  BREAKER   READ  703 fe:01:8 0 EOF\nLEASE BREAKING\n";
        assert_eq!(breaking(locks).collect::<Vec<u32>>(), [702]);
    }
}
