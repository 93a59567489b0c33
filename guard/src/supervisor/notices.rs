//! What `tail` follows: denials, alerts and verdicts, handed to whoever listens. A listener that does not keep up loses
//! notices and is told how many: nobody can hold up the guard by not reading.

use crate::Effect;
use crate::control::{Mode, Notice};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Notices that wait for one listener.
const WAITING: usize = 1024;

/// All listeners.
#[derive(Default)]
pub struct Notices {
    listeners: Mutex<Vec<Listener>>,
}

struct Listener {
    /// Whose sessions it may see; `None`: everybody's.
    uid: Option<u32>,
    session: Option<String>,
    sender: SyncSender<Notice>,
    missed: Arc<AtomicU64>,
}

/// One listener's end.
pub struct Subscription {
    /// The notices, in order.
    pub receiver: Receiver<Notice>,
    missed: Arc<AtomicU64>,
}

impl Subscription {
    /// Notices that were not kept since the last call.
    pub fn missed(&self) -> u64 {
        self.missed.swap(0, Ordering::Relaxed)
    }
}

impl Notices {
    /// Listens to the sessions of a user, or to one of them.
    pub fn subscribe(&self, uid: Option<u32>, session: Option<String>) -> Subscription {
        let (sender, receiver) = sync_channel(WAITING);
        let missed = Arc::new(AtomicU64::new(0));
        let listener = Listener { uid, session, sender, missed: Arc::clone(&missed) };
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
        Subscription { receiver, missed }
    }

    /// Whether anybody listens.
    pub fn is_wanted(&self) -> bool {
        !self.listeners.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Tells whoever listens to that user's session.
    pub fn tell(&self, uid: u32, notice: &Notice) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| {
            let wanted = listener.uid.is_none_or(|of| of == uid)
                && listener.session.as_ref().is_none_or(|session| *session == notice.session);
            if !wanted {
                return true;
            }
            match listener.sender.try_send(notice.clone()) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => {
                    listener.missed.fetch_add(1, Ordering::Relaxed);
                    true
                }
                Err(TrySendError::Disconnected(_)) => false,
            }
        });
    }

    /// Ends every listener's stream.
    pub fn close(&self) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A decision as a notice. `wall_ns` is the wall clock minus CLOCK_BOOTTIME, ns.
pub fn of_effect(session: &str, mode: Mode, effect: &Effect, wall_ns: i64) -> Notice {
    let mut notice = Notice {
        session: session.to_owned(),
        kind: "verdict".to_owned(),
        unix_ns: 0,
        stage: "T2".to_owned(),
        means: String::new(),
        op: String::new(),
        object: String::new(),
        reason: String::new(),
        refused: mode != Mode::Shadow,
        pid: 0,
    };
    let (time_ns, kind, means) = match effect {
        Effect::Denied(denial) => {
            notice.stage = denial.stage.name().to_owned();
            notice.op.clone_from(&denial.op);
            notice.object.clone_from(&denial.object);
            notice.reason.clone_from(&denial.reason);
            notice.refused = denial.refused;
            notice.pid = denial.pid;
            (denial.time_ns, "denial", denial.means.name())
        }
        Effect::Alert { time_ns, verdict, p, reasons } => {
            notice.reason = format!("p = {p:.2e}: {}", reasons.join("; "));
            notice.object = verdict.name().to_owned();
            (*time_ns, "alert", "")
        }
        Effect::Stop { time_ns, pid, freeze, reason } => {
            notice.stage = "T0".to_owned();
            notice.reason.clone_from(reason);
            notice.pid = *pid;
            (*time_ns, "verdict", if *freeze { "freeze" } else { "kill" })
        }
        Effect::Restrict(answer) | Effect::Freeze(answer) | Effect::Kill(answer) => {
            notice.reason.clone_from(&answer.reason);
            let means = match effect {
                Effect::Freeze(_) => "freeze",
                Effect::Kill(_) => "kill",
                _ => "restrict",
            };
            (answer.time_ns, "verdict", means)
        }
    };
    notice.kind = kind.to_owned();
    notice.means = means.to_owned();
    notice.unix_ns = wall_ns.saturating_add(i64::try_from(time_ns).unwrap_or(i64::MAX));
    notice
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(session: &str) -> Notice {
        Notice {
            session: session.into(),
            kind: "denial".into(),
            unix_ns: 0,
            stage: "T0".into(),
            means: String::new(),
            op: String::new(),
            object: String::new(),
            reason: String::new(),
            refused: true,
            pid: 0,
        }
    }

    #[test]
    fn a_listener_hears_what_it_may_and_is_told_what_it_missed() {
        let notices = Notices::default();
        let all = notices.subscribe(None, None);
        let own = notices.subscribe(Some(1000), Some("7".into()));
        notices.tell(1000, &notice("7"));
        notices.tell(1000, &notice("8"));
        notices.tell(1001, &notice("7"));
        assert_eq!(all.receiver.try_iter().count(), 3);
        assert_eq!(own.receiver.try_iter().count(), 1);
        for _ in 0..WAITING + 5 {
            notices.tell(1000, &notice("7"));
        }
        assert_eq!(own.missed(), 5);
        drop((all, own));
        notices.tell(1000, &notice("7"));
        assert!(!notices.is_wanted());
    }
}
