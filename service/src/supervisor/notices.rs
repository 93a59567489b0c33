//! The notices that `tail` follows: denials, alerts, freezes and kills, for every listener. A listener that does not keep up
//! loses notices and is told how many: nobody can hold up the guard by not reading.

use event::Stage;
use guard::Effect;
use guard::session::Answer;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use wire::{Kind, Notice};

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

/// What somebody asked for from outside, or what became of a session by itself, as a notice.
pub fn of_request(session: &str, kind: Kind, why: &str) -> Notice {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
    Notice {
        session: session.to_owned(),
        kind,
        unix_ns: i64::try_from(now).unwrap_or(i64::MAX),
        stage: None,
        means: None,
        op: String::new(),
        object: String::new(),
        reason: why.to_owned(),
        fate: None,
        p: None,
        times: 1,
        pid: 0,
    }
}

/// A decision as a notice; `None` where another one tells of it. `wall_ns` is the wall clock minus CLOCK_BOOTTIME, ns.
pub fn of_effect(session: &str, effect: &Effect, wall_ns: i64) -> Option<Notice> {
    let notice = |kind, stage, time_ns, reason: &str| Notice {
        session: session.to_owned(),
        kind,
        unix_ns: wall_ns.saturating_add(i64::try_from(time_ns).unwrap_or(i64::MAX)),
        stage: Some(stage),
        means: None,
        op: String::new(),
        object: String::new(),
        reason: reason.to_owned(),
        fate: None,
        p: None,
        times: 1,
        pid: 0,
    };
    let answered = |kind, answer: &Answer| notice(kind, Stage::T2, answer.time_ns, &answer.reason);
    Some(match effect {
        Effect::Denied(denial) => Notice {
            means: Some(denial.means),
            op: denial.op.clone(),
            object: denial.object.clone(),
            fate: Some(denial.fate),
            pid: denial.pid,
            ..notice(Kind::Denial, denial.stage, denial.time_ns, &denial.reason)
        },
        Effect::Alert { time_ns, verdict, p, reasons } => Notice {
            object: verdict.name().to_owned(),
            p: Some(*p),
            ..notice(Kind::Alert, Stage::T2, *time_ns, &reasons.join("; "))
        },
        Effect::Met { time_ns, peer } => Notice {
            stage: None,
            object: peer.at.clone(),
            pid: peer.pid,
            ..notice(Kind::Met, Stage::T0, *time_ns, &peer.told())
        },
        // What its process was killed for was told as a denial.
        Effect::Stop { freeze: false, .. } => return None,
        Effect::Stop { pid, cause, .. } => {
            let reason = format!("{}: {}", cause.what, cause.reason);
            Notice { pid: *pid, ..notice(Kind::Frozen, Stage::T0, cause.time_ns, &reason) }
        }
        Effect::End { time_ns, pid, reason } => {
            Notice { pid: *pid, ..notice(Kind::Killed, Stage::T0, *time_ns, reason) }
        }
        Effect::Used { time_ns, used } => {
            let why = used.refused.as_deref().unwrap_or("it was signed");
            Notice {
                stage: None,
                op: used.purpose.clone(),
                object: used.about(),
                ..notice(
                    if used.refused.is_some() { Kind::KeyRefused } else { Kind::KeyUsed },
                    Stage::T0,
                    *time_ns,
                    why,
                )
            }
        }
        Effect::Restrict(answer) => answered(Kind::Restricted, answer),
        Effect::Freeze(answer) => answered(Kind::Frozen, answer),
        Effect::Kill(answer) => answered(Kind::Killed, answer),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(session: &str) -> Notice {
        let verdict = models::Verdict::Alert;
        let alert = Effect::Alert { time_ns: 5, verdict, p: 0.01, reasons: vec!["much removed".into()] };
        of_effect(session, &alert, 10).unwrap()
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
        assert!(notices.listeners.lock().unwrap().is_empty());
    }
}
