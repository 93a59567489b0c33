//! All running sessions, and what becomes of what the kernel says of them.

use super::notices::{self, Notices};
use super::running::{Running, over};
use super::undo;
use collector::{ALL_SESSIONS, Heard};
use event::secret::Redactor;
use event::{Captured, SessionRef};
use guard::{Effect, Live};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use sys::clock::boot_ns;
use wire::{Action, Kind, Notice, Refused, Running as Listed, Why};

/// Denials of one session that reach the log; the others reach `tail`, the store and the summary.
const LOGGED_DENIALS: u64 = 100;

const ROOT: u32 = 0;

/// Slots that root alone takes: other users' sessions must not keep it from having one.
const SLOTS_OF_ROOT: usize = 16;

/// And so many may one other user's sessions take.
const SLOTS_OF_USER: usize = 64;

/// All of them, by slot.
pub struct Sessions {
    running: RwLock<HashMap<u32, Arc<Running>>>,
    /// Who asked for the session that has a slot, those included whose session is only being armed; `None`: it is free.
    slots: Mutex<Vec<Option<u32>>>,
    closed: AtomicBool,
    notices: Arc<Notices>,
    /// What arrives loses its secrets before anything else sees it.
    redactor: Redactor,
    /// Wall clock minus CLOCK_BOOTTIME, ns.
    wall_ns: i64,
}

/// A slot of the kernel's tables, free again when it is dropped.
pub struct Slot {
    sessions: Arc<Sessions>,
    /// Its number.
    pub number: u32,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(slot) = self.sessions.slots().get_mut(self.number as usize) {
            *slot = None;
        }
    }
}

