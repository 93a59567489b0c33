//! Selects the sessions for training. A session that was misled, or not recorded completely, is not used.

use store::Session;

/// Share of a session's records that may have been lost. A gap hides what filled it; one in a thousand is a burst that
/// outran the rings for a moment.
pub const LOSS_SHARE_MAX: f64 = 1e-3;

/// Events below which a session shows nothing: even a script of two lines is started, maps its interpreter's libraries, is
/// read and ends.
const EVENTS_MIN: u64 = 5;

/// The verdict on a session in which something was refused, and nothing worse happened.
pub(crate) const REFUSED: &str = "deny";

/// Why a session must not train; `None` if it may. The counts are those that its recorder summed up; alerts stored
/// beside the session are counted by the caller, who also says whether all that was refused is allowed now.
pub fn reason_to_leave_out(session: &Session, alerts: usize, reviewed: bool) -> Option<String> {
    let Some(summary) = session.summary.as_ref().filter(|_| session.complete) else {
        return Some("it is incomplete: it still runs, or its recorder was stopped".to_owned());
    };
    let records = summary.events + summary.syscalls + summary.lost;
    let share = summary.lost as f64 / records.max(1) as f64;
    if summary.t0_hits > 0 {
        Some(format!("it met the static deny-list {}", text::count(summary.t0_hits, "time")))
    } else if summary.alerts > 0 || alerts > 0 {
        Some(format!("it raised {}", text::count(summary.alerts.max(alerts as u64), "alert")))
    } else if summary.verdict == REFUSED && !reviewed {
        Some("something was refused in it that nobody has allowed (`wardline review`)".to_owned())
    } else if !matches!(summary.verdict.as_str(), "" | "allow" | "routine" | "would-deny" | REFUSED) {
        Some(format!("its verdict was `{}`", summary.verdict))
    } else if summary.exit_status.is_none() {
        Some("Wardline ended before it, or ended it".to_owned())
    } else if share > LOSS_SHARE_MAX {
        Some(format!("{} of its {records} records were lost ({:.2} %)", summary.lost, 100.0 * share))
    } else if summary.events < EVENTS_MIN {
        Some(format!("it has only {} events", summary.events))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::{SessionMeta, Summary};
    use store::SessionId;

    fn session(change: impl Fn(&mut Summary)) -> Session {
        let mut summary =
            Summary { exit_status: Some(0), events: 100, syscalls: 9_900, ..Summary::default() };
        change(&mut summary);
        let meta = SessionMeta {
            agent: "codex".parse().unwrap(),
            task: "edit".parse().unwrap(),
            mode: event::Mode::Record,
            tier: event::Tier::Lsm,
            ..SessionMeta::default()
        };
        Session { id: SessionId(1), meta, summary: Some(summary), segments: vec![], complete: true }
    }

    #[test]
    fn only_what_was_seen_whole_and_met_nothing_trains() {
        let why =
            |change: fn(&mut Summary)| reason_to_leave_out(&session(change), 0, false).unwrap_or_default();
        assert_eq!(why(|_| {}), "");
        assert_eq!(why(|s| s.lost = 5), "");
        assert_eq!(why(|s| s.exit_status = Some(1)), "");
        assert!(why(|s| s.t0_hits = 1).contains("static deny-list"));
        assert!(why(|s| s.alerts = 1) == "it raised 1 alert");
        assert!(why(|s| s.lost = 50).contains("lost"));
        assert!(why(|s| s.exit_status = None).contains("ended"));
        assert!(why(|s| s.verdict = "freeze".into()).contains("freeze"));
        assert!(why(|s| s.verdict = "deny".into()).contains("wardline review"));
        let reviewed = |change: fn(&mut Summary)| reason_to_leave_out(&session(change), 0, true);
        assert_eq!(reviewed(|s| s.verdict = "deny".into()), None);
        assert!(reviewed(|s| s.verdict = "freeze".into()).is_some() && reviewed(|s| s.t0_hits = 1).is_some());
        assert!(why(|s| s.events = 3).contains("only 3"));
        assert!(reason_to_leave_out(&session(|_| {}), 2, true).unwrap().contains("2 alerts"));
        let running = Session { complete: false, summary: None, ..session(|_| {}) };
        assert!(reason_to_leave_out(&running, 0, true).unwrap().contains("incomplete"));
    }
}
