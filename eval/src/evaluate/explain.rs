//! What explains a case: what each stage did or would have done, and what it lacked.

use super::arm::Entry;
use super::incident::{self, First, source};
use crate::result::{CaseKind, Source};
use crate::score::Touch;
use crate::trace::Said;
use event::Stage;
use models::DENIAL_BUDGET_BITS;

/// Places that are named.
pub const PLACES: usize = 6;

/// The stretch of a session that a case is about: from the onset on, or up to it.
pub struct Stretch<'e> {
    /// What was said in it.
    pub said: Vec<&'e Said>,
    /// What the replayed baseline denies in it.
    pub touches: Vec<&'e Touch>,
    /// It is the one before an attack began, of which no score is kept.
    pub early: bool,
}

impl<'e> Stretch<'e> {
    /// The one of a case of this kind.
    pub fn of(entry: &'e Entry<'_>, kind: CaseKind) -> Self {
        let early = kind == CaseKind::FalseAlarm && entry.item.is_attack();
        let is_in = |time_ns: u64| (time_ns >= entry.item.counts_from_ns()) != early;
        Stretch {
            said: entry.item.trace.said.iter().filter(|said| is_in(said.time_ns)).collect(),
            touches: entry.scored.touches.iter().filter(|touch| is_in(touch.time_ns)).collect(),
            early,
        }
    }
}

/// What each stage knew, and what it lacked.
pub fn explained(
    entry: &Entry<'_>,
    kind: CaseKind,
    first: Option<First>,
    stretch: &Stretch<'_>,
) -> Vec<(String, String)> {
    let said = [
        ("T0", Some(t0(stretch))),
        ("T1", Some(t1(entry, stretch))),
        ("T2", Some(t2(entry, stretch))),
        ("lacking", lacking(entry, kind, first, stretch.early)),
    ];
    said.into_iter().filter_map(|(what, said)| Some((what.to_owned(), said?))).collect()
}

/// What a stage did while the session ran; `None` where that was nothing.
fn did(stretch: &Stretch<'_>, stage: Stage, verb: &str, what: &str) -> Option<String> {
    let mut said = stretch.said.iter().filter(|said| said.stage == stage);
    let first = said.next()?;
    Some(format!("{verb} {}, the first: {}", text::count(said.count() as u64 + 1, what), first.what))
}

fn t0(stretch: &Stretch<'_>) -> String {
    did(stretch, Stage::T0, "refused", "operation").unwrap_or_else(|| "met no crown jewel".to_owned())
}

fn t1(entry: &Entry<'_>, stretch: &Stretch<'_>) -> String {
    let denies = !stretch.touches.is_empty();
    if source(entry.item) == Source::Offline {
        return if denies { denied(&stretch.touches) } else { nearly(entry) };
    }
    match did(stretch, Stage::T1, "refused", "operation") {
        Some(refused) if denies => refused,
        Some(refused) => format!("{refused}. The replay disagrees: it denies nothing"),
        None if denies => {
            format!("refused nothing. The replay disagrees: it {}", denied(&stretch.touches))
        }
        None if stretch.early => "refused nothing".to_owned(),
        None => format!("refused nothing: {}", nearly(entry)),
    }
}

fn denied(touches: &[&Touch]) -> String {
    let named: Vec<String> = touches.iter().take(PLACES).map(|touch| place(touch)).collect();
    let more = touches.len() - named.len();
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("denies {}: {}{more}", text::count(touches.len() as u64, "place"), named.join(", "))
}

fn nearly(entry: &Entry<'_>) -> String {
    match &entry.scored.nearly {
        Some((bits, reach, place)) => format!(
            "every place that it reached was known or lies in an open region; the costliest was {} `{place}` ({bits:.1} of {DENIAL_BUDGET_BITS} bits)",
            reach_words(*reach)
        ),
        None => "it reached no place for the first time".to_owned(),
    }
}

fn t2(entry: &Entry<'_>, stretch: &Stretch<'_>) -> String {
    if source(entry.item) == Source::Offline {
        return lowest(entry);
    }
    let said = did(stretch, Stage::T2, "raised", "alert").unwrap_or_else(|| "raised no alert".to_owned());
    if stretch.early { said } else { format!("{said}; replayed: {}", lowest(entry)) }
}

fn lowest(entry: &Entry<'_>) -> String {
    let Some(lowest) = &entry.scored.lowest else { return "nothing was scored".to_owned() };
    let channel = lowest.score.channels.iter().max_by(|a, b| a.evidence.total_cmp(&b.evidence));
    let Some(channel) = channel else { return "no channel counts".to_owned() };
    format!(
        "lowest p = {} after {}, most by the channel `{}` (value {:.2}{})",
        p_words(lowest.score.p),
        text::count(lowest.action, "action"),
        channel.name,
        channel.value,
        if lowest.score.extrapolated { ", past what held-out sessions prove" } else { "" }
    )
}

/// The knowledge that would have made the difference; `None` where no number of sessions would have.
fn lacking(entry: &Entry<'_>, kind: CaseKind, first: Option<First>, early: bool) -> Option<String> {
    let baseline = &entry.fitted.baseline;
    let provable = baseline.smallest_provable();
    let threshold = incident::alert_threshold();
    // Past what held-out sessions prove, more of them would have said how rare it is.
    let past = entry.scored.lowest.as_ref().filter(|lowest| !early && lowest.score.p <= provable);
    match (kind, first.map(|first| first.stage)) {
        (CaseKind::FalseAlarm, Some(Stage::T1)) => Some(format!(
            "{} in {} taught this baseline, and too few went there; `{}` taught it nothing",
            text::count(baseline.sessions as u64, "session"),
            text::count(baseline.workspaces as u64, "workspace"),
            entry.item.run.repository
        )),
        (CaseKind::FalseAlarm, Some(Stage::T2)) => past.map(|_| {
            format!(
                "the scale rests on {} held-out sessions, which prove no p below {}: what lies past it is extrapolated",
                baseline.calibration.sessions(),
                p_words(provable)
            )
        }),
        (CaseKind::FalseAlarm, _) => None,
        // An alert after the harm would have been late as well.
        (CaseKind::Late, _)
            if past.is_some_and(|past| {
                entry.item.run.impact_ns.is_none_or(|impact_ns| past.time_ns >= impact_ns)
            }) =>
        {
            None
        }
        (CaseKind::Missed | CaseKind::Late, _) => past.filter(|_| provable > threshold).map(|_| {
            format!(
                "{} held-out sessions prove no p below {}; to prove {threshold} takes about {}",
                baseline.calibration.sessions(),
                p_words(provable),
                (baseline.calibration.sessions() as f64 * provable / threshold).ceil()
            )
        }),
    }
}

/// A p in a text.
pub fn p_words(p: f64) -> String {
    if p >= 0.001 { format!("{p:.3}") } else { format!("{p:.1e}") }
}

fn reach_words(reach: event::Reach) -> &'static str {
    match reach {
        event::Reach::Read => "reading",
        event::Reach::Write => "writing",
        event::Reach::Create => "making",
        event::Reach::Remove => "removing",
        event::Reach::Exec => "running",
        event::Reach::Connect | event::Reach::Unix => "connecting to",
        event::Reach::Listen => "listening on",
        event::Reach::Name => "asking for the name",
    }
}

/// How a place was reached for, and the place.
pub fn place(touch: &Touch) -> String {
    format!("{} `{}`", reach_words(touch.reach), touch.place)
}