impl Sessions {
    /// None.
    pub fn new(notices: Arc<Notices>, redactor: Redactor) -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |wall| wall.as_nanos());
        Self {
            running: RwLock::default(),
            // Slot 0 means no session.
            slots: Mutex::new((0..abi::MAX_SESSIONS).map(|slot| (slot == 0).then_some(ROOT)).collect()),
            closed: AtomicBool::new(false),
            notices,
            redactor,
            wall_ns: i64::try_from(wall).unwrap_or(0) - boot_ns() as i64,
        }
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Option<u32>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> RwLockReadGuard<'_, HashMap<u32, Arc<Running>>> {
        self.running.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot for a session that a user asks for; `None` when the supervisor is ending. The last ones are root's, and nobody else has
    /// more than a share.
    pub fn slot(self: &Arc<Self>, uid: u32) -> Result<Option<Slot>, Refused> {
        let mut slots = self.slots();
        if self.closed.load(Ordering::Acquire) {
            return Ok(None);
        }
        let left = slots.iter().filter(|taken| taken.is_none()).count();
        let running = slots.len() - 1 - left;
        if uid != ROOT && slots.iter().filter(|taken| **taken == Some(uid)).count() >= SLOTS_OF_USER {
            let message =
                format!("you have {SLOTS_OF_USER} sessions already, as many as a user may: end one of them");
            return Err(Refused::new(Why::Busy, message));
        }
        let free = slots.iter_mut().zip(0..).find(|(taken, _)| taken.is_none());
        let Some((taken, number)) = free.filter(|_| uid == ROOT || left > SLOTS_OF_ROOT) else {
            return Err(Refused::new(
                Why::Busy,
                format!("no more sessions can run: there are {} already", running),
            ));
        };
        *taken = Some(uid);
        Ok(Some(Slot { sessions: Arc::clone(self), number }))
    }

    /// A session is armed: what the kernel says of its slot is its own from now on.
    pub fn insert(&self, running: Arc<Running>) {
        self.running.write().unwrap_or_else(PoisonError::into_inner).insert(running.slot, running);
    }

    /// A session is over.
    pub fn remove(&self, slot: u32) {
        self.running.write().unwrap_or_else(PoisonError::into_inner).remove(&slot);
    }

    /// Whether no session runs or is being armed.
    pub fn is_empty(&self) -> bool {
        self.slots().iter().flatten().count() <= 1
    }

    /// Whether a score is kept of any session.
    pub fn is_scored(&self) -> bool {
        self.all().values().any(|running| running.with(|live| live.is_scored()).unwrap_or(false))
    }

    /// Takes no session any more, if none is there.
    pub fn close_if_empty(&self) -> bool {
        let slots = self.slots();
        let empty = slots.iter().flatten().count() <= 1;
        if empty {
            self.closed.store(true, Ordering::Release);
        }
        empty
    }

    /// Takes no session any more.
    pub fn close(&self) {
        let _slots = self.slots();
        self.closed.store(true, Ordering::Release);
    }

    /// Kills, freezes or thaws a session for somebody outside, and tells of it.
    pub fn act(&self, running: &Running, action: Action, why: &str) -> Result<(), Refused> {
        running.act(action)?;
        let kind = match action {
            Action::Kill => Kind::Killed,
            Action::Freeze => Kind::Frozen,
            Action::Thaw(_) => Kind::GoesOn,
        };
        tracing::warn!(session = running.id(), uid = running.uid, ?kind, why, "asked from outside");
        self.announce(running, &notices::of_request(&running.id(), kind, why));
        Ok(())
    }

    /// Kills every session; each one's own connection sums it up.
    pub fn kill_all(&self) {
        let all: Vec<_> = self.all().values().cloned().collect();
        for running in all {
            if let Err(refused) = running.act(Action::Kill) {
                tracing::error!(session = running.id(), "could not be killed: {}", refused.message);
            }
        }
    }

    /// The sessions of a user, or everybody's, the oldest first.
    pub fn list(&self, uid: Option<u32>) -> Vec<Listed> {
        let mut listed: Vec<Listed> = self.of(uid).iter().filter_map(|running| running.listed()).collect();
        listed.sort_by_key(|listed| listed.started_unix_ns);
        listed
    }

    /// The sessions of a user, or everybody's, by their numbers.
    pub fn of(&self, uid: Option<u32>) -> Vec<Arc<Running>> {
        let all = self.all();
        let wanted = all.values().filter(|running| uid.is_none_or(|uid| uid == running.uid));
        let mut wanted: Vec<Arc<Running>> = wanted.cloned().collect();
        wanted.sort_by_key(|running| (running.uid, running.number));
        wanted
    }

    /// The running session of that number, or the `last` one; of a user, where that is said.
    pub fn find(&self, named: SessionRef, uid: Option<u32>) -> Result<Arc<Running>, Refused> {
        let mut found = self.of(uid);
        if let SessionRef::Number(number) = named {
            found.retain(|running| running.number == number);
        }
        if named == SessionRef::Last {
            let started = |running: &Arc<Running>| running.with(|live| live.meta().started_boot_ns);
            found.sort_by_key(started);
            return found.pop().ok_or_else(|| Refused::new(Why::NoSuchSession, "no session is running"));
        }
        match (found.pop(), found.is_empty()) {
            (Some(running), true) => Ok(running),
            (Some(_), false) => {
                let message = format!("several users have a session {named}: say whose with `--user`");
                Err(Refused::new(Why::NoSuchSession, message))
            }
            (None, _) => Err(over(named)),
        }
    }

    /// Replaces secrets in claimed text.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// What the kernel said.
    pub fn take(&self, slot: u32, mut heard: Heard) {
        match &mut heard {
            Heard::Captured(Captured::Event(event)) => self.redactor.event(event),
            Heard::Dns(dns) => self.redactor.host(&mut dns.message.question),
            Heard::Captured(_) => {}
        }
        let all = self.all();
        match heard {
            Heard::Captured(captured) if slot == ALL_SESSIONS => {
                for running in all.values() {
                    self.hand_on(running, captured.clone());
                }
            }
            Heard::Captured(captured) => {
                if let Some(running) = all.get(&slot) {
                    self.hand_on(running, captured);
                }
            }
            Heard::Dns(dns) => {
                if let Some(running) = all.get(&slot) {
                    running.with(|live| live.hear(&dns));
                }
            }
        }
    }

    fn hand_on(&self, running: &Arc<Running>, captured: Captured) {
        running.with(|live| {
            for effect in live.receive(captured) {
                if let Err(error) = live.apply(&effect) {
                    self.fail_closed(running, live, &error);
                } else if matches!(effect, Effect::Stop { freeze: true, .. }) {
                    undo::start(running, live);
                }
                self.tell(running, &effect);
            }
        });
    }

    /// A key was used, or asked for in vain.
    pub fn used(&self, running: &Running, used: broker::Use) {
        running.with(|live| {
            if live.used(&used) {
                self.tell(running, &Effect::Used { time_ns: boot_ns(), used });
            }
        });
    }

    /// What the score asked for could not be done: the last means is left.
    fn fail_closed(&self, running: &Running, live: &Live, error: impl std::fmt::Display) {
        tracing::error!(session = running.id(), %error, "the session could not be stopped as asked: it is killed");
        if let Err(error) = live.kill() {
            tracing::error!(session = running.id(), %error, "the session could not be killed");
        }
    }

    /// Enforced sessions may have stood still, since the pump was late.
    pub fn stood_still(&self, late: Duration) {
        tracing::warn!(?late, "late: enforced sessions stood still");
        for running in self.all().values() {
            running.with(|live| live.stood_still(late));
        }
    }

    /// After each reading of the rings: hands on what has waited to be written, and looks whether every means still works.
    pub fn after_pass(&self) {
        for running in self.all().values() {
            running.with(|live| {
                live.flush_aged();
                for effect in live.peers_named() {
                    if let Err(error) = live.apply(&effect) {
                        self.fail_closed(running, live, &error);
                    }
                    self.tell(running, &effect);
                }
                if !live.is_whole() {
                    self.fail_closed(running, live, "a jewel that somebody writes could not be closed");
                }
                if let Err(error) = live.check_freeze() {
                    self.fail_closed(running, live, &error);
                }
                match live.answer_hold() {
                    Ok(None) => {}
                    Ok(Some(effect)) => self.tell(running, &effect),
                    Err(error) => self.fail_closed(running, live, &error),
                }
                if !live.is_guarded() && !live.is_frozen() {
                    tracing::error!(
                        session = running.id(),
                        "nobody answers permission events any more: the session is frozen"
                    );
                    if let Err(error) = live.freeze_unguarded() {
                        self.fail_closed(running, live, &error);
                    }
                    running.note_change();
                    let why = "nobody answers permission events any more";
                    self.announce(running, &notices::of_request(&running.id(), Kind::Frozen, why));
                }
            });
        }
    }

    /// Tells the log, the session's client where it was frozen, and whoever listens.
    fn tell(&self, running: &Running, effect: &Effect) {
        if matches!(effect, Effect::Freeze(_) | Effect::Stop { freeze: true, .. }) {
            running.note_change();
        }
        // However many denials there were: what stops a session is always logged.
        let is_denial = matches!(effect, Effect::Denied(_));
        if let Effect::Used { used, .. } = effect {
            tracing::info!(session = running.id(), uid = running.uid, ?used, "a key");
        } else if !is_denial || running.logged.fetch_add(1, Ordering::Relaxed) < LOGGED_DENIALS {
            tracing::warn!(session = running.id(), uid = running.uid, ?effect, "decided");
        }
        if let Some(notice) = notices::of_effect(&running.id(), effect, self.wall_ns) {
            self.announce(running, &notice);
        }
    }

    /// Tells whoever listens, and has it kept.
    fn announce(&self, running: &Running, notice: &Notice) {
        running.teller.notice(notice);
        self.notices.tell(running.uid, notice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_run_out_come_back_and_close() {
        let sessions = Arc::new(Sessions::new(Arc::default(), Redactor::new([0; 32])));
        assert!(sessions.is_empty());
        let mut taken: Vec<Slot> =
            (1..abi::MAX_SESSIONS).map(|_| sessions.slot(ROOT).unwrap().unwrap()).collect();
        assert!(taken.iter().all(|slot| slot.number != 0));
        assert_eq!(sessions.slot(ROOT).map(|_| ()).unwrap_err().why, Why::Busy);
        assert!(!sessions.close_if_empty());
        taken.pop();
        assert!(sessions.slot(ROOT).unwrap().is_some());
        taken.truncate(taken.len() + 1 - SLOTS_OF_ROOT);
        assert_eq!(sessions.slot(1000).map(|_| ()).unwrap_err().why, Why::Busy);
        taken.pop();
        assert!(sessions.slot(1000).unwrap().is_some());
        taken.clear();
        let of_one: Vec<Slot> = (0..SLOTS_OF_USER).map(|_| sessions.slot(1000).unwrap().unwrap()).collect();
        let refused = sessions.slot(1000).map(|_| ()).unwrap_err();
        assert!(refused.why == Why::Busy && refused.message.contains("64 sessions"), "{}", refused.message);
        assert!(sessions.slot(1001).unwrap().is_some() && sessions.slot(ROOT).unwrap().is_some());
        drop(of_one);
        assert!(sessions.slot(1000).unwrap().is_some());
        assert!(sessions.close_if_empty());
        assert!(sessions.slot(ROOT).unwrap().is_none());
    }

    #[test]
    fn nobody_is_found_where_nobody_runs() {
        let sessions = Sessions::new(Arc::default(), Redactor::new([0; 32]));
        assert_eq!(sessions.find(SessionRef::Last, None).map(|_| ()).unwrap_err().why, Why::NoSuchSession);
        assert_eq!(
            sessions.find(SessionRef::Number(7), Some(0)).map(|_| ()).unwrap_err().why,
            Why::NoSuchSession
        );
    }
}
